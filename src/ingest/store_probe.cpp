#include "ingest/store_probe.h"

namespace bronze::ingest {

ProbeVerdict judge_probe(const delta::StoreOutcome& outcome, const std::string& store_name) {
  using Kind = ProbeVerdict::Kind;
  switch (outcome.status) {
    case delta::StoreStatus::kOk:
      return {};
    case delta::StoreStatus::kTransient:
    case delta::StoreStatus::kConflict:
    case delta::StoreStatus::kCorrupt:
      return {Kind::kNoAnswer, outcome.message};
    case delta::StoreStatus::kMissing:
      return {Kind::kRefused,
              "the bucket or folder of " + store_name + " does not exist: " + outcome.message};
    case delta::StoreStatus::kDenied:
      return {Kind::kRefused, "the store denies access to " + store_name + ": " + outcome.message};
    case delta::StoreStatus::kUnsupported:
    case delta::StoreStatus::kFailed:
      break;
  }
  return {Kind::kRefused, "the store " + store_name + " cannot be used: " + outcome.message};
}

}  // namespace bronze::ingest
