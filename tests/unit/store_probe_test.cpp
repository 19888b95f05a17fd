#include "ingest/store_probe.h"

#include <gtest/gtest.h>

namespace bronze::ingest {
namespace {

using delta::StoreStatus;
using Kind = ProbeVerdict::Kind;

TEST(StoreProbe, TellsWhetherAskingAgainMayHelp) {
  EXPECT_EQ(judge_probe({}, "s3://lake").kind, Kind::kUsable);
  for (const auto status :
       {StoreStatus::kTransient, StoreStatus::kConflict, StoreStatus::kCorrupt}) {
    EXPECT_EQ(judge_probe({status, "why"}, "s3://lake").kind, Kind::kNoAnswer);
    EXPECT_EQ(judge_probe({status, "why"}, "s3://lake").message, "why");
  }
  for (const auto status : {StoreStatus::kMissing, StoreStatus::kDenied, StoreStatus::kUnsupported,
                            StoreStatus::kFailed}) {
    const auto verdict = judge_probe({status, "why"}, "s3://lake");
    EXPECT_EQ(verdict.kind, Kind::kRefused);
    EXPECT_NE(verdict.message.find("s3://lake"), std::string::npos);
    EXPECT_NE(verdict.message.find("why"), std::string::npos);
  }
}

}  // namespace
}  // namespace bronze::ingest
