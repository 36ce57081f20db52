#include "model/model_keeper.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Clocks that stand still until they are moved.
class KeeperEnv : public WarehouseEnv {
 public:
  KeeperEnv() { now_is = kTestDay; }
  DurationUs steady_now() override { return steady; }
  void pass(DurationUs time) {
    *now_is += time;
    steady += time;
  }
  DurationUs steady = kHourUs;
};

/// A keeper whose trainings write a real version of a model that knows two items.
class ModelKeeperTest : public WarehouseTest {
 protected:
  ModelKeeperTest() {
    registry_ = ModelRegistry::open(clock_, options().lake_dir / "models").value();
    restart();
  }
  void restart() { keeper_ = std::make_unique<ModelKeeper>(tools()); }

  ModelKeeper::Tools tools() {
    return {.env = clock_,
            .registry = *registry_,
            .one_at_a_time = turn_,
            .load = [this]() -> Result<ProjectModels> {
              return ProjectModels{.specs = {spec_}, .problems = problems_};
            },
            .train = [this](const ModelSpec& spec, std::string_view by, std::string_view because,
                            const auto* stop) { return train(spec, by, because, stop); },
            .check = [this](const ModelSpec&, const auto*) -> Result<ModelDrift> {
              ++looks_;
              return ModelDrift{.verdict = verdict_, .words = "inputs moved"};
            }};
  }
  Result<TrainedModel> train(const ModelSpec& spec, std::string_view by, std::string_view because,
                             const std::atomic<bool>* stop) {
    trainings_.push_back(fmt::format("{}: {}", by, because));
    while (holds_ && !*stop) std::this_thread::yield();
    if (holds_) return fail(Code::kCancelled, "stopped");
    if (throws_) throw std::bad_alloc();
    if (fails_) return fail(Code::kInvalid, "there are none to learn from");
    ModelTrainer trainer({clock_, *warehouse_, *registry_, 1});
    return trainer.train(spec, ModelTrainer::Deploy::kAlways, by, stop, [](std::string_view) {}, because);
  }
  void retrain(const std::string& rule) {
    spec_ = parse_model_spec(
                "kind: popularity\ninteractions: {from: \"SELECT 'p' || p AS visitor, 'i' || (p % 2) "
                "AS item_id, TIMESTAMP '2025-01-01' + INTERVAL (p) HOUR AS event_time FROM "
                "range(20) a(p)\"}\nretrain: " +
                    rule + "\n",
                "models/m.yaml")
                .value();
  }
  std::size_t look() {
    const std::size_t before = trainings_.size();
    keeper_->look();
    return trainings_.size() - before;
  }

  KeeperEnv clock_;
  std::unique_ptr<ModelRegistry> registry_;
  std::mutex turn_;
  ModelSpec spec_;
  std::map<std::string, Error> problems_;
  std::unique_ptr<ModelKeeper> keeper_;
  std::vector<std::string> trainings_;
  DriftVerdict verdict_ = DriftVerdict::kFine;
  int looks_ = 0;
  std::atomic<bool> fails_{false}, holds_{false}, throws_{false};
};

TEST_F(ModelKeeperTest, TrainsByTheClockAndNotes) {
  retrain("{every: 7d}");
  EXPECT_EQ(look(), 1u) << "there is no version yet";
  EXPECT_EQ(look(), 0u);
  clock_.pass(6 * kDayUs);
  EXPECT_EQ(look(), 0u);
  clock_.pass(2 * kDayUs);
  EXPECT_EQ(look(), 1u);
  EXPECT_THAT(trainings_, ElementsAre("schedule: every 7d", "schedule: every 7d"));
  EXPECT_EQ(registry_->newest("m").value()->manifest["trained_because"], "every 7d");
  EXPECT_EQ(registry_->history("m").value()[0]["by"], "schedule");
  EXPECT_EQ(looks_, 0) << "nobody asked for looks";
}

TEST_F(ModelKeeperTest, AFileWithAMistakeKeepsNoOtherFromItsTraining) {
  retrain("{every: 7d}");
  problems_["broken"] = Error{Code::kInvalid, "there is no kind 'alss'"};
  EXPECT_EQ(look(), 1u);
}

TEST_F(ModelKeeperTest, ARestartNeitherForgetsNorTrainsTwice) {
  retrain("{every: 1h}");
  EXPECT_EQ(look(), 1u);
  restart();
  EXPECT_EQ(look(), 0u);
  clock_.pass(2 * kHourUs);
  restart();
  EXPECT_EQ(look(), 1u);
}

