#include "kafka/topic_identity.h"

#include <array>

namespace bronze::kafka {

TopicIdentity identity_from_uuid(std::int64_t most, std::int64_t least) {
  constexpr const char* k_alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<std::uint8_t, 18> bytes{};
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(most) >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(least) >> (56 - 8 * i));
  }
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned bits = static_cast<unsigned>(bytes[i] << 16U) |
                          static_cast<unsigned>(bytes[i + 1] << 8U) | bytes[i + 2];
    for (unsigned shift : {18U, 12U, 6U, 0U}) text += k_alphabet[(bits >> shift) & 63U];
  }
  // 16 bytes are 22 characters; the rest encodes the two bytes of padding.
  text.resize(22);
  return {text, static_cast<std::int64_t>(static_cast<std::uint64_t>(most) >> 1U)};
}

TopicIdentity identity_from_name(const std::string& cluster_id, const std::string& topic) {
  return {cluster_id + ":" + topic, 0};
}

}  // namespace bronze::kafka
