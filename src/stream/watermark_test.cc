#include "stream/watermark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;

constexpr auto kLive = SourceKind::kLive;
constexpr auto kRun = SourceKind::kRun;
constexpr WatermarkOptions kOptions{.disorder_live = 10, .disorder_run = 100, .sources_max = 3};

class WatermarksTest : public testing::Test {
 protected:
  Watermarks::Seen live(std::string_view source, TimeUs time, TimeUs received) {
    return marks_.observe(source, kLive, time, received);
  }

  Watermarks marks_{kOptions};
};

TEST_F(WatermarksTest, FollowTheNewestEventAndNeverGoBack) {
  EXPECT_EQ(marks_.combined(), kBeforeAllTime);
  const auto slot = live("web", 1'000, 1'005).slot;
  EXPECT_EQ(marks_.of(slot), 990);
  live("web", 500, 1'006);
  EXPECT_EQ(marks_.of(slot), 990);
  live("web", 1'020, 1'021);
  EXPECT_EQ(marks_.of(slot), 1'010);
  EXPECT_EQ(marks_.combined(), 1'010);
}

TEST_F(WatermarksTest, AreCombinedToTheLeast) {
  live("web", 1'000, 1'000);
  live("app", 900, 1'000);
  EXPECT_EQ(marks_.combined(), 990) << "a source that joins late does not pull it back";
  live("app", 1'200, 1'200);
  EXPECT_EQ(marks_.combined(), 990) << "web is now the last";
  live("web", 1'100, 1'200);
  EXPECT_EQ(marks_.combined(), 1'090);
}

TEST_F(WatermarksTest, ARunIsAllowedMoreDisorder) {
  const auto slot = marks_.observe("import-1", kRun, 1'000, 5'000).slot;
  EXPECT_EQ(marks_.of(slot), 900);
}

TEST_F(WatermarksTest, AClosedSourceHoldsNothingBack) {
  live("web", 1'000, 1'000);
  marks_.observe("import-1", kRun, 200, 1'000);
  live("web", 2'000, 2'000);
  EXPECT_EQ(marks_.combined(), 990);
  EXPECT_TRUE(marks_.close("import-1"));
  EXPECT_EQ(marks_.combined(), 1'990);
  EXPECT_FALSE(marks_.close("import-1"));
  EXPECT_FALSE(marks_.close("never heard of"));
}

TEST_F(WatermarksTest, ASourceHeardOfAgainBeginsAnew) {
  marks_.observe("import-1", kRun, 9'000, 9'000);
  marks_.close("import-1");
  const auto slot = marks_.observe("import-1", kRun, 300, 9'100).slot;
  EXPECT_EQ(marks_.of(slot), 200);
}

TEST_F(WatermarksTest, AnEventFromTheFutureCountsAsOfItsReception) {
  const auto slot = live("web", 1'000'000, 1'000).slot;
  EXPECT_EQ(marks_.of(slot), 990);
}

TEST_F(WatermarksTest, IdleGoesOnAtThePaceOfTheWallClock) {
  const auto slot = live("web", 1'000, 1'002).slot;
  EXPECT_EQ(marks_.if_caught_up(slot, 1'052), 1'040);
  EXPECT_EQ(marks_.of(slot), 990) << "asking moves nothing";
  marks_.caught_up(1'052);
  EXPECT_EQ(marks_.of(slot), 1'040) << "wall clock − delay of 2 − disorder of 10";
  EXPECT_EQ(marks_.combined(), 1'040);
  marks_.caught_up(1'020);
  EXPECT_EQ(marks_.of(slot), 1'040) << "a wall clock that jumps back moves nothing";
}

TEST_F(WatermarksTest, IdleDoesNotLeapFromStreamedHistoryToThePresent) {
  const auto slot = live("replayed", 1'000, 900'000).slot;
  marks_.caught_up(900'500);
  EXPECT_EQ(marks_.of(slot), 1'490);
}

TEST_F(WatermarksTest, AnOldEventDoesNotStartIdlenessAnew) {
  const auto slot = live("web", 1'000, 1'000).slot;
  live("web", 100, 1'050);
  marks_.caught_up(1'060);
  EXPECT_EQ(marks_.of(slot), 1'050);
}

TEST_F(WatermarksTest, WithoutSourcesTheWallClockDecides) {
  live("web", 1'000, 1'000);
  marks_.close("web");
  EXPECT_EQ(marks_.combined(), 990);
  marks_.caught_up(5'000);
  EXPECT_EQ(marks_.combined(), 4'990);
}

TEST_F(WatermarksTest, FoldTheSourceNotHeardOfForLongest) {
  const auto a = live("a", 100, 1'000);
  live("b", 200, 1'000);
  live("c", 300, 1'000);
  live("a", 101, 1'000);
  const auto d = live("d", 400, 1'000);
  EXPECT_TRUE(d.folded);
  EXPECT_EQ(d.slot, 1u) << "b's";
  EXPECT_FALSE(live("a", 102, 1'000).folded);
  EXPECT_EQ(live("a", 102, 1'000).slot, a.slot);
  EXPECT_THAT(marks_.slots(), ElementsAre(0, 1, 2));
  EXPECT_EQ(marks_.combined(), 92) << "the folded source is no longer waited for";
}

TEST_F(WatermarksTest, ReuseAFreedSlotWithoutFolding) {
  live("a", 100, 1'000);
  live("b", 200, 1'000);
  live("c", 300, 1'000);
  marks_.close("b");
  const auto d = live("d", 400, 1'000);
  EXPECT_FALSE(d.folded);
  EXPECT_EQ(d.slot, 1u);
}

TEST_F(WatermarksTest, SurviveBeingSaved) {
  live("a", 100, 1'000);
  marks_.observe("import", kRun, 50, 1'000);
  live("c", 300, 1'000);
  marks_.close("a");
  marks_.caught_up(1'500);
  std::string bytes, again;
  StateWriter out(bytes), out_again(again);
  marks_.save(out);
  Watermarks loaded(kOptions);
  StateReader in(bytes);
  ASSERT_TRUE(loaded.load(in));
  loaded.save(out_again);
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(loaded.combined(), marks_.combined());
  EXPECT_EQ(loaded.observe("import", kRun, 0, 0).slot, 1u);
}

TEST_F(WatermarksTest, TooManySavedSourcesAreRefused) {
  live("a", 100, 1'000);
  live("b", 100, 1'000);
  std::string bytes;
  StateWriter out(bytes);
  marks_.save(out);
  Watermarks smaller({.sources_max = 1});
  StateReader in(bytes);
  EXPECT_FALSE(smaller.load(in));
}

}  // namespace
}  // namespace millrace