TEST_F(ModelKeeperTest, AJumpOfTheClockDoesNotMakeItTrainInALoop) {
  retrain("{every: 1h}");
  EXPECT_EQ(look(), 1u);
  *clock_.now_is += 1000 * kDayUs;
  EXPECT_EQ(look(), 0u) << "not before an hour has passed by the other clock";
  clock_.pass(2 * kHourUs);
  EXPECT_EQ(look(), 1u);
  *clock_.now_is -= 1000 * kDayUs;  // the newest version is from the future now
  EXPECT_EQ(look(), 0u);
  clock_.pass(kHourUs / 2);
  EXPECT_EQ(look(), 0u);
  clock_.pass(kHourUs);
  EXPECT_EQ(look(), 1u) << "and is not waited for until then";
  EXPECT_EQ(look(), 0u);
}

TEST_F(ModelKeeperTest, TrainsOnDriftButNotTooOften) {
  retrain("{on_drift: true, at_most_every: 6h, check_every: 1h}");
  EXPECT_EQ(look(), 0u) << "nothing is deployed that could drift";
  ASSERT_TRUE(train(spec_, "train", "asked", nullptr));
  trainings_.clear();
  EXPECT_EQ(look(), 0u);
  EXPECT_EQ(looks_, 1);
  verdict_ = DriftVerdict::kInputsMoved;
  EXPECT_EQ(look(), 0u);
  EXPECT_EQ(looks_, 1) << "it looks once an hour";
  clock_.pass(2 * kHourUs);
  EXPECT_EQ(look(), 0u) << "the version is two hours old";
  EXPECT_EQ(looks_, 2);
  clock_.pass(5 * kHourUs);
  EXPECT_EQ(look(), 1u);
  EXPECT_THAT(trainings_, ElementsAre("drift: drift: inputs moved"));
  EXPECT_EQ(registry_->newest("m").value()->manifest["trained_because"], "drift: inputs moved");
  EXPECT_EQ(look(), 0u);
  EXPECT_EQ(looks_, 4) << "the new version is looked at at once";
}

TEST_F(ModelKeeperTest, LooksOnlyWhereDriftTrainsNothing) {
  retrain("{check_every: 1h}");
  ASSERT_TRUE(train(spec_, "train", "asked", nullptr));
  verdict_ = DriftVerdict::kWorseThanPopularity;
  clock_.pass(30 * kDayUs);
  EXPECT_EQ(look(), 0u);
  EXPECT_EQ(looks_, 1);
}

TEST_F(ModelKeeperTest, WhatFailsIsTriedAgainLaterAndLater) {
  retrain("{every: 1d}");
  fails_ = true;
  EXPECT_EQ(look(), 1u);
  EXPECT_EQ(look(), 0u);
  clock_.pass(kMinuteUs);
  EXPECT_EQ(look(), 1u);
  clock_.pass(kMinuteUs);
  EXPECT_EQ(look(), 0u) << "two minutes after the second failure";
  clock_.pass(kMinuteUs);
  EXPECT_EQ(look(), 1u);
  for (int i = 0; i < 30; ++i) {
    clock_.pass(6 * kHourUs);
    EXPECT_EQ(look(), 1u) << "never less often than every six hours";
  }
  fails_ = false;
  clock_.pass(6 * kHourUs);
  EXPECT_EQ(look(), 1u);
  EXPECT_TRUE(registry_->current("m"));
}

TEST_F(ModelKeeperTest, WhatALibraryThrowsEndsNothing) {
  retrain("{every: 1d}");
  throws_ = true;
  EXPECT_EQ(look(), 1u);
  EXPECT_EQ(look(), 0u) << "in a minute again";
  throws_ = false;
  clock_.pass(kMinuteUs);
  EXPECT_EQ(look(), 1u);
}

TEST_F(ModelKeeperTest, LeavesARetiredModelAlone) {
  retrain("{every: 1h}");
  EXPECT_EQ(look(), 1u);
  ASSERT_TRUE(registry_->retire("m", "test"));
  clock_.pass(kDayUs);
  EXPECT_EQ(look(), 0u);
}

TEST_F(ModelKeeperTest, WaitsForItsTurn) {
  retrain("{every: 1h}");
  {
    const std::lock_guard busy(turn_);
    std::thread([&] { EXPECT_EQ(look(), 0u); }).join();
  }
  EXPECT_EQ(look(), 1u);
}

TEST_F(ModelKeeperTest, ItsEndStopsATraining) {
  retrain("{every: 1h}");
  holds_ = true;
  keeper_->start();
  while (turn_.try_lock()) {
    turn_.unlock();
    std::this_thread::yield();
  }
  keeper_->stop();
  EXPECT_THAT(registry_->list("m").value(), IsEmpty());
}

}  // namespace
}  // namespace millrace
