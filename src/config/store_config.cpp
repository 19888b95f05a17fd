#include "config/store_config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "config/credentials_config.h"
#include "config/endpoint.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_base_path_form =
    "s3a://bucket[/prefix], s3://bucket[/prefix], file:///path or a plain path";

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~/=+@,:").find(static_cast<char>(c)) != std::string_view::npos;
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

/// A store with a typing error, or keys, and no folder to create.
bool is_mistyped_store(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of(":/"), text.size());
  const std::string first = Reader::lower_case(text.substr(0, end));
  const std::string_view rest = text.substr(end);
  return rest.starts_with(':') || (!rest.empty() && (first == "s3" || first == "s3a")) ||
         text.find('@', std::min(text.find(':'), text.size())) != std::string_view::npos;
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
  if (is_mistyped_store(text)) return refused(std::string(k_base_path_form));
  return local_base(text);
}

/// As in `s3a://ID:SECRET@bucket`, however mistyped.
bool may_hold_keys(std::string_view path) {
  const std::size_t colon = path.find(':');
  const bool is_of_scheme = colon != std::string_view::npos && colon == path.find(":/");
  return may_hold_password(path) || path.find("%40") != std::string_view::npos ||
         path.find(':', is_of_scheme ? colon + 1 : 0) != std::string_view::npos;
}

std::string told_base(const std::string& path) {
  if (!may_hold_keys(path)) return "it is " + shown(path);
  return "its value is not shown, since it may hold keys: those go into AWS_ACCESS_KEY_ID and"
         " AWS_SECRET_ACCESS_KEY";
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
    reader.fail("DELTA_BASE_PATH", "expected " + base.expected + "; " + told_base(*given_path));
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
    const char* rule = may_hold_password(url) ? " without user, password or query; " : "; ";
    reader.fail(name, expected + rule + told(url));
    return {};
  }
  if (!reader.is_set(name) && reader.given("AWS_ENDPOINT_URL")) {
    reader.warn("AWS_ENDPOINT_URL is not read: set S3_ENDPOINT_URL; now it is " + url);
  }
  return {.url = std::string(without_trailing_slashes(url)),
          .is_http = Reader::lower_case(url).starts_with("http://")};
}

void read_certificates(Reader& reader, const Endpoint& endpoint, Properties& options) {
  constexpr std::string_view k_bundle = "AWS_CA_BUNDLE";
  const auto bundle = reader.given(k_bundle);
  if (!bundle) return;
  if (endpoint.is_http) {
    reader.fail(k_bundle, "expected to be unset, since the S3 endpoint is " + shown(endpoint.url) +
                              " and uses no certificates; it is " + shown(*bundle));
  } else if (!Reader::is_readable_file(*bundle)) {
    reader.fail_value(k_bundle, "a readable file");
  }
  options.emplace_back("aws_ca_bundle", *bundle);
}

bool is_ip_address(std::string_view url) {
  const std::string_view host = url.substr(url.find("//") + 2);
  return host.starts_with('[') ||
         std::ranges::all_of(host.substr(0, host.find_first_of(":/")),
                             [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

/// Whether the bucket is named in the host or in the path.
void read_addressing_style(Reader& reader, const Endpoint& endpoint, std::string_view bucket,
                           Properties& options) {
  enum class Style { kAuto, kPath, kVirtual };
  constexpr std::string_view k_style = "S3_ADDRESSING_STYLE";
  constexpr auto k_styles = std::to_array<std::pair<std::string_view, Style>>(
      {{"auto", Style::kAuto}, {"path", Style::kPath}, {"virtual", Style::kVirtual}});
  Style style = reader.choice<Style>(k_style, k_styles);
  // A certificate for *.s3.REGION.amazonaws.com holds for one part before the first dot.
  const bool fits_host = endpoint.url.empty() && bucket.find('.') == std::string_view::npos;
  if (style == Style::kAuto) style = fits_host ? Style::kVirtual : Style::kPath;
  if (style == Style::kVirtual && !endpoint.url.empty() && is_ip_address(endpoint.url)) {
    reader.fail(k_style, "expected path or auto, since the S3 endpoint " + shown(endpoint.url) +
                             " is an address, to which no bucket can be added; it is 'virtual'");
  }
  options.emplace_back("aws_virtual_hosted_style_request",
                       style == Style::kVirtual ? "true" : "false");
}

void read_region(Reader& reader, Properties& options) {
  const std::string region = reader.text("AWS_REGION");
  if (!std::ranges::all_of(region, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      })) {
    reader.fail_value("AWS_REGION", "a region such as us-east-1");
  }
  // A profile may name another one.
  options.emplace_back(reader.given("AWS_REGION") ? "aws_region" : "aws_default_region", region);
}

Properties read_s3_options(Reader& reader, std::string_view bucket) {
  Properties options = read_credentials(reader);
  read_region(reader, options);
  const Endpoint endpoint = read_endpoint(reader);
  read_certificates(reader, endpoint, options);
  read_addressing_style(reader, endpoint, bucket, options);
  if (!endpoint.url.empty()) {
    options.emplace_back("aws_endpoint", endpoint.url);
    if (endpoint.is_http) options.emplace_back("aws_allow_http", "true");
  }
  return options;
}

}  // namespace

StoreConfig read_store_config(Reader& reader) {
  const BasePath base = read_base_path(reader);
  if (base.uri.starts_with("file://")) return {.base_uri = base.uri, .options = {}};
  return {.base_uri = base.uri, .options = read_s3_options(reader, base.bucket)};
}

std::optional<std::string> option(const StoreConfig& store, std::string_view key) {
  for (const auto& [name, value] : store.options) {
    if (name == key) return value;
  }
  return std::nullopt;
}

}  // namespace bronze::config
