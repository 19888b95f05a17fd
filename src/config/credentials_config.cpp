#include "config/credentials_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/secret_file.h"
#include "config/endpoint.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_id = "AWS_ACCESS_KEY_ID";
constexpr std::string_view k_secret = "AWS_SECRET_ACCESS_KEY";
constexpr std::string_view k_token = "AWS_SESSION_TOKEN";
constexpr std::string_view k_profile = "AWS_PROFILE";

struct PassedThrough {
  std::string_view variable;
  std::string_view option;
};

constexpr auto k_role_variables = std::to_array<PassedThrough>({
    {"AWS_WEB_IDENTITY_TOKEN_FILE", "aws_web_identity_token_file"},
    {"AWS_ROLE_ARN", "aws_role_arn"},
    {"AWS_ROLE_SESSION_NAME", "aws_role_session_name"},
    {"AWS_ENDPOINT_URL_STS", "aws_endpoint_url_sts"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "aws_container_credentials_relative_uri"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "aws_container_credentials_full_uri"},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "aws_container_authorization_token_file"},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "aws_container_authorization_token"},
    {k_profile, "aws_profile"},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "aws_metadata_endpoint"},
});

/// With one of them set, the default keys do not hold.
constexpr auto k_sources = std::to_array<std::string_view>({
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    k_profile,
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
});

