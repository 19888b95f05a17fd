#include "config/store_config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "config/endpoint.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_base_path_form =
    "s3a://bucket[/prefix], s3://bucket[/prefix], file:///path or a plain path";

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~/=+@,:").find(static_cast<char>(c)) != std::string_view::npos;
}

bool has_blanks(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

/// The rules of S3 for new buckets.
bool is_bucket_name(std::string_view name) {
  const auto is_end = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && is_end(name.front()) && is_end(name.back()) &&
         name.find("..") == std::string_view::npos &&
         std::ranges::all_of(name, [&](char c) { return is_end(c) || c == '-' || c == '.'; });
}

bool has_segment(std::string_view path, std::string_view wanted) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == wanted) return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

std::string_view without_trailing_slashes(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

/// A base path, or the form that was expected instead.
struct BasePath {
  std::string uri;
  /// Empty when local.
  std::string bucket;
  /// Empty when there is nothing wrong.
  std::string expected;
};

BasePath refused(std::string expected) {
  return {.uri = {}, .bucket = {}, .expected = std::move(expected)};
}

BasePath s3_base(std::string_view bucket_and_prefix) {
  const std::string_view path = without_trailing_slashes(bucket_and_prefix);
  const std::size_t slash = path.find('/');
  const std::string_view bucket = path.substr(0, slash);
  if (!is_bucket_name(bucket)) {
    return refused("a bucket of 3 to 63 characters out of a-z 0-9 . - after the scheme");
  }
  if (slash != std::string_view::npos && (has_segment(path, "") || has_segment(path, "."))) {
    return refused("a prefix without empty or '.' parts");
  }
  return {.uri = "s3://" + std::string(path), .bucket = std::string(bucket), .expected = {}};
}

BasePath local_base(const std::string& path) {
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed).lexically_normal().string();
  const std::string_view trimmed = without_trailing_slashes(absolute);
  if (failed || !std::ranges::all_of(trimmed, is_plain)) {
    return refused("an absolute path here: the working directory cannot be part of it");
  }
  if (trimmed.empty()) return refused("a directory below /");
  return {.uri = "file://" + std::string(trimmed), .bucket = {}, .expected = {}};
}

BasePath parse_base_path(const std::string& text) {
  if (!std::ranges::all_of(text, is_plain)) {
    return refused(std::string(k_base_path_form) +
                   ", without spaces and of the characters a-z A-Z 0-9 - _ . ~ / = + @ , :");
  }
  if (has_segment(text, "..")) {
    return refused(std::string(k_base_path_form) + ", without '..'");
  }
  for (const std::string_view scheme : {"s3a://", "s3://"}) {
    if (text.starts_with(scheme)) return s3_base(std::string_view(text).substr(scheme.size()));
  }
  if (text.starts_with("file:///")) return local_base(text.substr(7));
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos && colon < text.find('/')) {
    return refused(std::string(k_base_path_form));
  }
  return local_base(text);
}

BasePath read_base_path(Reader& reader) {
  const auto given_path = reader.given("DELTA_BASE_PATH");
  const std::string bucket = reader.text("BRONZE_BUCKET");
  if (!is_bucket_name(bucket)) {
    reader.fail_value("BRONZE_BUCKET", "a bucket of 3 to 63 characters out of a-z 0-9 . -");
    if (!given_path) return {};
  }
  if (!given_path) {
    if (reader.given("BRONZE_BUCKET")) reader.derive("DELTA_BASE_PATH", "BRONZE_BUCKET");
    return s3_base(bucket);
  }

  BasePath base = parse_base_path(*given_path);
  if (!base.expected.empty()) {
    reader.fail("DELTA_BASE_PATH", "expected " + base.expected + "; it is " + shown(*given_path));
  } else if (reader.given("BRONZE_BUCKET") && bucket != base.bucket) {
    reader.warn("DELTA_BASE_PATH (" + shown(*given_path) + ") and BRONZE_BUCKET (" + shown(bucket) +
                ") name different places: DELTA_BASE_PATH is used");
  }
  return base;
}

struct Endpoint {
  /// Empty = AWS's own.
  std::string url;
  bool is_http = false;
};

Endpoint read_endpoint(Reader& reader) {
  const std::string_view name = reader.is_set("S3_ENDPOINT_URL") || !reader.is_set("S3_ENDPOINT")
                                    ? "S3_ENDPOINT_URL"
                                    : "S3_ENDPOINT";
  if (reader.is_set(name)) {
    reader.derive("S3_ENDPOINT_URL", name == "S3_ENDPOINT" ? name : "environment");
  }
  if (reader.is_set(name) && !reader.given(name)) {
    if (name == "S3_ENDPOINT_URL" && reader.given("S3_ENDPOINT")) {
      reader.warn(
          "S3_ENDPOINT_URL is set but empty, which means the endpoint of AWS;"
          " S3_ENDPOINT is not used");
    }
    return {};
  }
  const std::string url = reader.text(name);
  if (!is_endpoint(url)) {
    const std::string expected = "expected http://host[:port] or https://host[:port]";
    const bool may_hold_password = url.find('@') != std::string::npos;
    reader.fail(name, may_hold_password
                          ? expected + " without user or password; its value is not shown"
                          : expected + "; it is " + shown(url));
    return {};
  }
  if (!reader.is_set(name) && reader.given("AWS_ENDPOINT_URL")) {
    reader.warn("AWS_ENDPOINT_URL is not read: set S3_ENDPOINT_URL; now it is " + url);
  }
  return {.url = std::string(without_trailing_slashes(url)),
          .is_http = Reader::lower_case(url).starts_with("http://")};
}

