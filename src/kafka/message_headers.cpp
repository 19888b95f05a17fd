#include "kafka/message_headers.h"

#include <algorithm>
#include <string>

namespace bronze::kafka {
namespace {

/// librdkafka tells keys as C strings, so one that holds a NUL comes cut off there. But it does not
/// find such a header by that name: of the headers with one name, it finds fewer than there are.
bool is_whole(const rd_kafka_headers_t* list, const std::vector<Header>& before,
              const Header& header) {
  // Stored right behind the key and its end, which is then where the C string ends.
  if (header.value && header.value->data() == header.key.data() + header.key.size() + 1) {
    return true;
  }
  const auto same = static_cast<std::size_t>(std::count_if(
      before.begin(), before.end(), [&](const Header& other) { return other.key == header.key; }));
  const void* value = nullptr;
  std::size_t size = 0;
  return rd_kafka_header_get(list, same, header.key.data(), &value, &size) ==
         RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

Headers MessageHeaders::read() {
  headers_.clear();
  rd_kafka_headers_t* list = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_message_headers(message_, &list);
  if (error == RD_KAFKA_RESP_ERR__NOENT) return std::span<const Header>();
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || list == nullptr) {
    return HeadersUnreadable{std::string("the Kafka client cannot read the headers: ") +
                             rd_kafka_err2str(error)};
  }
  const std::size_t count = rd_kafka_header_cnt(list);
  headers_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    rd_kafka_header_get_all(list, i, &name, &value, &size);
    Header header{.key = name, .value = std::nullopt};
    if (value != nullptr) header.value = std::string_view(static_cast<const char*>(value), size);
    if (!is_whole(list, headers_, header)) {
      return HeadersUnreadable{
          "the key of a header holds a NUL, and the Kafka client does not tell what follows it"};
    }
    headers_.push_back(header);
  }
  return std::span<const Header>(headers_);
}

}  // namespace bronze::kafka
