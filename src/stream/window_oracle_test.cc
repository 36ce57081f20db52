#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "stream/window_oracle_testing.h"
#include "stream/window_partition.h"
#include "stream/window_testing.h"

namespace millrace {
namespace {

using oracle::Rules;
using oracle::Step;
using Lines = std::vector<std::string>;

constexpr std::uint64_t kCases = 150;  ///< for each kind of window

/// One generated case: rules, and steps for each of a few partitions.
class Case {
 public:
  Case(Rules::Kind kind, std::uint64_t seed) : random_(seed * 3 + kind) {
    make_rules(kind);
    keys_ = chance(50) ? 1 : static_cast<int>(pick(2, 4));
    late_percent_ = static_cast<int>(pick(0, 25));
    late_max_ = pick(20, 120);
    pace_ = pick(1, 12);
    partitions_.resize(static_cast<std::size_t>(pick(1, 3)));
    for (auto& steps : partitions_) make_steps(steps);
  }

  const Rules& rules() const { return rules_; }
  const std::vector<std::vector<Step>>& partitions() const { return partitions_; }

 private:
  std::int64_t pick(std::int64_t from, std::int64_t to) {
    return std::uniform_int_distribution<std::int64_t>(from, to)(random_);
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }

  void make_rules(Rules::Kind kind) {
    rules_.kind = kind;
    rules_.size = pick(1, 20);
    rules_.period = kind == Rules::kSliding ? pick(1, rules_.size) : rules_.size;
    rules_.offset = chance(30) ? pick(-25, 25) : 0;
    rules_.gap = pick(1, 15);
    rules_.lateness = chance(30) ? 0 : pick(1, 40);
    rules_.accumulate = chance(50);
    rules_.by_source = chance(60);
    rules_.disorder_live = pick(0, 12);
    rules_.disorder_run = pick(0, 40);
  }

  /// Sources that go on each at its own pace, with events out of order, some very late, a few from the
  /// future.
  void make_steps(std::vector<Step>& steps) {
    const auto sources = pick(1, 3);
    std::vector<std::int64_t> clocks;
    for (int i = 0; i < sources; ++i) clocks.push_back(pick(-300, 300));
    std::int64_t wall = 1'000;
    const auto count = pick(20, 120);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto source = static_cast<std::size_t>(pick(0, sources - 1));
      wall += pick(0, 3);
      Step step{.source = std::string(1, static_cast<char>('P' + source)), .run = source == 1};
      if (chance(3)) {
        step.kind = Step::kClose;
      } else if (chance(6)) {
        step = {.kind = Step::kIdle, .now = wall += pick(0, 30)};
      } else {
        clocks[source] += chance(20) ? pick(0, 2 * rules_.gap + 5) : pick(0, pace_);
        step.time = clocks[source] - (chance(30) ? pick(0, 15) : 0) -
                    (chance(late_percent_) ? pick(0, late_max_) : 0);
        if (chance(15))
          step.time = clocks[source] - rules_.gap - pick(0, 2 * rules_.gap);  // between sessions
        if (chance(2)) step.time = wall + pick(0, 50);
        step.received = wall;
        step.key = std::string(1, static_cast<char>('a' + pick(0, keys_ - 1)));
        step.input = i;
        step.offset = static_cast<std::uint64_t>(i) * 2;
      }
      steps.push_back(step);
    }
  }

  std::mt19937_64 random_;
  Rules rules_;
  int keys_ = 1;
  int late_percent_ = 0;
  std::int64_t late_max_ = 0;
  std::int64_t pace_ = 0;  ///< how far apart events are, at most
  std::vector<std::vector<Step>> partitions_;
};

PartitionWindowsOptions options_of(const Rules& rules) {
  PartitionWindowsOptions options;
  options.windows.spec = rules.kind == Rules::kSession ? WindowSpec::session(rules.gap)
                         : rules.kind == Rules::kSliding
                             ? WindowSpec::sliding(rules.size, rules.period, rules.offset)
                             : WindowSpec::fixed(rules.size, rules.offset);
  options.windows.allowed_lateness = rules.lateness;
  options.windows.accumulation = rules.accumulate ? Accumulation::kAccumulate : Accumulation::kDiscard;
  options.watermarks.disorder_live = rules.disorder_live;
  options.watermarks.disorder_run = rules.disorder_run;
  options.scope = rules.by_source ? WatermarkScope::kSource : WatermarkScope::kPartition;
  return options;
}

/// The runtime, one step at a time.
template <class Operator>
class Run {
 public:
  explicit Run(const PartitionWindowsOptions& options) : options_(options) { begin(); }

