#include "schema/verdict.h"

#include <string>

namespace bronze::schema {

decode::Verdict from_bridge(const bridge::CheckResult& result) {
  switch (result.verdict) {
    case bridge::Verdict::Accepted:
      return decode::Accepted{};
    case bridge::Verdict::NeedsSchema:
      return decode::NeedsSchema{result.schema_id};
    case bridge::Verdict::NotText:
      return decode::RecordError{decode::k_encoding_error, std::string(result.message)};
    case bridge::Verdict::NotJson:
      return decode::RecordError{decode::k_json_parse_error, std::string(result.message)};
    case bridge::Verdict::Refused:
      break;
  }
  return decode::RecordError{decode::k_schema_validation_error, std::string(result.message)};
}

decode::FetchStatus from_bridge(bridge::FetchStatus status) {
  switch (status) {
    case bridge::FetchStatus::Fetched:
      return decode::FetchStatus::kFetched;
    case bridge::FetchStatus::Unavailable:
      return decode::FetchStatus::kUnavailable;
    case bridge::FetchStatus::NotAsked:
      break;
  }
  return decode::FetchStatus::kNotAsked;
}

decode::Verdict check_failed(const std::exception& failure) {
  return decode::RecordError{decode::k_schema_validation_error,
                             std::string("the check failed: ") + failure.what()};
}

bridge::FormatChecks to_bridge(FormatChecks formats) {
  switch (formats) {
    case FormatChecks::kIgnore:
      return bridge::FormatChecks::Ignore;
    case FormatChecks::kCheck:
      return bridge::FormatChecks::Check;
  }
  return bridge::FormatChecks::Ignore;
}

rust::Slice<const std::uint8_t> bytes_of(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters are bytes
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace bronze::schema
