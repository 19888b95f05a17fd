#include "kafka/trouble.h"

#include <gtest/gtest.h>

namespace bronze::kafka {
namespace {

using Kind = Trouble::Kind;

TEST(TroubleTest, WhatBrokersSayWhileALeaderMovesMayPass) {
  for (const auto code :
       {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
        RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT}) {
    EXPECT_EQ(kind_of(code), Kind::kUnreachable) << rd_kafka_err2name(code);
  }
}

TEST(TroubleTest, WhatTryingAgainCannotChangeIsTold) {
  EXPECT_EQ(kind_of(RD_KAFKA_RESP_ERR_NO_ERROR), Kind::kNone);
  EXPECT_EQ(kind_of(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED), Kind::kDenied);
  EXPECT_EQ(kind_of(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC), Kind::kUnknownTopic);
  EXPECT_EQ(kind_of(RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION), Kind::kOther);
}

}  // namespace
}  // namespace bronze::kafka
