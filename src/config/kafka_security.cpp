#include "config/kafka_security.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "config/endpoint.h"
#include "config/tls_config.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_oauthbearer = "OAUTHBEARER";
constexpr std::string_view k_token_url = "KAFKA_SASL_OAUTH_TOKEN_URL";
constexpr std::string_view k_client_id = "KAFKA_SASL_OAUTH_CLIENT_ID";
constexpr std::string_view k_client_secret = "KAFKA_SASL_OAUTH_CLIENT_SECRET";
constexpr std::string_view k_scope = "KAFKA_SASL_OAUTH_SCOPE";
constexpr std::string_view k_oauth_ca = "KAFKA_SASL_OAUTH_CA";
constexpr auto k_oauth_variables = std::to_array<std::string_view>(
    {k_token_url, k_client_id, k_client_secret, k_scope, k_oauth_ca});
constexpr auto k_tls_variables = std::to_array<std::string_view>(
    {"KAFKA_SSL_CA", "KAFKA_SSL_CERTIFICATE", "KAFKA_SSL_KEY", "KAFKA_SSL_KEY_PASSWORD"});

struct Mapping {
  std::string_view property;
  std::string_view variable;
};

constexpr auto k_set_by_variables = std::to_array<Mapping>({
    {"ssl.ca.location", "KAFKA_SSL_CA"},
    {"ssl.ca.pem", "KAFKA_SSL_CA"},
    {"ssl.certificate.location", "KAFKA_SSL_CERTIFICATE"},
    {"ssl.certificate.pem", "KAFKA_SSL_CERTIFICATE"},
    {"ssl.key.location", "KAFKA_SSL_KEY"},
    {"ssl.key.pem", "KAFKA_SSL_KEY"},
    {"ssl.keystore.location", "KAFKA_SSL_KEY"},
    {"ssl.key.password", "KAFKA_SSL_KEY_PASSWORD"},
    {"enable.sasl.oauthbearer.unsecure.jwt", k_token_url},
    {"sasl.oauthbearer.method", k_token_url},
    {"sasl.oauthbearer.token.endpoint.url", k_token_url},
    {"sasl.oauthbearer.client.id", k_client_id},
    {"sasl.oauthbearer.client.credentials.client.id", k_client_id},
    {"sasl.oauthbearer.client.secret", k_client_secret},
    {"sasl.oauthbearer.client.credentials.client.secret", k_client_secret},
    {"sasl.oauthbearer.scope", k_scope},
    {"https.ca.location", k_oauth_ca},
    {"https.ca.pem", k_oauth_ca},
});

/// What librdkafka takes anew while a client runs.
constexpr auto k_renewable = std::to_array<Mapping>({
    {"sasl.username", "KAFKA_SASL_USERNAME"},
    {"sasl.password", "KAFKA_SASL_PASSWORD"},
    {"ssl.key.password", "KAFKA_SSL_KEY_PASSWORD"},
    {"sasl.oauthbearer.client.id", k_client_id},
    {"sasl.oauthbearer.client.secret", k_client_secret},
});

/// The same by other names, which only KAFKA_PROPERTIES can use.
constexpr auto k_other_renewable = std::to_array<std::string_view>({
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
});

bool is_renewable(std::string_view property) {
  return std::ranges::find(k_renewable, property, &Mapping::property) != k_renewable.end() ||
         std::ranges::find(k_other_renewable, property) != k_other_renewable.end();
}

bool uses_sasl(const KafkaConfig& kafka) { return kafka.security_protocol.starts_with("SASL_"); }
bool uses_tls(const KafkaConfig& kafka) { return kafka.security_protocol.ends_with("SSL"); }

/// `SASL_SSL with PLAIN`
std::string shown_protocol(const KafkaConfig& kafka) {
  return kafka.security_protocol + (uses_sasl(kafka) ? " with " + kafka.sasl_mechanism : "");
}

