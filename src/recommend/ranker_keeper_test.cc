// When rankers are trained without being asked.
#include "recommend/ranker_keeper.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

/// Lists from which people choose what fits their price, but for those of `random_choice`.
std::vector<ServedList> chosen_lists(std::size_t n, bool random_choice = false) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform;
  std::vector<ServedList> lists(n);
  for (ServedList& list : lists) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < 10; ++i) {
      const float fit = uniform(random);
      list.items.push_back({{{"price_fit", fit}}, false});
      if (fit > list.items[best].features["price_fit"]) best = i;
    }
    list.items[random_choice ? random() % 10 : best].chosen = true;
  }
  return lists;
}

class RankerKeeperTest : public testing::Test {
 protected:
  RankerKeeperTest() : dir_(std::filesystem::temp_directory_path() / ("rankers-" + new_uuid(env_))) {
    open();
  }
  ~RankerKeeperTest() override { std::filesystem::remove_all(dir_); }

  /// As after a start of the program.
  void open() {
    keeper_.reset();
    store_ = RankerStore::open(env_, dir_).value();
    keeper_ = std::make_unique<RankerKeeper>(
        RankerKeeper::Tools{.env = env_,
                            .store = *store_,
                            .specs = [this] { return Result<std::vector<PipelineSpec>>(std::vector{spec_}); },
                            .served =
                                [this](const std::string& pipeline) {
                                  EXPECT_EQ(pipeline, "shop");
                                  ++reads_;
                                  return lists_;
                                }});
  }
  void pass(DurationUs time) {
    env_.wall += time;
    env_.steady += time;
  }
  /// Let `time` pass, look, and return how many versions there are.
  std::size_t after(DurationUs time) {
    pass(time);
    keeper_->look();
    const auto kept = store_->versions("shop");
    return kept.is_object() ? kept["versions"].size() : 0;
  }
  bool in_use() const { return store_->in_use().contains("shop"); }

  ClockEnv env_;
  const Path dir_;
  PipelineSpec spec_{.name = "shop"};
  Result<std::vector<ServedList>> lists_ = chosen_lists(1'000);
  int reads_ = 0;
  std::unique_ptr<RankerStore> store_;
  std::unique_ptr<RankerKeeper> keeper_;
};

TEST_F(RankerKeeperTest, TrainsOnceADayAndNotAgainAfterARestart) {
  EXPECT_EQ(after(kMinuteUs), 1u);
  EXPECT_TRUE(in_use());
  EXPECT_EQ(after(2 * kHourUs), 1u);
  open();
  EXPECT_EQ(after(2 * kHourUs), 1u);
  EXPECT_EQ(after(kDayUs), 2u);
  EXPECT_EQ(reads_, 2);
}

TEST_F(RankerKeeperTest, WaitsUntilEnoughWasChosen) {
  lists_ = chosen_lists(kServedListsMin - 1);
  EXPECT_EQ(after(kMinuteUs), 0u);
  EXPECT_EQ(after(kMinuteUs), 0u);
  EXPECT_EQ(reads_, 1) << "it looks at the tables once an hour";
  lists_ = chosen_lists(kServedListsMin);
  EXPECT_EQ(after(kHourUs), 1u);
}

TEST_F(RankerKeeperTest, OneThatIsNotBetterIsKeptAndNotUsed) {
  lists_ = chosen_lists(1'000, true);
  EXPECT_EQ(after(kMinuteUs), 1u);
  EXPECT_FALSE(in_use());
}

TEST_F(RankerKeeperTest, ALeapOfTheClockTrainsOnceAtTheMost) {
  EXPECT_EQ(after(kMinuteUs), 1u);
  env_.wall += 400 * kDayUs;
  EXPECT_EQ(after(kMinuteUs), 1u) << "an hour has not passed";
  env_.wall -= 800 * kDayUs;
  EXPECT_EQ(after(2 * kHourUs), 1u);
}

TEST_F(RankerKeeperTest, AFailureOfTheTablesIsTriedAgain) {
  lists_ = fail(Code::kIo, "the tables are gone");
  EXPECT_EQ(after(kMinuteUs), 0u);
  lists_ = chosen_lists(1'000);
  EXPECT_EQ(after(kHourUs), 1u);
}

TEST_F(RankerKeeperTest, LeavesAloneWhatIsFixedRetiredOrOnlyTrainedWhenAsked) {
  spec_.learned = false;
  EXPECT_EQ(after(kDayUs), 0u);
  spec_ = {.name = "shop", .train_every = 0};
  EXPECT_EQ(after(kDayUs), 0u);
  spec_ = {.name = "shop"};
  EXPECT_EQ(after(kDayUs), 1u);
  ASSERT_TRUE(store_->retire("shop"));
  open();
  EXPECT_EQ(after(3 * kDayUs), 1u);
  ASSERT_TRUE(store_->add("shop", train_ranker(*lists_).value(), true));
  EXPECT_EQ(after(2 * kDayUs), 3u) << "somebody uses one again";
}

}  // namespace
}  // namespace millrace
