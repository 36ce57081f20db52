#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "log/segment_log.h"
#include "log/topics.h"
#include "stream/window_job.h"
#include "stream/window_job_testing.h"
#include "warehouse/aggregations.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

constexpr std::uint32_t kPartitions = 2;
constexpr int kStages = 9;
constexpr DurationUs kStage = 25 * kSecondUs;
constexpr std::uint64_t kOffsetsAStage = 4;  ///< of each partition
/// How far apart to kill: everywhere when thousands of seeds are asked for, else at every third place.
std::uint64_t stride() {
  const char* seeds = std::getenv("MILLRACE_SEEDS");
  return seeds != nullptr && std::strtoull(seeds, nullptr, 10) >= 1'000 ? 1 : 3;
}

const TopicConfig kSmall{.partitions = 1, .segment_bytes = 64 << 10};

/// Runs the job over facts that a real loader wrote, with its log and files in an environment that fails. The
/// facts are there from the beginning; how far the loader is said to be grows by stages.
class WindowJobRecovery : public WarehouseTest {
 protected:
  WindowJobRecovery() {
    const auto declared = declare_aggregations(
        *warehouse_,
        {{{"p/a.yaml",
           "from: events\nwindow: 30s\nlateness: 1m\npublish: a\nkeys: {page: page_path}\n"
           "measures: {n: count, people: distinct(visitor), first: first(anonymous_id)}\n"},
          {"p/b.yaml",
           "from: events\nwindow: {sliding: 1m, every: 20s}\npublish: b\nmeasures: {n: count}\n"}}});
    EXPECT_TRUE(declared) << declared.error().text();
    write_facts();
  }

