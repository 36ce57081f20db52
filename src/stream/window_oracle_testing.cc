#include "stream/window_oracle_testing.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace millrace::oracle {
namespace {

using Time = std::int64_t;
using Lines = std::vector<std::string>;

constexpr Time kNever = std::numeric_limits<Time>::min() / 4;
constexpr Time kEver = std::numeric_limits<Time>::max() / 4;

/// A life of a source: from its first event, or its first after it ended, to its end.
using Life = std::pair<std::string, int>;

class Oracle {
 public:
  Oracle(const Rules& rules, const std::vector<Step>& steps) : rules_(rules), steps_(steps) {
    std::map<std::string, int> ended;
    for (const Step& step : steps_) {
      lives_.push_back({step.source, ended[step.source]});
      if (step.kind == Step::kClose) ++ended[step.source];
    }
  }

  Lines lines_of(std::size_t n) {
    now_ = n;
    lines_.clear();
    std::set<Life> lives;
    for (std::size_t i = 0; i <= n; ++i) {
      if (steps_[i].kind == Step::kEvent) lives.insert(lane_of(i));
    }
    for (const Life& lane : lives) pass(lane, n == 0 ? kNever : watermark(lane, n - 1), watermark(lane, n));
    if (steps_[n].kind == Step::kEvent) arrive(lane_of(n), watermark(lane_of(n), n));
    std::ranges::sort(lines_);
    return lines_;
  }

 private:
  Life lane_of(std::size_t i) const { return rules_.by_source ? lives_[i] : Life{}; }

  /// The watermark of a life after step n, from all its steps.
  Time own_watermark(const Life& life, std::size_t n) const {
    Time newest = kNever, received = 0, mark = kNever;
    for (std::size_t i = 0; i <= n; ++i) {
      const Step& step = steps_[i];
      const bool mine = step.kind != Step::kIdle && lives_[i] == life;
      if (mine && step.kind == Step::kClose) return kEver;
      const Time disorder = is_run(life) ? rules_.disorder_run : rules_.disorder_live;
      if (mine && std::min(step.time, step.received) > newest) {
        newest = std::min(step.time, step.received);
        received = step.received;
        mark = std::max(mark, newest - disorder);
      }
      if (step.kind == Step::kIdle && newest != kNever) {
        mark = std::max(mark, newest + std::max<Time>(0, step.now - received) - disorder);
      }
    }
    return mark;
  }

