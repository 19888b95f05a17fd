#include "ingest/app_id.h"

namespace bronze::ingest {

std::string percent_encode(std::string_view text) {
  constexpr std::string_view k_unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:";
  constexpr const char* k_hex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (k_unreserved.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += k_hex[byte >> 4U];
    encoded += k_hex[byte & 15U];
  }
  return encoded;
}

std::string group_prefix(std::string_view group) { return "bronze/" + percent_encode(group) + "/"; }

std::string partition_app_id(std::string_view group, const TopicIdentity& identity,
                             Partition partition) {
  return "bronze/" + percent_encode(group) + "/" + percent_encode(identity.text) + "/" +
         std::to_string(number(partition));
}

std::string registry_app_id(std::string_view group, std::string_view topic) {
  return "bronze/" + percent_encode(group) + "/" + percent_encode(topic);
}

std::string epoch_app_id(std::string_view group, std::string_view topic,
                         std::string_view identity) {
  return registry_app_id(group, topic) + "/" + percent_encode(identity) + "/since";
}

}  // namespace bronze::ingest
