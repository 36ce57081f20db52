#include "stream/window_state.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

/// A window of a source and keys: source, start, keys.
using Place = std::tuple<std::string, TimeUs, std::string>;

struct Fact {
  std::uint32_t partition = 0;
  std::string source;
  std::string keys;
  TimeUs time = 0;
  TimeUs received = 0;
  std::int64_t amount = 0;
};

struct Given {
  DurationUs size = 60, period = 60, lateness = 0, disorder = 10;
  std::size_t partitions = 1;
  StateLimits limits;
  std::vector<std::vector<Fact>> steps;
  std::vector<std::vector<bool>> exhausted;
  std::vector<TimeUs> now;
};

/// "web 0 {"k":1} on_time 3 12": source, start, keys, timing, how many, sum.
std::string line_of(const Place& place, std::string_view timing, std::uint64_t events, std::int64_t sum) {
  const auto& [source, start, keys] = place;
  return fmt::format("{} {} {} {} {} {}", source, start, keys, timing, events, sum);
}

/// Write down what comes out of a step; of late changes the last, as a subscriber sees them.
class Published final : public WindowOutput {
 public:
  void on_pane(std::size_t, std::string_view source, const Pane<PublishedValue>& pane) override {
    const Place place(source, pane.window.start, pane.key);
    const auto& total = pane.value.total;
    const auto sum = static_cast<std::int64_t>(total.values.at(1).number);
    EXPECT_EQ(static_cast<std::uint64_t>(total.values.at(0).number), total.events);
    auto line = line_of(place, pane_timing_name(pane.timing), total.events, sum);
    if (pane.timing == PaneTiming::kEarly) {
      early[place] += sum;
    } else {
      last[place] = sum;
    }
    if (pane.timing == PaneTiming::kLate) {
      late[place] = std::move(line);
    } else {
      lines.push_back(std::move(line));
    }
  }
  void on_too_late(std::uint64_t events) override { too_late += events; }

  /// Return the lines of the step, in order, and begin the next.
  std::vector<std::string> take() {
    for (auto& [place, line] : late) lines.push_back(std::move(line));
    late.clear();
    std::ranges::sort(lines);
    return std::exchange(lines, {});
  }

  std::vector<std::string> lines;
  std::map<Place, std::string> late;
  std::map<Place, std::int64_t> early, last;
  std::uint64_t too_late = 0;
};

MeasureValue number(Measure::Kind kind, std::int64_t n) {
  return {.kind = kind, .known = true, .number = n, .text = {}, .shown = {}};
}

/// What the tables would give for the facts of a step.
StepFacts facts_of(const std::vector<Fact>& step, const Given& given) {
  StepFacts facts;
  std::map<std::tuple<std::string, TimeUs, std::string>, MeasureValues> rows;
  std::map<std::pair<std::uint32_t, std::string>, SourceMark> marks;
  for (const Fact& fact : step) {
    const TimeUs slice = fact.time - fact.time % given.period;
    auto& [values, events] = rows[{fact.source, slice, fact.keys}];
    if (values.empty()) values = {number(Measure::Kind::kCount, 0), number(Measure::Kind::kSum, 0)};
    values[0].number += 1;
    values[1].number += fact.amount;
    ++events;
    auto [at, is_new] = marks.try_emplace({fact.partition, fact.source});
    SourceMark& mark = at->second;
    const TimeUs time = std::min(fact.time, fact.received);
    if (is_new) mark = {fact.partition, fact.source, time, fact.received, fact.received, 0};
    if (time == mark.newest) mark.received = std::max(mark.received, fact.received);
    if (time > mark.newest) std::tie(mark.newest, mark.received) = std::pair(time, fact.received);
    mark.received_last = std::max(mark.received_last, fact.received);
  }
  for (const auto& [place, mark] : marks) facts.marks.push_back(mark);
  facts.rows.emplace_back();
  for (const auto& [place, measures] : rows)
    facts.rows[0].push_back({std::get<0>(place), std::get<1>(place), std::get<2>(place), measures});
  return facts;
}

