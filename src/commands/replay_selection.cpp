#include "commands/replay_selection.h"

#include <simdjson.h>

namespace bronze::commands {
namespace {

constexpr std::string_view k_replacement_character = "\xEF\xBF\xBD";

OffsetRange only(Offset offset) { return {offset, offset.following()}; }

}  // namespace

bool contains(const OffsetSets& sets, Partition partition, Offset offset) {
  const auto found = sets.find(partition);
  return found != sets.end() && found->second.count(only(offset)) > 0;
}

bool insert(OffsetSets& sets, Partition partition, Offset offset) {
  return sets[partition].add(only(offset)) > 0;
}

std::optional<Fate> fate_of(const delta::DeadLetter& letter, const ReplayScope& scope) {
  if (letter.ingested_at < scope.since) return Fate::kOtherTopic;
  const auto progress = scope.progress.find(letter.partition);
  if (progress == scope.progress.end() || letter.offset >= progress->second) {
    return Fate::kNotPassed;
  }
  if (contains(scope.held, letter.partition, letter.offset)) return Fate::kAlreadyThere;
  return std::nullopt;
}

OriginalValue original_value(const delta::DeadLetter& letter, const TableColumns& columns) {
  const bool is_encoding_error = letter.error_type == "ENCODING_ERROR";
  std::optional<std::string_view> value;
  if (letter.bytes) {
    value = *letter.bytes;
  } else if (!(letter.text.empty() && is_encoding_error)) {
    if (letter.text.find(k_replacement_character) != std::string_view::npos) return BytesNotKept{};
    value = letter.text;
  }
  // Of a tombstone, or a value that is text, only the headers can have been wrong, and of one that
  // need not be text, they may; they are kept with the wrong bytes replaced, or not at all.
  const bool may_be_about_headers =
      is_encoding_error && (columns.raw_value != RawValue::kString || !value ||
                            simdjson::validate_utf8(value->data(), value->size()));
  if (columns.extra.headers && may_be_about_headers) return BytesNotKept{};
  return value;
}

}  // namespace bronze::commands
