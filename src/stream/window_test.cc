#include "stream/window.h"

#include <random>
#include <unordered_map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/session_timers.h"
#include "stream/window_key_index.h"
#include "stream/window_partition.h"
#include "stream/window_testing.h"
#include "stream/window_values.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Window, RefusesLengthsThatMakeNoSense) {
  const auto refusal = [](const WindowSpec& spec, DurationUs lateness = 0) {
    const auto status = validate({.spec = spec, .allowed_lateness = lateness});
    return status ? "" : status.error().message;
  };
  EXPECT_EQ(refusal(WindowSpec::fixed(kMinuteUs)), "");
  EXPECT_EQ(refusal(WindowSpec::sliding(kHourUs, kMinuteUs, -5)), "");
  EXPECT_EQ(refusal(WindowSpec::session(30 * kMinuteUs), kDayUs), "");
  EXPECT_THAT(refusal(WindowSpec::fixed(0)), HasSubstr("size"));
  EXPECT_THAT(refusal(WindowSpec::fixed(-kMinuteUs)), HasSubstr("size"));
  EXPECT_THAT(refusal(WindowSpec::fixed(20 * 366 * kDayUs)), HasSubstr("ten years"));
  EXPECT_THAT(refusal(WindowSpec::sliding(kMinuteUs, 0)), HasSubstr("period"));
  EXPECT_THAT(refusal(WindowSpec::sliding(kMinuteUs, kHourUs)), HasSubstr("miss events"));
  EXPECT_THAT(refusal(WindowSpec::sliding(kHourUs, kHourUs - 1)), HasSubstr("common divisor"));
  EXPECT_THAT(refusal(WindowSpec::session(0)), HasSubstr("gap"));
  EXPECT_THAT(refusal(WindowSpec::fixed(kMinuteUs), -1), HasSubstr("lateness"));
}

TEST(WindowGrid, CutsTimeIntoSlicesSharedByWindows) {
  const WindowGrid grid(WindowSpec::sliding(10, 4, 1));
  EXPECT_EQ(grid.slice_start(1), 1);
  EXPECT_EQ(grid.slice_start(2), 1);
  EXPECT_EQ(grid.slice_start(0), -1);
  EXPECT_EQ(grid.slice_start(-4), -5);
  EXPECT_EQ(grid.last_window(7), (Window{5, 15}));
  EXPECT_EQ(grid.first_window(7), (Window{1, 11}));
  EXPECT_EQ(grid.first_window(5), (Window{-3, 7}));
}

TEST(KeyIndex, FindsWhatWasPutIn) {
  std::mt19937_64 random(7);
  KeyIndex index;
  std::unordered_map<std::uint32_t, std::uint32_t> entries;  // entry → hash
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    if (entries.size() < 500 || random() % 2 == 0) {
      const auto hash = static_cast<std::uint32_t>(random() % 300);  // many collisions
      index.insert(hash, step);
      entries[step] = hash;
    } else {
      const auto victim = std::next(entries.begin(), static_cast<std::ptrdiff_t>(random() % 50));
      index.erase(victim->second, victim->first);
      entries.erase(victim);
    }
    if (step % 1'000 != 0) continue;
    EXPECT_EQ(index.size(), entries.size());
    for (const auto& [entry, hash] : entries) {
      const auto found = index.find(hash, [&](std::uint32_t candidate) { return candidate == entry; });
      ASSERT_EQ(found, entry);
    }
  }
  index.clear();
  EXPECT_EQ(index.size(), 0u);
  EXPECT_FALSE(index.find(5, [](std::uint32_t) { return true; }));
}

