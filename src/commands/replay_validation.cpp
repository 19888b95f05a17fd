#include "commands/replay_validation.h"

#include <cstdint>
#include <utility>

namespace bronze::commands {

Validity judge(decode::Decoder& decoder, const Record& record, UnixMicros ingested_at) {
  for (;;) {
    auto decoded = decoder.decode(record, ingested_at, {});
    if (auto* error = std::get_if<decode::RecordError>(&decoded)) return std::move(*error);
    if (const auto* row = std::get_if<batch::Row>(&decoded)) return *row;
    const std::int32_t id = std::get<decode::NeedsSchema>(decoded).id;
    const auto fetched = decoder.validator()->fetch({&id, 1}).front();
    if (fetched.status == decode::FetchStatus::kUnavailable) return NotToldYet{fetched.message};
  }
}

}  // namespace bronze::commands