void read_protocol(Reader& reader, KafkaConfig& kafka) {
  using Choice = std::pair<std::string_view, std::string_view>;
  constexpr auto k_protocols = std::to_array<Choice>({
      {"PLAINTEXT", "PLAINTEXT"},
      {"SSL", "SSL"},
      {"SASL_PLAINTEXT", "SASL_PLAINTEXT"},
      {"SASL_SSL", "SASL_SSL"},
  });
  constexpr auto k_mechanisms = std::to_array<Choice>({
      {"PLAIN", "PLAIN"},
      {"SCRAM-SHA-256", "SCRAM-SHA-256"},
      {"SCRAM-SHA-512", "SCRAM-SHA-512"},
      {"GSSAPI", "GSSAPI"},
      {k_oauthbearer, k_oauthbearer},
  });
  kafka.security_protocol = reader.choice<std::string_view>("KAFKA_SECURITY_PROTOCOL", k_protocols);
  kafka.sasl_mechanism = reader.choice<std::string_view>("KAFKA_SASL_MECHANISM", k_mechanisms);
}

void require(Reader& reader, const KafkaConfig& kafka,
             std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (reader.given(name)) continue;
    reader.fail(name, "expected a value, since KAFKA_SECURITY_PROTOCOL is " +
                          shown_protocol(kafka) + "; it is not set");
  }
}

void warn_of_unused(Reader& reader, const KafkaConfig& kafka,
                    std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    if (!reader.given(name)) continue;
    reader.warn(std::string(name) + " is set but not used: KAFKA_SECURITY_PROTOCOL is " +
                shown_protocol(kafka));
  }
}

void read_password(Reader& reader, KafkaConfig& kafka) {
  constexpr std::string_view k_username = "KAFKA_SASL_USERNAME";
  constexpr std::string_view k_password = "KAFKA_SASL_PASSWORD";
  kafka.sasl_username = reader.text(k_username);
  kafka.sasl_password = reader.text(k_password);
  const bool needs_password =
      kafka.sasl_mechanism == "PLAIN" || kafka.sasl_mechanism.starts_with("SCRAM-");
  if (uses_sasl(kafka) && needs_password) require(reader, kafka, {k_username, k_password});
  if (!uses_sasl(kafka)) warn_of_unused(reader, kafka, std::array{k_password});
}

/// librdkafka puts the scope into a form as it is.
std::string form_encoded(std::string_view text) {
  constexpr std::string_view k_hex = "0123456789ABCDEF";
  constexpr std::string_view k_plain = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || k_plain.find(c) != std::string_view::npos;
    if (is_plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += {'%', k_hex[byte >> 4U], k_hex[byte & 0x0fU]};
    }
  }
  return out;
}

void read_token_url(Reader& reader, OauthConfig& oauth) {
  oauth.token_url = reader.text(k_token_url);
  if (oauth.token_url.empty()) return;
  if (!is_endpoint(oauth.token_url)) {
    reader.fail(k_token_url, "expected http(s)://host[:port][/path]; " + told(oauth.token_url));
  } else if (!Reader::lower_case(oauth.token_url).starts_with("https://")) {
    reader.warn(std::string(k_client_secret) + " goes over the network unencrypted: " +
                std::string(k_token_url) + " is not https");
  }
}

void read_oauth(Reader& reader, KafkaConfig& kafka) {
  OauthConfig& oauth = kafka.oauth;
  read_token_url(reader, oauth);
  oauth.client_id = reader.text(k_client_id);
  oauth.client_secret = reader.text(k_client_secret);
  oauth.scope = reader.text(k_scope);
  oauth.ca = read_certificates(reader, k_oauth_ca);

  if (!uses_sasl(kafka) || kafka.sasl_mechanism != k_oauthbearer) {
    return warn_of_unused(reader, kafka, k_oauth_variables);
  }
  const bool any_given = std::ranges::any_of(
      k_oauth_variables, [&](auto name) { return reader.given(name).has_value(); });
  const bool in_properties = std::ranges::any_of(kafka.extra, [](const auto& property) {
    return Reader::lower_case(property.first).find("sasl.oauthbearer.") != std::string::npos;
  });
  if (any_given || !in_properties) {
    require(reader, kafka, {k_token_url, k_client_id, k_client_secret});
  }
}

void refuse_what_is_said_twice(Reader& reader, const KafkaConfig& kafka) {
  for (const auto& [property, value] : kafka.extra) {
    const auto rule =
        std::ranges::find(k_set_by_variables, Reader::lower_case(property), &Mapping::property);
    if (rule == k_set_by_variables.end() || !reader.given(rule->variable)) continue;
    reader.fail("KAFKA_PROPERTIES", shown(property) + " is not allowed beside " +
                                        std::string(rule->variable) + ", which is set");
  }
}