/// Computes from the list of facts alone, again for each step, what has to be published; shares no code.
class Naive {
 public:
  explicit Naive(const Given& given) : given_(given) {}

  std::vector<std::string> step(std::size_t n) {
    std::map<std::string, TimeUs> before = watermarks_;
    std::set<Place> changed;
    for (const Fact& fact : given_.steps[n]) {
      seen_.push_back({n, fact});
      for (TimeUs start = fact.time - fact.time % given_.period; start > fact.time - given_.size;
           start -= given_.period) {
        const TimeUs end = start + given_.size;
        const TimeUs watermark = before.contains(fact.source) ? before[fact.source] : -1'000'000;
        if (end + (end > watermark ? 0 : given_.lateness) <= watermark) {
          ++too_late;
          continue;
        }
        const Place place(fact.source, start, fact.keys);
        auto& [events, sum] = accepted[place];
        ++events;
        sum += fact.amount;
        if (end <= watermark) changed.insert(place);
      }
    }
    move_watermarks(n);
    std::vector<std::string> lines;
    for (const auto& [place, total] : accepted) {
      const auto& [source, start, keys] = place;
      const TimeUs end = start + given_.size;
      const TimeUs was = before.contains(source) ? before[source] : -1'000'000;
      const bool closes = end > was && end <= watermarks_[source];
      if (closes || changed.contains(place))
        lines.push_back(line_of(place, closes ? "on_time" : "late", total.first, total.second));
    }
    std::ranges::sort(lines);
    return lines;
  }

  std::map<Place, std::pair<std::uint64_t, std::int64_t>> accepted;
  std::uint64_t too_late = 0;

 private:
  using Pair = std::pair<TimeUs, TimeUs>;  ///< event time, received

  /// What is known of a source in a partition: all pairs that set its pace, when it was heard of last and
  /// since when only stragglers came.
  struct Known {
    std::vector<Pair> paces;
    TimeUs heard = 0;
    std::optional<TimeUs> stragglers;
    TimeUs best = -1'000'000;
  };

  void take(const Pair& seen, TimeUs heard, Known& known) const {
    known.heard = std::max(known.heard, heard);
    known.best = std::max(known.best, seen.first - given_.disorder);
    if (!known.paces.empty()) {
      const auto [time, received] = known.paces.back();
      if (seen.first <= time) return;
      if (seen.second - seen.first > received - time + given_.disorder) {
        if (!known.stragglers) known.stragglers = seen.second;
        if (seen.second <= *known.stragglers + given_.disorder) return;
      }
    }
    known.stragglers.reset();
    known.paces.push_back(seen);
  }