  /// Do one step and return what it emitted, in order.
  Lines step(const Step& step) {
    PaneLines sink(1, true);
    switch (step.kind) {
      case Step::kEvent:
        windows_->begin_event({step.source, step.run ? SourceKind::kRun : SourceKind::kLive, step.time,
                               step.received, Offset(step.offset)},
                              sink);
        windows_->add(step.key, step.input, sink);
        break;
      case Step::kClose:
        windows_->close(step.source, sink);
        break;
      case Step::kIdle:
        windows_->replay({++idles_, Offset(step.offset), step.now}, sink);
        break;
    }
    return sink.lines;
  }

  /// Go on with a new object made from the saved state of this one.
  void restart() {
    std::string bytes;
    windows_->save(bytes);
    const auto use = windows_->use();
    begin();
    ASSERT_TRUE(windows_->load(bytes));
    EXPECT_EQ(windows_->use().entries, use.entries);
    EXPECT_EQ(windows_->use().bytes, use.bytes);
  }

  PartitionWindows<Operator>& windows() { return *windows_; }

 private:
  void begin() { windows_ = std::make_unique<PartitionWindows<Operator>>(options_, "oracle"); }

  PartitionWindowsOptions options_;
  std::unique_ptr<PartitionWindows<Operator>> windows_;
  std::uint64_t idles_ = 0;
};

std::string text_of(const Step& step) {
  if (step.kind == Step::kIdle) return fmt::format("idle at {}", step.now);
  if (step.kind == Step::kClose) return "end of " + step.source;
  return fmt::format("{} {}@{} of {}", step.input, step.key, step.time, step.source);
}

/// Compare all partitions of a case, step by step.
template <class Operator>
void check_case(const Case& one, bool restarts) {
  const Rules& rules = one.rules();
  for (const auto& steps : one.partitions()) {
    const auto expected = oracle::expected_lines(rules, steps);
    Run<Operator> run(options_of(rules));
    Run<Operator> disturbed(options_of(rules));
    for (std::size_t n = 0; n < steps.size(); ++n) {
      Lines lines = run.step(steps[n]);
      if (restarts) {
        disturbed.restart();
        ASSERT_EQ(disturbed.step(steps[n]), lines)
            << "step " << n << " after a restart: " << text_of(steps[n]);
      }
      std::ranges::sort(lines);
      ASSERT_EQ(lines, expected[n]) << "step " << n << ": " << text_of(steps[n]) << "; size " << rules.size
                                    << " period " << rules.period << " gap " << rules.gap << " lateness "
                                    << rules.lateness << " by source " << rules.by_source;
    }
  }
}

void check_cases(Rules::Kind kind, bool restarts) {
  for (std::uint64_t seed = 0; seed < (restarts ? kCases / 5 : kCases); ++seed) {
    SCOPED_TRACE(seed);
    const Case one(kind, seed);
    if (kind == Rules::kSession) {
      check_case<SessionOperator<Collected>>(one, restarts);
    } else {
      check_case<WindowOperator<Collected>>(one, restarts);
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(WindowOracle, FixedWindowsAgree) {
  check_cases(Rules::kFixed, false);
}
TEST(WindowOracle, SlidingWindowsAgree) {
  check_cases(Rules::kSliding, false);
}
TEST(WindowOracle, SessionsAgree) {
  check_cases(Rules::kSession, false);
}
TEST(WindowOracle, ARestartBetweenAnyTwoStepsChangesNothing) {
  for (const auto kind : {Rules::kFixed, Rules::kSliding, Rules::kSession}) check_cases(kind, true);
}

/// The cases are worth something only when they reach every kind of outcome.
TEST(WindowOracle, CasesCoverEveryOutcome) {
  std::map<std::string, int> seen;
  for (const auto kind : {Rules::kFixed, Rules::kSliding, Rules::kSession}) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const Case one(kind, seed);
      for (const auto& steps : one.partitions()) {
        for (const auto& lines : oracle::expected_lines(one.rules(), steps)) {
          for (const auto& line : lines) {
            for (const char* what : {"on_time", " late", "too_late", " -1", " +1"}) {
              if (line.find(what) != std::string::npos)
                ++seen[fmt::format("{}{}", static_cast<int>(kind), what)];
            }
          }
        }
      }
    }
  }
  for (const char* what : {"on_time", " late", "too_late"}) {
    for (int kind = 0; kind < 3; ++kind)
      EXPECT_GT(seen[fmt::format("{}{}", kind, what)], 100) << kind << what;
  }
  EXPECT_GT(seen["2 +1"], 100);
  EXPECT_GT(seen["2 -1"], 5);
}

}  // namespace
}  // namespace millrace