  void write_facts() {
    auto writer = this->writer();
    std::mt19937_64 random(7);
    ASSERT_TRUE(writer->begin());
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      std::vector<Event> events;
      for (std::uint64_t i = 0; i < kStages * kOffsetsAStage; ++i) {
        const TimeUs received =
            begin_ + static_cast<TimeUs>(i) * kStage / static_cast<TimeUs>(kOffsetsAStage) + p;
        Event event =
            make_event(EventType::kPageView, i, received - static_cast<TimeUs>(random() % 40) * kSecondUs);
        event.message_id = ids_.emplace_back(fmt::format("{}-{}", p, i));
        event.source = random() % 3 == 0 ? "app" : "web";
        event.page_path = random() % 2 == 0 ? "/a" : "/b";
        event.anonymous_id = random() % 2 == 0 ? "anna" : "bert";
        event.received_time = received;
        event.log_partition = PartitionId(p);
        events.push_back(event);
      }
      const TopicPartition partition{std::string(kEventsTopic), PartitionId(p)};
      ASSERT_TRUE(writer->add_events(partition, events));
      writer->set_next(partition, Offset(kStages * kOffsetsAStage));
    }
    ASSERT_TRUE(writer->commit());
  }

  /// One process: from its start to its death or the end. Takes up at the stage that was reached.
  bool live(FaultEnv& env, std::uint64_t life) {
    auto log = SegmentLog::open(env, "/d/log", {.reserve_bytes = 4'096});
    if (!log || !make_topics(**log)) return false;
    WindowJobOptions options{.dir = "/d/windows"};
    options.steps_max = 2 + life % 2;
    options.state.limits.entries_max = entries_max_;
    auto rows = PublishedRows::open(*warehouse_);
    EXPECT_TRUE(rows);
    WindowJob job(**log, env, *std::move(rows), [this] { return loaded(); }, options);
    if (!job.start()) return false;
    for (; stage_ < kStages; ++stage_) {
      env.jump(begin_ + (stage_ + 1) * kStage - env.now());
      if (!log_up_to(**log, static_cast<std::uint64_t>(stage_ + 1) * kOffsetsAStage) || !go_on(job))
        return false;
    }
    env.jump(begin_ + 2 * kHourUs - env.now());
    if (!go_on(job)) return false;
    messages_ = messages_of(**log, "a");
    for (auto& message : messages_of(**log, "b")) messages_.push_back(std::move(message));
    return true;
  }

  static bool go_on(WindowJob& job) {
    for (int i = 0; i < 20; ++i) {
      const auto result = job.step();
      if (!result) return false;
      if (!result->more) return true;
    }
    return true;
  }

  static bool make_topics(EventLog& log) {
    TopicConfig events = kSmall;
    events.partitions = kPartitions;
    return log.create_topic(kEventsTopic, events) && log.create_topic("a", kSmall) &&
           log.create_topic("b", kSmall);
  }

  /// Have as many records logged as the loader shall have taken in, of which only the number matters here.
  static bool log_up_to(EventLog& log, std::uint64_t end) {
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const TopicPartition partition{std::string(kEventsTopic), PartitionId(p)};
      const auto stats = log.stats(partition);
      if (!stats) return false;
      std::vector<NewRecord> records(end - std::min(end, stats->end.value()),
                                     NewRecord{.value = "x", .time = 1});
      if (!append_and_wait(log, partition, std::move(records))) return false;
    }
    return true;
  }

  JobPosition loaded() const {
    JobPosition position;
    for (std::uint32_t p = 0; p < kPartitions; ++p)
      position[{std::string(kEventsTopic), PartitionId(p)}] =
          Offset(static_cast<std::uint64_t>(std::min(stage_ + 1, kStages)) * kOffsetsAStage);
    return position;
  }

  /// Run to the end, dying after so many changes of files and again and again after that.
  std::vector<std::string> run(std::optional<std::uint64_t> operations, bool power_loss,
                               bool damage = false) {
    FaultEnv env(operations.value_or(1));
    EXPECT_TRUE(env.make_dirs("/d"));
    EXPECT_TRUE(env.sync_dir("/"));
    stage_ = -1;  // the job begins before anything is loaded
    messages_.clear();
    settle_in(env);
    if (operations) env.die_after(*operations);
    for (std::uint64_t life = 0; life < 100; ++life) {
      if (live(env, life)) return messages_;
      ++deaths_;
      power_loss ? env.power_loss(life * 31 + operations.value_or(0)) : env.restart_process();
      if (damage && env.exists("/d/windows/state")) {
        env.flip_bits("/d/windows/state", 30 + life, 1);
        ++damaged_;
      }
      if (life < 3) env.die_after(9 + 7 * life);
    }
    return {"never came to an end"};
  }

  /// The job's first start, undisturbed: where it begins is no matter of these tests.
  void settle_in(FaultEnv& env) {
    stage_ = -1;
    env.jump(begin_ - env.now());
    auto log = SegmentLog::open(env, "/d/log", {.reserve_bytes = 4'096});
    ASSERT_TRUE(log);
    ASSERT_TRUE(make_topics(**log));
    WindowJob job(**log, env, PublishedRows::open(*warehouse_).value(), [this] { return loaded(); },
                  {.dir = "/d/windows"});
    ASSERT_TRUE(job.start());
    stage_ = 0;
  }

  const TimeUs begin_ = 1'800'014'400 * kSecondUs;
  std::deque<std::string> ids_;
  std::uint64_t entries_max_ = 1'000'000;
  int stage_ = 0;
  int deaths_ = 0;
  int damaged_ = 0;
  std::vector<std::string> messages_;
};

TEST_F(WindowJobRecovery, AKillAtAnyFileOperationChangesNoMessage) {
  const auto undisturbed = run(std::nullopt, false);
  EXPECT_GT(undisturbed.size(), 30u);
  for (const std::string_view timing : {"on_time", "late"})
    EXPECT_TRUE(std::ranges::any_of(undisturbed, [&](const auto& m) { return m.find(timing) != m.npos; }));
  for (std::uint64_t operations = 0; operations < 120; operations += stride()) {
    ASSERT_EQ(run(operations, operations % 2 == 0), undisturbed) << "killed after " << operations;
  }
  EXPECT_GT(deaths_, 40);
}

TEST_F(WindowJobRecovery, NorWithAStateThatIsDamagedEachTime) {
  auto sorted = run(std::nullopt, false);
  std::ranges::sort(sorted);
  for (std::uint64_t operations = 20; operations < 120; operations += 5) {
    // Made from the tables again, the keys of a window come in another order.
    auto messages = run(operations, false, true);
    std::ranges::sort(messages);
    ASSERT_EQ(messages, sorted) << "killed after " << operations;
  }
  EXPECT_GT(damaged_, 10);
}

TEST_F(WindowJobRecovery, NorUnderALimitOnItsState) {
  entries_max_ = 5;
  const auto undisturbed = run(std::nullopt, false);
  EXPECT_TRUE(std::ranges::any_of(undisturbed, [](const auto& m) { return m.find("early") != m.npos; }));
  for (std::uint64_t operations = 0; operations < 120; operations += 7) {
    ASSERT_EQ(run(operations, operations % 2 == 0), undisturbed) << "killed after " << operations;
  }
}

}  // namespace
}  // namespace millrace
