#include "source/follow_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/topics.h"
#include "source/ingest_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using State = FollowStatus::State;

class FollowWatchTest : public testing::Test {
 protected:
  FollowWatchTest() { EXPECT_TRUE(bench_.log->create_topic(kSourceEventsTopic, {.partitions = 1})); }
  auto told() const { return bench_.records(kSourceEventsTopic); }

  IngestBench bench_;
  const Error broken_{Code::kIo, "the line is cut", ""};
};

TEST_F(FollowWatchTest, AnOutageIsToldWhenItBeginsAndWhenItIsOver) {
  FollowWatch watch(*bench_.log, Env::system(),
                    {.source = "shop", .outage_after = 0, .stale = "all is as it was"});
  watch.works();
  EXPECT_THAT(told(), IsEmpty());
  watch.failed(broken_);
  watch.failed(broken_);
  ASSERT_THAT(told(), SizeIs(1));
  EXPECT_THAT(told()[0].second, HasSubstr("outage_begun"));
  EXPECT_THAT(told()[0].second, HasSubstr("all is as it was: the line is cut"));
  EXPECT_EQ(watch.board().read().state, State::kWaiting);
  watch.works();
  watch.works();
  ASSERT_THAT(told(), SizeIs(2));
  EXPECT_THAT(told()[1].second, HasSubstr("outage_over"));
  EXPECT_EQ(watch.board().read().failing_since, 0);
}

TEST_F(FollowWatchTest, AShortFailureIsNone) {
  FollowWatch watch(*bench_.log, Env::system(), {.source = "shop", .outage_after = kHourUs, .stale = "s"});
  watch.failed(broken_);
  EXPECT_NE(watch.board().read().failing_since, 0);
  watch.works();
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(FollowWatchTest, WhatStopsForGoodIsToldAtOnce) {
  FollowWatch watch(*bench_.log, Env::system(), {.source = "shop", .outage_after = kHourUs, .stale = "s"});
  watch.failed(broken_, State::kStopped);
  EXPECT_EQ(watch.board().read().state, State::kStopped);
  EXPECT_THAT(told(), SizeIs(1));
}

}  // namespace
}  // namespace millrace