  void move_watermarks(std::size_t n) {
    watermarks_.clear();
    std::map<std::string, std::vector<Known>> known;
    std::map<std::string, TimeUs> first;
    std::vector<TimeUs> until(given_.partitions, -1'000'000'000);
    for (std::size_t step = 0; step <= n; ++step) {
      // What a step brings counts as one: of equal times the one received last.
      std::map<std::pair<std::uint32_t, std::string>, std::pair<Pair, TimeUs>> brought;
      for (const Fact& fact : given_.steps[step]) {
        auto& [pair, heard] = brought[{fact.partition, fact.source}];
        pair = std::max(pair, Pair(std::min(fact.time, fact.received), fact.received));
        heard = std::max(heard, fact.received);
        until[fact.partition] = std::max(until[fact.partition], fact.received);
      }
      for (const auto& [place, one] : brought) {
        auto& all = known[place.second];
        all.resize(given_.partitions);
        first.try_emplace(place.second, one.first.second);
        take(one.first, one.second, all[place.first]);
      }
      for (std::size_t p = 0; p < given_.partitions; ++p)
        if (given_.exhausted[step][p]) until[p] = std::max(until[p], given_.now[step]);
      for (auto& [source, all] : known) note(source, first[source], until, all);
    }
  }

  void note(const std::string& source, TimeUs first, const std::vector<TimeUs>& until,
            std::vector<Known>& all) {
    TimeUs least = 1'000'000'000'000;
    for (std::size_t p = 0; p < given_.partitions; ++p) {
      Known& known = all[p];
      if (!known.paces.empty()) {
        const auto [time, received] = known.paces.back();
        known.best = std::max(known.best, time + std::max<TimeUs>(0, until[p] - received) - given_.disorder);
      }
      TimeUs here = known.best;
      for (const Known& other : all) {
        if (until[p] <= std::max(known.heard, first) + given_.disorder) continue;
        // The newest two that set the pace are kept.
        const auto& paces = other.paces;
        for (std::size_t i = paces.size(); i > 0 && i + 2 > paces.size(); --i) {
          if (paces[i - 1].second > until[p]) continue;
          here = std::max(here, paces[i - 1].first + until[p] - paces[i - 1].second - given_.disorder);
          break;
        }
      }
      least = std::min(least, here);
    }
    auto& mine = watermarks_.try_emplace(source, -1'000'000).first->second;
    mine = std::max(mine, least);
  }

  const Given& given_;
  std::vector<std::pair<std::size_t, Fact>> seen_;
  std::map<std::string, TimeUs> watermarks_;
};

Given random_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  Given given;
  given.period = 20 + 20 * below(3);
  given.size = given.period * (1 + below(3));
  given.lateness = 50 * below(4);
  given.disorder = 5 + below(30);
  given.partitions = static_cast<std::size_t>(1 + below(3));
  TimeUs clock = 10'000;
  const std::vector<std::string> sources = {"web", "app", "old"};
  for (int n = 0; n < 25; ++n) {
    auto& step = given.steps.emplace_back();
    const auto facts = below(4) == 0 ? 0 : below(12);
    for (std::int64_t i = 0; i < facts; ++i) {
      clock += below(15);
      Fact fact;
      fact.partition = static_cast<std::uint32_t>(below(given.partitions));
      fact.source = sources[static_cast<std::size_t>(below(3))];
      fact.keys = fmt::format("{{\"k\":{}}}", below(2));
      fact.time = clock - below(10) - (below(6) == 0 ? below(300) : 0) - (fact.source == "old" ? 5'000 : 0);
      if (below(40) == 0) fact.time += 1'000;  // a wrong clock
      fact.received = clock;
      fact.amount = below(100);
      step.push_back(fact);
    }
    clock += below(30) + (below(5) == 0 ? 200 : 0);
    given.now.push_back(clock);
    given.exhausted.emplace_back();
    for (std::size_t p = 0; p < given.partitions; ++p) given.exhausted.back().push_back(below(3) != 0);
  }
  return given;
}

PublishedAggregation published(const Given& given) {
  PublishedAggregation out;
  out.aggregation.name = "counts";
  out.aggregation.publish = "counts";
  out.aggregation.lateness = given.lateness;
  const bool sliding = given.size != given.period;
  out.aggregation.window = {
      .kind = sliding ? AggregationWindow::Kind::kSliding : AggregationWindow::Kind::kFixed,
      .size = given.size,
      .period = given.period};
  out.compiled = fmt::format("{} {}", given.size, given.period);
  out.forms = {{.name = "events", .kind = Measure::Kind::kCount, .scale = {}},
               {.name = "amount", .kind = Measure::Kind::kSum, .scale = {}}};
  return out;
}

class Publishing {
 public:
  explicit Publishing(const Given& given)
      : given_(given),
        declared_({published(given)}),
        options_{.limits = given.limits, .watermarks = {.disorder_live = given.disorder}} {
    state = make();
  }

