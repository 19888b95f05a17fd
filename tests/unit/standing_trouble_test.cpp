#include "ingest/standing_trouble.h"

#include <gtest/gtest.h>

namespace bronze::ingest {
namespace {

TEST(StandingTrouble, IsToldOnceWhileItStaysTheSame) {
  StandingTrouble trouble;
  int told = 0;
  const auto tell = [&] { return ++told > 0; };
  trouble.set("no answer", tell);
  trouble.set("no answer", tell);
  EXPECT_EQ(told, 1);
  trouble.set("denied", tell);
  EXPECT_EQ(told, 2);
  EXPECT_EQ(trouble.text(), "denied");
  trouble.clear();
  EXPECT_EQ(trouble.text(), "");
  trouble.set("denied", tell);
  EXPECT_EQ(told, 3) << "it came back";
}

TEST(StandingTrouble, WhatWasLeftOutIsTriedAgain) {
  StandingTrouble trouble;
  int tries = 0;
  const auto leave_out_twice = [&] { return ++tries > 2; };
  for (int i = 0; i < 5; ++i) trouble.set("no answer", leave_out_twice);
  EXPECT_EQ(tries, 3) << "until it was told";
}

}  // namespace
}  // namespace bronze::ingest
