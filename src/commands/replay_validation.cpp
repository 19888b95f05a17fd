#include "commands/replay_validation.h"

#include <utility>

namespace bronze::commands {

Validity DecodeValidation::judge(const Record& record, UnixMicros ingested_at) {
  auto decoded = decode::decode(record, ingested_at);
  if (auto* error = std::get_if<decode::RecordError>(&decoded)) return std::move(*error);
  return std::get<batch::Row>(decoded);
}

}  // namespace bronze::commands