/// As librdkafka reads it.
bool is_false(std::string_view value) {
  const std::string lower = Reader::lower_case(value);
  return lower == "false" || lower == "f" || lower == "0";
}

void warn_of_unchecked_brokers(Reader& reader, const KafkaConfig& kafka) {
  if (!uses_tls(kafka)) return;
  for (const auto& [property, value] : kafka.extra) {
    if (property == "enable.ssl.certificate.verification" && is_false(value)) {
      reader.warn(property + "=" + value +
                  " in KAFKA_PROPERTIES: the certificates of the brokers are not checked, anybody"
                  " may pretend to be one");
    } else if (property == "ssl.endpoint.identification.algorithm" &&
               Reader::lower_case(value) == "none") {
      reader.warn(property + "=" + value +
                  " in KAFKA_PROPERTIES: whose the certificates of the brokers are is not checked,"
                  " anybody with one of the same CA may pretend to be one");
    }
  }
}

void note_secret_files(const Reader& reader, KafkaConfig& kafka) {
  using Holds = SecretProperty::Holds;
  const auto note = [&](std::string_view property, std::string_view variable, Holds holds) {
    auto path = reader.file_of(variable);
    if (!path) return;
    kafka.secret_files.push_back(
        {.property = std::string(property), .path = *std::move(path), .holds = holds});
  };
  for (const auto& [property, variable] : k_renewable) note(property, variable, Holds::kValue);
  for (const auto& [property, value] : kafka.extra) {
    if (is_renewable(property)) note(property, "KAFKA_PROPERTIES", Holds::kKafkaProperties);
  }
}

void add_pem(Properties& properties, const std::string& name, const PemSource& source) {
  if (!source.path.empty()) properties.emplace_back(name + ".location", source.path);
  if (!source.text.empty()) properties.emplace_back(name + ".pem", source.text);
}

void add_text(Properties& properties, const std::string& name, const std::string& value) {
  if (!value.empty()) properties.emplace_back(name, value);
}

void add_oauth(Properties& properties, const OauthConfig& oauth) {
  if (oauth.token_url.empty()) return;
  add_text(properties, "sasl.oauthbearer.method", "oidc");
  add_text(properties, "sasl.oauthbearer.token.endpoint.url", oauth.token_url);
  add_text(properties, "sasl.oauthbearer.client.id", oauth.client_id);
  add_text(properties, "sasl.oauthbearer.client.secret", oauth.client_secret);
  add_text(properties, "sasl.oauthbearer.scope", form_encoded(oauth.scope));
  add_pem(properties, "https.ca", oauth.ca);
}

}  // namespace

void read_kafka_security(Reader& reader, KafkaConfig& kafka) {
  read_protocol(reader, kafka);
  read_password(reader, kafka);
  read_oauth(reader, kafka);
  kafka.tls = read_tls(reader);
  if (!uses_tls(kafka)) warn_of_unused(reader, kafka, k_tls_variables);
  refuse_what_is_said_twice(reader, kafka);
  warn_of_unchecked_brokers(reader, kafka);
  note_secret_files(reader, kafka);
}

Properties security_properties(const KafkaConfig& kafka) {
  Properties properties{{"security.protocol", kafka.security_protocol}};
  if (uses_sasl(kafka)) properties.emplace_back("sasl.mechanism", kafka.sasl_mechanism);
  add_text(properties, "sasl.username", kafka.sasl_username);
  add_text(properties, "sasl.password", kafka.sasl_password);
  if (uses_sasl(kafka) && kafka.sasl_mechanism == k_oauthbearer) {
    add_oauth(properties, kafka.oauth);
  }
  if (uses_tls(kafka)) {
    add_pem(properties, "ssl.ca", kafka.tls.ca);
    add_pem(properties, "ssl.certificate", kafka.tls.certificate);
    add_pem(properties, "ssl.key", kafka.tls.key);
    add_text(properties, "ssl.key.password", kafka.tls.key_password);
  }
  return properties;
}

}  // namespace bronze::config
