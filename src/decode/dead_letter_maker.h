#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/record.h"
#include "batch/dead_letters.h"
#include "decode/record_error.h"

namespace bronze::decode {

/// Of a value that is a JSON object: three of its members, where they are strings. Of a name that
/// repeats the last one counts. Empty = the value is none, or has none.
struct EventIds {
  std::optional<std::string> session_id;
  std::optional<std::string> correlation_id;
  std::optional<std::string> causation_id;
};
[[nodiscard]] EventIds ids_in(std::string_view value);

/// Makes dead letters of records, whatever they hold. Owned by a lane; ingest thread.
class DeadLetterMaker {
 public:
  /// Good until the next call, as long as record and error.
  [[nodiscard]] batch::DeadLetter make(const Record& record, const RecordError& error,
                                       UnixMicros ingested_at);

 private:
  void take_headers(HeaderReader& reader);
  /// `text` itself, if it is UTF-8.
  [[nodiscard]] std::string_view as_text(std::string_view text);

  EventIds ids_;
  /// What had to be replaced.
  std::deque<std::string> texts_;
  std::vector<Header> headers_;
};

}  // namespace bronze::decode