TEST(SessionTimers, ComeUpInOrder) {
  std::mt19937_64 random(3);
  SessionTimers timers(50);
  std::multimap<std::pair<TimeUs, std::uint64_t>, int> expected;
  for (std::uint64_t step = 1; step < 20'000; ++step) {
    if (expected.empty() || random() % 5 < 3) {
      const TimeUs due = static_cast<TimeUs>(random() % 5'000) - 2'000;
      timers.push({due, step, 0, 0});
      expected.insert({{due, step}, 0});
    } else {
      ASSERT_LE(timers.due_at_least(), timers.top().due);
      ASSERT_EQ(std::pair(timers.top().due, timers.top().sequence), expected.begin()->first);
      timers.pop();
      expected.erase(expected.begin());
    }
  }
}

/// Adds up what it is told: by key and window, the events in panes and too late.
class Total final : public PaneSink<EventSum> {
 public:
  void on_pane(const Pane<EventSum>& pane) override {
    events += pane.value.events;
    sums[std::string(pane.key)] += pane.value.sum();
    sessions += pane.new_windows;
    early += pane.timing == PaneTiming::kEarly ? 1 : 0;
  }
  void on_too_late(const WindowEvent<std::int64_t>& event, const Window&) override {
    ++events;
    ++too_late;
    sums[std::string(event.key)] += event.input;
  }

  std::uint64_t events = 0, too_late = 0, early = 0;
  int sessions = 0;
  std::map<std::string, std::int64_t> sums;
};

template <class Operator>
class Limits {
 public:
  explicit Limits(const WindowSpec& spec, StateLimits limits) : limits_(limits) {
    PartitionWindowsOptions options;
    options.windows = {.spec = spec, .allowed_lateness = 20 * kSecondUs};
    options.limits = limits;
    windows_ = std::make_unique<PartitionWindows<Operator>>(options, "limits");
  }

  /// Send events of many keys, and check that nothing is lost and the limits hold. Each is in `windows`
  /// windows.
  void check(std::uint64_t windows) {
    std::mt19937_64 random(11);
    Total total;
    std::map<std::string, std::int64_t> sums;
    constexpr int kEvents = 20'000;
    for (int i = 0; i < kEvents; ++i) {
      const auto key = fmt::format("key-{}", random() % 3'000);
      const TimeUs time = i * 10 * kMillisecondUs - static_cast<TimeUs>(random() % (60 * kSecondUs));
      const std::string_view source = i % 3 == 0 ? "app" : "web";
      windows_->begin_event(
          {source, SourceKind::kLive, time, i * kSecondUs, Offset(static_cast<std::uint64_t>(i))}, total);
      windows_->add(key, i, total);
      sums[key] += i * static_cast<std::int64_t>(windows);
      ASSERT_LE(windows_->use().entries, limits_.entries_max);
      ASSERT_LE(windows_->use().bytes, limits_.bytes_max);
    }
    windows_->publish_metrics();
    windows_->finish(total);
    EXPECT_EQ(total.events, kEvents * windows);
    EXPECT_EQ(total.sums, sums);
    EXPECT_GT(total.early, 100u);
    EXPECT_GT(total.too_late, 100u);
    EXPECT_GT(windows_->evicted(), 0u);
    EXPECT_EQ(windows_->use().entries, 0u);
    EXPECT_EQ(windows_->use().bytes, 0u);
    EXPECT_EQ(windows_->use().too_late, total.too_late);
  }

 private:
  StateLimits limits_;
  std::unique_ptr<PartitionWindows<Operator>> windows_;
};

TEST(WindowLimits, FixedWindowsGiveUpTheOldestAndLoseNothing) {
  Limits<WindowOperator<EventSum>>(WindowSpec::fixed(10 * kSecondUs), {.entries_max = 100}).check(1);
}
TEST(WindowLimits, SlidingWindowsGiveUpTheOldestAndLoseNothing) {
  Limits<WindowOperator<EventSum>>(WindowSpec::sliding(20 * kSecondUs, 5 * kSecondUs), {.entries_max = 500})
      .check(4);
}
TEST(WindowLimits, SessionsGiveUpTheOldestAndLoseNothing) {
  Limits<SessionOperator<EventSum>>(WindowSpec::session(10 * kSecondUs), {.entries_max = 500}).check(1);
}
TEST(WindowLimits, BytesAreLimitedToo) {
  Limits<SessionOperator<EventSum>>(WindowSpec::session(10 * kSecondUs), {.bytes_max = 20'000}).check(1);
  Limits<WindowOperator<EventSum>>(WindowSpec::fixed(10 * kSecondUs), {.bytes_max = 20'000}).check(1);
}

class PartitionWindowsTest : public testing::Test {
 protected:
  PartitionWindowsTest() {
    options_.windows.spec = WindowSpec::fixed(10);
    options_.watermarks = {.disorder_live = 5, .disorder_run = 5, .sources_max = 2};
    restart();
  }

  void restart() {
    windows_ = std::make_unique<PartitionWindows<WindowOperator<Collected>>>(options_, "test");
  }

  void add(std::string_view source, TimeUs time, TimeUs received = 100'000) {
    windows_->begin_event({source, SourceKind::kLive, time, received, Offset(offset_++)}, sink_);
    windows_->add("a", time, sink_);
  }
  std::vector<std::string> lines() { return std::exchange(sink_.lines, {}); }

  PartitionWindowsOptions options_;
  std::unique_ptr<PartitionWindows<WindowOperator<Collected>>> windows_;
  PaneLines sink_{1};
  std::uint64_t offset_ = 0;
};

TEST_F(PartitionWindowsTest, OldDataBesideLiveTrafficIsNotLateAndHoldsNothingBack) {
  add("web", 50'001);
  add("import", 3);
  add("web", 50'015);
  EXPECT_THAT(lines(), ElementsAre("a [50000,50010) on_time 50001"));
  add("import", 15);
  EXPECT_THAT(lines(), ElementsAre("a [0,10) on_time 3"));
  windows_->close("import", sink_);
  EXPECT_THAT(lines(), ElementsAre("a [10,20) on_time 15"));
}

TEST_F(PartitionWindowsTest, CommonWindowsWaitForTheLastSource) {
  options_.scope = WatermarkScope::kPartition;
  restart();
  add("import", 3);
  add("web", 4);
  add("web", 500);
  EXPECT_THAT(lines(), IsEmpty());
  windows_->close("import", sink_);
  EXPECT_THAT(lines(), ElementsAre("a [0,10) on_time 3 4"));
}

TEST_F(PartitionWindowsTest, AFoldedSourceIsEmitted) {
  add("one", 1);
  add("two", 2);
  add("three", 3);
  EXPECT_THAT(lines(), ElementsAre("a [0,10) on_time 1"));
}

TEST_F(PartitionWindowsTest, AnIdlePartitionEmitsWhatTheWallClockCompletes) {
  add("web", 1'000, 1'002);
  EXPECT_EQ(windows_->caught_up(Offset(1), 1'016, sink_), std::nullopt);
  EXPECT_THAT(lines(), IsEmpty());
  EXPECT_EQ(windows_->caught_up(Offset(1), 1'017, sink_), (IdleAdvance{1, Offset(1), 1'017}));
  EXPECT_THAT(lines(), ElementsAre("a [1000,1010) on_time 1000"));
  EXPECT_EQ(windows_->caught_up(Offset(1), 9'000, sink_), std::nullopt) << "nothing left to complete";
  windows_->replay({1, Offset(1), 9'000}, sink_);
  add("web", 1'011, 1'012);
  EXPECT_THAT(lines(), IsEmpty()) << "an advance that is part of the state changes nothing";
}

TEST_F(PartitionWindowsTest, AStateOfOtherWindowsIsRefused) {
  add("web", 3);
  std::string bytes;
  windows_->save(bytes);
  restart();
  EXPECT_TRUE(windows_->load(bytes));
  options_.windows.spec = WindowSpec::fixed(20);
  restart();
  EXPECT_FALSE(windows_->load(bytes));
  options_.windows = {.spec = WindowSpec::fixed(10), .allowed_lateness = 1};
  restart();
  EXPECT_FALSE(windows_->load(bytes));
  options_.windows.allowed_lateness = 0;
  options_.scope = WatermarkScope::kPartition;
  restart();
  EXPECT_FALSE(windows_->load(bytes));
}

/// A checksum guards the file; should damage get past it, loading must still not crash or take memory without
/// end.
template <class Operator>
void load_damaged(const WindowSpec& spec) {
  PartitionWindowsOptions options;
  options.windows = {.spec = spec, .allowed_lateness = 50};
  PaneLines sink(1);
  std::string bytes;
  {
    PartitionWindows<Operator> windows(options, "damage");
    for (int i = 0; i < 200; ++i) {
      windows.begin_event({i % 3 == 0 ? "app" : "web", SourceKind::kLive, i, i, Offset(1)}, sink);
      windows.add(fmt::format("k{}", i % 7), i, sink);
    }
    windows.save(bytes);
  }
  std::mt19937_64 random(5);
  int refused = 0;
  for (int i = 0; i < 3'000; ++i) {
    std::string damaged = bytes;
    for (auto flips = 1 + random() % 4; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= char(1 + random() % 255);
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    PartitionWindows<Operator> windows(options, "damage");
    if (!windows.load(damaged)) {
      ++refused;
      continue;
    }
    std::ignore = windows.caught_up(Offset(5), 400, sink);
    windows.begin_event({"web", SourceKind::kLive, 500, 500, Offset(9)}, sink);
    windows.add("k1", 7, sink);
    windows.finish(sink);
  }
  EXPECT_GT(refused, 100);
}

TEST(WindowState, LoadsNoDamageThatCrashes) {
  load_damaged<WindowOperator<Collected>>(WindowSpec::sliding(20, 5));
  load_damaged<SessionOperator<Collected>>(WindowSpec::session(8));
}

}  // namespace
}  // namespace millrace