  std::unique_ptr<WindowState> make() const {
    return std::make_unique<WindowState>(declared_, given_.partitions, options_);
  }

  std::vector<std::string> step(std::size_t n) {
    const StepFacts facts = facts_of(given_.steps[n], given_);
    for (const SourceMark& mark : facts.marks) {
      if (!state->knows(mark.source)) state->join(mark.source, kBeforeAllTime);
    }
    const WindowStep step{n + 1, given_.now[n], std::vector<Offset>(given_.partitions), given_.exhausted[n]};
    const bool idle = given_.steps[n].empty();
    const bool promised = idle && state->completes(step);
    state->apply(step, facts, out);
    auto lines = out.take();
    // Of a window that was given up early there may be nothing left to say.
    EXPECT_TRUE(!idle || promised || lines.empty());
    EXPECT_TRUE(!idle || promised == !lines.empty() || state->evicted() > 0);
    return lines;
  }

  /// Go on with what was saved.
  void restart() {
    std::string bytes;
    state->save(bytes);
    state = make();
    ASSERT_TRUE(state->load(bytes));
    ASSERT_TRUE(state->missing().empty());
  }

  std::unique_ptr<WindowState> state;
  Published out;

 private:
  const Given& given_;
  const std::vector<PublishedAggregation> declared_;
  const WindowStateOptions options_;
};

TEST(WindowState, PublishesWhatANaiveComputationSays) {
  std::size_t lines = 0, late = 0;
  std::uint64_t too_late = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    const Given given = random_case(seed);
    Publishing run(given);
    Naive naive(given);
    for (std::size_t n = 0; n < given.steps.size(); ++n) {
      const auto wanted = naive.step(n);
      ASSERT_EQ(run.step(n), wanted) << "step " << n;
      if (seed % 2 == 0) run.restart();
      lines += wanted.size();
      late += static_cast<std::size_t>(std::ranges::count_if(
          wanted, [](const std::string& line) { return line.find(" late ") != std::string::npos; }));
    }
    ASSERT_EQ(run.out.too_late, naive.too_late);
    too_late += naive.too_late;
  }
  EXPECT_GT(lines, 5'000u);
  EXPECT_GT(late, 300u);
  EXPECT_GT(too_late, 300u);
}

/// Early parts, and the last message of each window besides, add up to all that was not too late.
TEST(WindowState, UnderLimitsThePiecesAddUp) {
  std::uint64_t evicted = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Given given = random_case(seed);
    given.limits.entries_max = 4;
    Publishing run(given);
    std::int64_t amounts = 0;
    for (std::size_t n = 0; n < given.steps.size(); ++n) {
      run.step(n);
      ASSERT_LE(run.state->use().entries, 4u);
      if (seed % 3 == 0) run.restart();
      for (const Fact& fact : given.steps[n]) amounts += fact.amount * (given.size / given.period);
    }
    WindowStep end{99, 1'000'000'000, std::vector<Offset>(given.partitions),
                   std::vector<bool>(given.partitions, true)};
    run.state->apply(end, {}, run.out);
    std::int64_t published = 0;
    for (const auto& [place, sum] : run.out.early) published += sum;
    for (const auto& [place, sum] : run.out.last) published += sum;
    ASSERT_LE(published, amounts);
    ASSERT_TRUE(run.out.too_late > 0 || published == amounts);
    evicted += run.state->evicted();
  }
  EXPECT_GT(evicted, 1'000u);
}

TEST(WindowState, DamagedStatesAreRefusedOrHarmless) {
  const Given given = random_case(3);
  Publishing run(given);
  for (std::size_t n = 0; n < 10; ++n) run.step(n);
  std::string bytes;
  run.state->save(bytes);
  std::mt19937_64 random(5);
  for (int i = 0; i < 2'000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    std::ignore = run.make()->load(damaged);  // must not crash, nor take memory without end
  }
}

}  // namespace
}  // namespace millrace
