#pragma once

#include <librdkafka/rdkafka.h>

#include <vector>

#include "base/record.h"

namespace bronze::kafka {

/// Reads the headers of the message that `set` named last. Owned by the source, ingest thread.
class MessageHeaders final : public HeaderReader {
 public:
  /// `message` lives until the next call, or until nobody reads any more.
  void set(const rd_kafka_message_t* message) { message_ = message; }
  [[nodiscard]] Headers read() override;

 private:
  const rd_kafka_message_t* message_ = nullptr;
  std::vector<Header> headers_;
};

}  // namespace bronze::kafka