bool has_blanks(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

void read_keys(Reader& reader, Properties& options) {
  const auto id = reader.given(k_id);
  const auto secret = reader.given(k_secret);
  const auto token = reader.given(k_token);
  if (id.has_value() != secret.has_value()) {
    const std::string_view missing = id ? k_secret : k_id;
    const std::string_view present = id ? k_id : k_secret;
    reader.fail(missing, "expected together with " + std::string(present) + "; it is " +
                             (reader.is_set(missing) ? "empty" : "not set"));
    return;
  }
  for (const std::string_view name : {k_id, k_secret, k_token}) {
    const auto value = reader.given(name);
    if (value && has_blanks(*value)) {
      reader.fail_value(name, "a key without spaces or line ends");
    }
  }
  if (id) {
    using Key = std::pair<std::string_view, std::optional<std::string>>;
    for (const auto& [name, value] : {Key{k_id, id}, Key{k_secret, secret}, Key{k_token, token}}) {
      if (!value) continue;
      const std::string option = Reader::lower_case(name);
      options.emplace_back(option, *value);
      const auto file = reader.file_of(name);
      if (file && !is_read_only_once(*file)) options.emplace_back(option + "_file", *file);
    }
    return;
  }
  if (token) {
    reader.fail(k_id, "expected together with AWS_SESSION_TOKEN; it is not set");
  }
  const bool neither_is_set = !reader.is_set(k_id) && !reader.is_set(k_secret);
  const bool has_other_source = std::ranges::any_of(
      k_sources, [&](std::string_view name) { return reader.given(name).has_value(); });
  if (neither_is_set && !has_other_source) {
    options.emplace_back("aws_access_key_id", reader.text(k_id));
    options.emplace_back("aws_secret_access_key", reader.text(k_secret));
  }
}

/// A token may go to another machine by TLS only, as AWS's own tools have it.
bool may_have_the_token(const std::string& url) {
  constexpr std::string_view k_http = "http://";
  constexpr auto k_near = std::to_array<std::string_view>(
      {"localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"});
  const std::string lower = Reader::lower_case(url);
  if (!lower.starts_with(k_http)) return lower.starts_with("https://");
  const auto authority = std::string_view(lower).substr(k_http.size());
  const auto past_brackets = authority.starts_with('[') ? authority.find(']') : 0;
  const auto host = authority.substr(0, authority.find_first_of(":/?#", past_brackets));
  const bool is_loopback =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_loopback || std::ranges::find(k_near, host) != k_near.end();
}

void check_roles(Reader& reader) {
  for (const std::string_view name :
       {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"}) {
    const auto file = reader.given(name);
    if (file && !Reader::is_readable_file(*file)) reader.fail_value(name, "a readable file");
  }
  if (reader.given("AWS_WEB_IDENTITY_TOKEN_FILE") && !reader.given("AWS_ROLE_ARN")) {
    reader.fail("AWS_ROLE_ARN",
                "expected the role to take on, since AWS_WEB_IDENTITY_TOKEN_FILE"
                " is set; it is not set");
  }
  for (const std::string_view name :
       {"AWS_ENDPOINT_URL_STS", "AWS_EC2_METADATA_SERVICE_ENDPOINT"}) {
    const auto url = reader.given(name);
    if (url && !is_endpoint(*url)) {
      reader.fail(name, "expected http://host[:port] or https://host[:port]; " + told(*url));
    }
  }
  const auto relative = reader.given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (relative && !relative->starts_with('/')) {
    reader.fail_value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "a path that begins with /");
  }
  const auto full = reader.given("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full && (!may_have_the_token(*full) || full->find('@') != std::string::npos)) {
    reader.fail("AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "expected https://..., or http:// to this machine, 169.254.170.2, 169.254.170.23 or"
                " [fd00:ec2::23], without user or password; " +
                    told(*full));
  }
}

/// `~/.aws/NAME`, unless the variable says otherwise; empty = there is no home.
std::string profile_file(const Reader& reader, std::string_view variable, std::string_view name) {
  if (auto given = reader.given(variable)) return *std::move(given);
  const auto home = reader.given("HOME");
  return home ? *home + "/.aws/" + std::string(name) : "";
}

/// What is in the files the store looks at: they may change while the service runs.
void read_profile_files(Reader& reader, Properties& options) {
  const std::string credentials =
      profile_file(reader, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  const std::string config = profile_file(reader, "AWS_CONFIG_FILE", "config");
  for (const std::string_view name : {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"}) {
    const auto file = reader.given(name);
    if (file && !Reader::is_readable_file(*file)) reader.fail_value(name, "a readable file");
  }
  const bool has_a_file = Reader::is_readable_file(credentials) || Reader::is_readable_file(config);
  if (const auto profile = reader.given(k_profile); profile && !has_a_file) {
    reader.fail(k_profile, "expected a profile of AWS_SHARED_CREDENTIALS_FILE (" +
                               shown(credentials) + ") or AWS_CONFIG_FILE (" + shown(config) +
                               "), and neither can be read; it is " + shown(*profile));
  }
  if (!credentials.empty()) options.emplace_back("aws_shared_credentials_file", credentials);
  if (!config.empty()) options.emplace_back("aws_config_file", config);
}

/// Somebody who names a profile expects it to be used.
void warn_of_unused_profile(Reader& reader) {
  constexpr auto k_before = std::to_array<std::string_view>({
      k_id,
      "AWS_WEB_IDENTITY_TOKEN_FILE",
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
      "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  });
  const auto profile = reader.given(k_profile);
  const auto* const winner = std::ranges::find_if(
      k_before, [&](std::string_view name) { return reader.given(name).has_value(); });
  if (!profile || winner == k_before.end()) return;
  reader.warn("AWS_PROFILE (" + shown(*profile) + ") is not used, since " + std::string(*winner) +
              " is set and comes before it");
}

}  // namespace

Properties read_credentials(Reader& reader) {
  Properties options;
  read_keys(reader, options);
  const bool has_keys = !options.empty();
  check_roles(reader);
  for (const auto& [variable, option] : k_role_variables) {
    if (auto value = reader.given(variable)) options.emplace_back(option, *std::move(value));
  }
  if (!has_keys) read_profile_files(reader, options);
  warn_of_unused_profile(reader);
  if (reader.boolean("AWS_EC2_METADATA_DISABLED")) {
    options.emplace_back("aws_ec2_metadata_disabled", "true");
  }
  return options;
}

}  // namespace bronze::config