  bool is_run(const Life& life) const {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].kind == Step::kEvent && lives_[i] == life) return steps_[i].run;
    }
    return false;
  }

  bool alive(const Life& life, std::size_t n) const {
    bool seen = false;
    for (std::size_t i = 0; i <= n; ++i) {
      if (lives_[i] != life || steps_[i].kind == Step::kIdle) continue;
      if (steps_[i].kind == Step::kClose) return false;
      seen = true;
    }
    return seen;
  }

  Time watermark(const Life& lane, std::size_t n) {
    if (rules_.by_source) return own_watermark(lane, n);
    while (combined_.size() <= n) {
      const std::size_t i = combined_.size();
      std::optional<Time> least;
      for (const Life& life :
           std::set<Life>(lives_.begin(), lives_.begin() + static_cast<std::ptrdiff_t>(i) + 1)) {
        if (alive(life, i)) least = std::min(least.value_or(kEver), own_watermark(life, i));
      }
      if (!least && steps_[i].kind == Step::kIdle) least = steps_[i].now - rules_.disorder_live;
      combined_.push_back(std::max(i == 0 ? kNever : combined_.back(), least.value_or(kNever)));
    }
    return combined_[n];
  }

  /// All windows around a time, by trying every start.
  std::vector<std::pair<Time, Time>> windows_of(Time time) const {
    std::vector<std::pair<Time, Time>> windows;
    for (Time start = time - rules_.size + 1; start <= time; ++start) {
      if (((start - rules_.offset) % rules_.period + rules_.period) % rules_.period == 0) {
        windows.emplace_back(start, start + rules_.size);
      }
    }
    return windows;
  }

  /// What a step of the watermark completes.
  void pass(const Life& lane, Time from, Time to) {
    if (rules_.kind == Rules::kSession) return pass_sessions(lane, to);
    std::map<std::pair<std::string, std::pair<Time, Time>>, std::vector<std::size_t>> open;
    for (std::size_t i = 0; i < now_; ++i) {
      if (steps_[i].kind != Step::kEvent || lane_of(i) != lane) continue;
      for (const auto& window : windows_of(steps_[i].time)) {
        if (window.second > from && window.second <= to) open[{steps_[i].key, window}].push_back(i);
      }
    }
    for (const auto& [what, events] : open) say(what.first, what.second, "on_time", events, 0);
  }

  /// What the event of the present step does by itself.
  void arrive(const Life& lane, Time mark) {
    if (rules_.kind == Rules::kSession) return arrive_session(lane, mark);
    const Step& event = steps_[now_];
    for (const auto& window : windows_of(event.time)) {
      if (window.second + rules_.lateness <= mark) {
        say(event.key, window, "too_late", {now_}, 0);
      } else if (window.second <= mark) {
        std::vector<std::size_t> events = {now_};
        for (std::size_t i = 0; rules_.accumulate && i < now_; ++i) {
          if (steps_[i].kind != Step::kEvent || lane_of(i) != lane || steps_[i].key != event.key) continue;
          const bool inside = window.first <= steps_[i].time && steps_[i].time < window.second;
          if (inside && window.second + rules_.lateness > watermark(lane, i)) events.push_back(i);
        }
        say(event.key, window, "late", events, 0);
      }
    }
  }

  /// A session: its events, and what of it was emitted.
  struct Group {
    std::vector<std::size_t> events;
    std::set<std::size_t> emitted;
    int sessions_emitted = 0;
  };

  std::pair<Time, Time> span(const Group& group) const {
    Time start = kEver, end = kNever;
    for (const std::size_t i : group.events) {
      start = std::min(start, steps_[i].time);
      end = std::max(end, steps_[i].time + rules_.gap);
    }
    return {start, end};
  }

  void pass_sessions(const Life& lane, Time to) {
    std::vector<Group> kept;
    for (Group& group : groups_[lane]) {
      const auto [start, end] = span(group);
      if (end <= to && group.emitted.size() < group.events.size()) say(group, "on_time");
      if (end + rules_.lateness > to) kept.push_back(group);
    }
    groups_[lane] = kept;
  }

  void arrive_session(const Life& lane, Time mark) {
    const Step& event = steps_[now_];
    const Time end = event.time + rules_.gap;
    if (end + rules_.lateness <= mark) return say(event.key, {event.time, end}, "too_late", {now_}, 0);
    Group joined{{now_}, {}, 0};
    std::vector<Group> others;
    for (const Group& group : groups_[lane]) {
      const auto [from, to] = span(group);
      if (steps_[group.events[0]].key != event.key || to <= event.time || from >= end) {
        others.push_back(group);
        continue;
      }
      joined.events.insert(joined.events.end(), group.events.begin(), group.events.end());
      joined.emitted.insert(group.emitted.begin(), group.emitted.end());
      joined.sessions_emitted += group.sessions_emitted;
    }
    if (span(joined).second <= mark) say(joined, "late");
    others.push_back(joined);
    groups_[lane] = others;
  }

  void say(Group& group, const char* timing) {
    std::vector<std::size_t> events;
    for (const std::size_t i : group.events) {
      if (rules_.accumulate || !group.emitted.contains(i)) events.push_back(i);
    }
    say(steps_[group.events[0]].key, span(group), timing, events, 1 - group.sessions_emitted);
    group.emitted.insert(group.events.begin(), group.events.end());
    group.sessions_emitted = 1;
  }

  void say(const std::string& key, std::pair<Time, Time> window, const std::string& timing,
           const std::vector<std::size_t>& events, int sessions) {
    std::vector<std::int64_t> inputs;
    std::uint64_t last = 0;
    for (const std::size_t i : events) {
      inputs.push_back(steps_[i].input);
      last = std::max(last, steps_[i].offset);
    }
    std::ranges::sort(inputs);
    std::ostringstream line;
    line << key << " [" << window.first << "," << window.second << ") " << timing;
    for (const auto input : inputs) line << " " << input;
    if (sessions != 0) line << (sessions > 0 ? " +" : " ") << sessions;
    if (timing != "too_late") line << " @" << last;
    lines_.push_back(line.str());
  }

  const Rules& rules_;
  const std::vector<Step>& steps_;
  std::vector<Life> lives_;     ///< by step
  std::vector<Time> combined_;  ///< by step, when there is one watermark for all
  std::map<Life, std::vector<Group>> groups_;
  std::size_t now_ = 0;
  Lines lines_;
};

}  // namespace

std::vector<Lines> expected_lines(const Rules& rules, const std::vector<Step>& steps) {
  Oracle oracle(rules, steps);
  std::vector<Lines> lines;
  for (std::size_t n = 0; n < steps.size(); ++n) lines.push_back(oracle.lines_of(n));
  return lines;
}

}  // namespace millrace::oracle
