#include "kafka/explanation.h"

#include <algorithm>
#include <array>
#include <regex>
#include <string_view>

#include "base/pem.h"
#include "kafka/trouble.h"

namespace bronze::kafka {
namespace {

using Kind = Trouble::Kind;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string value_of(const Properties& properties, std::string_view name) {
  const auto found = std::find_if(properties.rbegin(), properties.rend(),
                                  [&](const auto& property) { return property.first == name; });
  return found == properties.rend() ? "" : found->second;
}

/// Without `(after 3ms in state CONNECT, 1 identical error(s) suppressed)`, with which the same
/// trouble would look new each time.
std::string without_timing(std::string text) {
  text.erase(std::min(text.rfind(" (after "), text.size()));
  return text;
}

Trouble explain_login(const std::string& text, const std::string& mechanism) {
  if (has(text, "Unsupported SASL mechanism")) {
    return {Kind::kDenied, text, "Set KAFKA_SASL_MECHANISM to one that the brokers support"};
  }
  if (has(text, "not valid in current SASL state")) {
    return {Kind::kDenied, text,
            "There the brokers ask for no login: set KAFKA_SECURITY_PROTOCOL to SSL or PLAINTEXT, "
            "or name another port in KAFKA_BOOTSTRAP_SERVERS"};
  }
  if (mechanism == "OAUTHBEARER") {
    return {Kind::kDenied, text,
            "Check that the brokers accept the tokens: their issuer, their audience, and "
            "KAFKA_SASL_OAUTH_SCOPE"};
  }
  if (mechanism == "GSSAPI")
    return {Kind::kDenied, text, "Check sasl.kerberos.* in KAFKA_PROPERTIES"};
  return {Kind::kDenied, text, "Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"};
}

/// What ends without us: no answer by HTTP, the server's own faults, and "not now".
bool may_come_later(int status) {
  return status < 0 || status >= 500 || status == 408 || status == 425 || status == 429;
}

/// `why` is what the client of the token server says, or that server.
Trouble explain_missing_token(const std::string& why, const Properties& properties,
                              const ConnectionNotes& notes) {
  const auto url = value_of(properties, "sasl.oauthbearer.token.endpoint.url");
  const auto status = notes.token_status(why);
  const auto message = "no token from " + (url.empty() ? "the token server" : url) + ": " +
                       (status.value_or(0) > 0 ? "HTTP " + std::to_string(*status) + ": " : "") +
                       why;
  if (status.value_or(0) <= 0 && has(why, "certificate")) {
    return {Kind::kDenied, message,
            "Set KAFKA_SASL_OAUTH_CA to the certificate of the CA of KAFKA_SASL_OAUTH_TOKEN_URL"};
  }
  const bool no_answer = has(why, "resolve host") || has(why, "connect to");
  if (status ? may_come_later(*status) : no_answer) {
    return {Kind::kUnreachable, message,
            "Check KAFKA_SASL_OAUTH_TOKEN_URL, and that the server of the tokens runs"};
  }
  return {Kind::kDenied, message,
          "Check KAFKA_SASL_OAUTH_CLIENT_ID, KAFKA_SASL_OAUTH_CLIENT_SECRET and "
          "KAFKA_SASL_OAUTH_SCOPE"};
}

/// TLS alerts by which a broker says that it does not accept our certificate, or misses it.
bool is_about_our_certificate(std::string_view text) {
  constexpr auto k_alerts = std::to_array<std::string_view>(
      {"alert number 42", "alert number 43", "alert number 44", "alert number 45",
       "alert number 46", "alert number 48", "alert number 116"});
  return std::any_of(k_alerts.begin(), k_alerts.end(),
                     [&](std::string_view alert) { return text.ends_with(alert); });
}

/// The certificate that the next connection shows; what it holds may have changed since the start.
std::string our_certificate(const Properties& properties) {
  const auto path = value_of(properties, "ssl.certificate.location");
  return path.empty() ? value_of(properties, "ssl.certificate.pem") : read_pem_file(path);
}

Trouble explain_our_certificate(const std::string& text, const Properties& properties) {
  const auto certificates = certificates_in(our_certificate(properties));
  if (certificates.empty()) {
    return {Kind::kUntrusted, text,
            "The broker asks for a certificate: set KAFKA_SSL_CERTIFICATE and KAFKA_SSL_KEY"};
  }
  const auto& ours = certificates.front();
  if (ours.is_expired) {
    return {Kind::kUntrusted,
            "our certificate (" + ours.subject + ") expired at " + ours.not_after + ": " + text,
            "Renew KAFKA_SSL_CERTIFICATE"};
  }
  return {Kind::kUntrusted,
          "the broker does not accept our certificate (" + ours.subject + "), which is signed by " +
              ours.issuer + ": " + text,
          "Set KAFKA_SSL_CERTIFICATE to one that is signed by a CA which the broker trusts"};
}

Trouble explain_unknown_host(const std::string& text) {
  if (has(text, "/bootstrap")) {
    return {Kind::kUnreachable, text, "Check the host in KAFKA_BOOTSTRAP_SERVERS"};
  }
  return {Kind::kUnreachable, text,
          "So the broker names itself: check its advertised.listeners, and whether this machine "
          "can resolve that name"};
}

/// Which of our variables names the file that cannot be used for a new connection.
Trouble explain_file(const std::string& text) {
  constexpr auto k_variables = std::to_array<std::pair<std::string_view, const char*>>({
      {"ssl.ca.location failed", "Check KAFKA_SSL_CA"},
      {"ssl.certificate.location failed", "Check KAFKA_SSL_CERTIFICATE"},
      {"ssl.key.location failed", "Check KAFKA_SSL_KEY and KAFKA_SSL_KEY_PASSWORD"},
      {"rivate key check failed",
       "KAFKA_SSL_KEY is not the key of KAFKA_SSL_CERTIFICATE: replace both"},
  });
  for (const auto& [part, advice] : k_variables) {
    if (has(text, part)) return {Kind::kUntrusted, text, advice};
  }
  return {};
}

/// What a broker does that speaks another protocol on this port, or wants a login.
bool is_cut_off_at_once(const std::string& text) {
  static const std::regex k_at_once(
      R"(Disconnected.*in state (APIVERSION_QUERY|SSL_HANDSHAKE))"
      R"(|Disconnected.*\(after \d{1,3}ms in state UP|connecting to a PLAINTEXT broker listener)");
  return std::regex_search(text, k_at_once);
}

}  // namespace

Trouble explain(rd_kafka_resp_err_t code, std::string text, const Properties& properties,
                const ConnectionNotes& notes) {
  const bool cut_off = is_cut_off_at_once(text);
  text = without_timing(std::move(text));
  if (has(text, "certificate verify failed")) {
    if (auto verdict = notes.certificate_of_broker_in(text)) {
      return {Kind::kUntrusted, std::move(verdict->message), std::move(verdict->advice)};
    }
  }
  constexpr std::string_view k_no_token = "Failed to acquire SASL OAUTHBEARER token: ";
  if (const auto found = text.find(k_no_token); found != std::string::npos) {
    return explain_missing_token(text.substr(found + k_no_token.size()), properties, notes);
  }
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
      code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
    return explain_login(text, value_of(properties, "sasl.mechanism"));
  }
  if (is_about_our_certificate(text)) return explain_our_certificate(text, properties);
  if (code == RD_KAFKA_RESP_ERR__RESOLVE) return explain_unknown_host(text);
  if (auto trouble = explain_file(text); trouble.any()) return trouble;
  if (cut_off) {
    return {kind_of(code), text,
            "Check that the brokers speak KAFKA_SECURITY_PROTOCOL=" +
                value_of(properties, "security.protocol") + " on this port"};
  }
  return {kind_of(code), text};
}

}  // namespace bronze::kafka
