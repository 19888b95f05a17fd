#include "config/schema_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <regex>
#include <string_view>
#include <system_error>
#include <utility>

#include "config/endpoint.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_url = "SCHEMA_REGISTRY_URL";
constexpr std::string_view k_username = "SCHEMA_REGISTRY_USERNAME";
constexpr std::string_view k_password = "SCHEMA_REGISTRY_PASSWORD";
constexpr std::string_view k_ca = "SCHEMA_REGISTRY_CA";
constexpr std::string_view k_messages = "PROTOBUF_MESSAGES";

bool is_plain_http(const std::string& url) {
  return Reader::lower_case(url).starts_with("http://");
}

std::vector<std::string> read_urls(Reader& reader) {
  const auto text = reader.given(k_url);
  if (!text) return {};
  std::vector<std::string> urls;
  for (std::string& url : split_at_commas(*text)) {
    if (is_endpoint(url)) {
      urls.push_back(std::move(url));
      continue;
    }
    std::string expected = "expected http(s)://host[:port][/path], several by commas";
    if (may_hold_password(url)) {
      expected += ", without a query, user or password; the latter go into " +
                  std::string(k_username) + " and " + std::string(k_password);
    }
    reader.fail(k_url, expected + "; " + told(url));
  }
  return urls;
}

/// What makes no sense without the other.
void require(Reader& reader, std::string_view name, std::string_view other) {
  if (!reader.given(name) || reader.given(other)) return;
  reader.fail(other, "expected together with " + std::string(name) + "; it is " +
                         (reader.is_set(other) ? "empty" : "not set"));
}

void check_trust(Reader& reader, const RegistryConfig& registry) {
  const bool without_tls =
      !registry.urls.empty() && std::ranges::all_of(registry.urls, is_plain_http);
  if (!registry.ca_file.empty() && without_tls) {
    reader.fail(k_ca, "expected to be unset, since " + std::string(k_url) +
                          " uses no certificates; it is " + shown(registry.ca_file));
  } else if (!registry.ca_file.empty() && !Reader::is_readable_file(registry.ca_file)) {
    reader.fail_value(k_ca, "a readable file with certificates (PEM)");
  }
  if (!registry.password.empty() && std::ranges::any_of(registry.urls, is_plain_http)) {
    reader.warn(std::string(k_password) +
                " goes over the network unencrypted: " + std::string(k_url) + " is not https");
  }
}

}  // namespace

RawValue read_raw_value(Reader& reader) {
  using Choice = std::pair<std::string_view, RawValue>;
  constexpr auto k_choices = std::to_array<Choice>({
      {name_of(RawValue::kString), RawValue::kString},
      {name_of(RawValue::kBinary), RawValue::kBinary},
      {name_of(RawValue::kBase64), RawValue::kBase64},
  });
  return reader.choice<RawValue>("RAW_VALUE", k_choices);
}

RegistryConfig read_registry(Reader& reader) {
  RegistryConfig registry{.urls = read_urls(reader),
                          .username = reader.text(k_username),
                          .password = reader.text(k_password),
                          .username_file = reader.file_of(k_username).value_or(""),
                          .password_file = reader.file_of(k_password).value_or(""),
                          .ca_file = reader.text(k_ca)};
  require(reader, k_username, k_password);
  require(reader, k_password, k_username);
  require(reader, k_username, k_url);
  require(reader, k_ca, k_url);
  if (registry.username.find(':') != std::string::npos) {
    reader.fail_value(k_username, "a user name without a colon");
  }
  check_trust(reader, registry);
  return registry;
}

void settle_registry(Reader& reader, Config& config) {
  if (config.registry.urls.empty()) return;
  if (config.dead_letters.validation != Validation::kSchema) {
    reader.warn(std::string(k_url) +
                " has no effect without DLQ_VALIDATE_SCHEMA=true: no value is checked");
    return;
  }
  if (config.raw_value == RawValue::kString) {
    reader.warn("RAW_VALUE=string with " + std::string(k_url) +
                ": values that are not UTF-8, as most that name their schema, cannot be written");
  }
  std::string& folder = config.dead_letters.schema_dir;
  std::error_code unreadable;
  const bool is_there =
      std::filesystem::status(folder, unreadable).type() != std::filesystem::file_type::not_found;
  if (!reader.given("DLQ_SCHEMA_DIR") && !is_there) folder.clear();
}

std::map<std::string, std::string, std::less<>> read_protobuf_messages(Reader& reader) {
  static const std::regex k_entry(R"(([A-Za-z0-9._-]+)=([A-Za-z_]\w*(\.[A-Za-z_]\w*)*))");
  std::map<std::string, std::string, std::less<>> messages;
  const auto text = reader.given(k_messages);
  if (!text) return messages;
  for (const std::string& entry : split_at_commas(*text)) {
    std::smatch match;
    if (!std::regex_match(entry, match, k_entry)) {
      reader.fail(k_messages,
                  "expected topic=package.Message, several by commas; an entry is " + shown(entry));
    } else if (!messages.emplace(match[1], match[2]).second) {
      reader.fail(k_messages,
                  "expected each topic once; " + shown(match[1].str()) + " is there twice");
    }
  }
  return messages;
}

std::string protobuf_messages_text(const Config& config) {
  std::string text;
  for (const auto& [topic, message] : config.protobuf_messages) {
    text.append(text.empty() ? "" : ",").append(topic).append("=").append(message);
  }
  return text;
}

}  // namespace bronze::config