void check_certificates(Reader& reader, const Endpoint& endpoint) {
  const auto bundle = reader.given("AWS_CA_BUNDLE");
  if (!bundle) return;
  if (endpoint.is_http) {
    reader.fail("AWS_CA_BUNDLE", "expected to be unset, since the S3 endpoint is " +
                                     shown(endpoint.url) + " and uses no certificates; it is " +
                                     shown(*bundle));
  } else {
    reader.warn("AWS_CA_BUNDLE is not read: name the certificates in SSL_CERT_FILE instead");
  }
}

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
});

/// The store would ignore half a description and fall back to the instance's role, silently.
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
  const bool has_container_uri = reader.given("AWS_CONTAINER_CREDENTIALS_FULL_URI") &&
                                 !reader.given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (has_container_uri && !reader.given("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    reader.fail("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                "expected a readable file, since AWS_CONTAINER_CREDENTIALS_FULL_URI is set; it is"
                " not set");
  }
  if (reader.given("AWS_PROFILE")) {
    reader.warn(
        "AWS_PROFILE is set: profiles are not read, so credentials come from the"
        " container or the instance");
  }
}

bool names_other_credentials(const Reader& reader) {
  constexpr auto k_sources = std::to_array<std::string_view>({
      "AWS_WEB_IDENTITY_TOKEN_FILE",
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
      "AWS_CONTAINER_CREDENTIALS_FULL_URI",
      "AWS_PROFILE",
  });
  return std::ranges::any_of(k_sources, [&](auto name) { return reader.given(name).has_value(); });
}

void read_keys(Reader& reader, Properties& options) {
  constexpr std::string_view k_id = "AWS_ACCESS_KEY_ID";
  constexpr std::string_view k_secret = "AWS_SECRET_ACCESS_KEY";
  const auto id = reader.given(k_id);
  const auto secret = reader.given(k_secret);
  const auto token = reader.given("AWS_SESSION_TOKEN");
  if (id.has_value() != secret.has_value()) {
    const std::string_view missing = id ? k_secret : k_id;
    const std::string_view present = id ? k_id : k_secret;
    reader.fail(missing, "expected together with " + std::string(present) + "; it is " +
                             (reader.is_set(missing) ? "empty" : "not set"));
    return;
  }
  for (const std::string_view name : {k_id, k_secret, std::string_view("AWS_SESSION_TOKEN")}) {
    const auto value = reader.given(name);
    if (value && has_blanks(*value)) {
      reader.fail_value(name, "a key without spaces or line ends");
    }
  }
  if (id) {
    options.emplace_back("aws_access_key_id", *id);
    options.emplace_back("aws_secret_access_key", *secret);
    if (token) options.emplace_back("aws_session_token", *token);
    return;
  }
  if (token) {
    reader.fail(k_id, "expected together with AWS_SESSION_TOKEN; it is not set");
  }
  const bool neither_is_set = !reader.is_set(k_id) && !reader.is_set(k_secret);
  if (neither_is_set && !names_other_credentials(reader)) {
    options.emplace_back("aws_access_key_id", reader.text(k_id));
    options.emplace_back("aws_secret_access_key", reader.text(k_secret));
  }
}

Properties read_s3_options(Reader& reader) {
  Properties options;
  read_keys(reader, options);
  check_roles(reader);
  for (const auto& [variable, option] : k_role_variables) {
    if (auto value = reader.given(variable)) {
      options.emplace_back(option, *std::move(value));
    }
  }
  const std::string region = reader.text("AWS_REGION");
  if (!std::ranges::all_of(region, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      })) {
    reader.fail_value("AWS_REGION", "a region such as us-east-1");
  }
  options.emplace_back("aws_region", region);

  const Endpoint endpoint = read_endpoint(reader);
  check_certificates(reader, endpoint);
  if (!endpoint.url.empty()) {
    options.emplace_back("aws_endpoint", endpoint.url);
    options.emplace_back("aws_virtual_hosted_style_request", "false");
    if (endpoint.is_http) options.emplace_back("aws_allow_http", "true");
  }
  return options;
}

}  // namespace

StoreConfig read_store_config(Reader& reader) {
  const BasePath base = read_base_path(reader);
  if (base.uri.starts_with("file://")) return {.base_uri = base.uri, .options = {}};
  return {.base_uri = base.uri, .options = read_s3_options(reader)};
}

std::optional<std::string> option(const StoreConfig& store, std::string_view key) {
  for (const auto& [name, value] : store.options) {
    if (name == key) return value;
  }
  return std::nullopt;
}

}  // namespace bronze::config
