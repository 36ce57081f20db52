#include "stream/window_marks.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kSourcesLoadedMax = 1'000'000;

bool plausible(TimeUs time) {
  return kBeforeAllTime <= time && time <= kAfterAllTime;
}

}  // namespace

WindowMarks::Source& WindowMarks::source_of(const SourceMark& mark) {
  const auto known = sources_.find(mark.source);
  if (known != sources_.end()) return known->second;
  while (!sources_.empty() && sources_.size() >= options_.sources_max)
    sources_.erase(std::ranges::min_element(sources_, {}, [](const auto& one) { return one.second.heard; }));
  Source& source = sources_[mark.source];
  source.first = mark.received;
  source.marks.resize(read_until_.size());
  return source;
}

void WindowMarks::observe(const std::vector<SourceMark>& marks) {
  for (const SourceMark& mark : marks) {
    if (mark.partition >= read_until_.size()) continue;
    Source& source = source_of(mark);
    source.heard = ++observed_;
    note(mark, source.marks[mark.partition]);
    TimeUs& until = read_until_[mark.partition];
    until = std::max(until, mark.received_last);
  }
}

void WindowMarks::note(const SourceMark& seen, Mark& mark) const {
  const DurationUs disorder = options_.disorder_live;
  const bool first = mark.heard == kBeforeAllTime;
  mark.heard = std::max(mark.heard, seen.received_last);
  mark.watermark = std::max(mark.watermark, seen.newest - disorder);
  if (!first && seen.newest <= mark.last.newest) return;
  const DurationUs usual = mark.last.received - mark.last.newest;
  if (!first && seen.received - seen.newest > usual + disorder) {
    if (mark.behind_since == kBeforeAllTime) mark.behind_since = seen.received;
    if (seen.received - mark.behind_since <= disorder) return;
  }
  mark.behind_since = kBeforeAllTime;
  mark.before = mark.last;
  mark.last = {seen.newest, seen.received};
}

void WindowMarks::exhausted(std::size_t partition, TimeUs now) {
  read_until_[partition] = std::max(read_until_[partition], now);
}

void WindowMarks::settle() {
  for (auto& [name, source] : sources_) {
    for (std::size_t i = 0; i < source.marks.size(); ++i) {
      Mark& mark = source.marks[i];
      if (mark.heard == kBeforeAllTime) continue;
      const DurationUs silent = std::max<DurationUs>(0, read_until_[i] - mark.last.received);
      mark.watermark = std::max(mark.watermark, mark.last.newest + silent - options_.disorder_live);
    }
  }
}

/// Return how far a source was at `until`, by the partition that tells most of what was received before.
TimeUs WindowMarks::reached(const Source& source, TimeUs until) const {
  TimeUs most = kBeforeAllTime;
  for (const Mark& mark : source.marks) {
    const Pace& pace = mark.last.received <= until ? mark.last : mark.before;
    if (pace.received == kBeforeAllTime || pace.received > until) continue;
    most = std::max(most, pace.newest + (until - pace.received) - options_.disorder_live);
  }
  return most;
}

TimeUs WindowMarks::of(std::string_view source) const {
  const auto found = sources_.find(source);
  if (found == sources_.end()) return kBeforeAllTime;
  TimeUs least = kAfterAllTime;
  for (std::size_t i = 0; i < read_until_.size(); ++i) {
    const Mark& mark = found->second.marks[i];
    TimeUs here = mark.watermark;
    const TimeUs heard = std::max(mark.heard, found->second.first);
    if (read_until_[i] > heard + options_.disorder_live)
      here = std::max(here, reached(found->second, read_until_[i]));
    least = std::min(least, here);
  }
  return least;
}

std::vector<std::string> WindowMarks::sources() const {
  std::vector<std::string> names;
  for (const auto& [name, source] : sources_) names.push_back(name);
  return names;
}

void WindowMarks::save(StateWriter& out) const {
  out.put_u64(read_until_.size());
  for (const TimeUs until : read_until_) out.put_i64(until);
  out.put_u64(observed_);
  out.put_u64(sources_.size());
  for (const auto& [name, source] : sources_) {
    out.put_text(name);
    out.put_u64(source.heard);
    out.put_i64(source.first);
    for (const Mark& mark : source.marks) {
      for (const TimeUs time : {mark.last.newest, mark.last.received, mark.before.newest,
                                mark.before.received, mark.heard, mark.behind_since, mark.watermark})
        out.put_i64(time);
    }
  }
}

bool WindowMarks::load(StateReader& in) {
  if (in.u64() != read_until_.size()) return false;
  bool sound = true;
  const auto take = [&](TimeUs& time) {
    time = in.i64();
    sound = sound && plausible(time);
  };
  for (TimeUs& until : read_until_) take(until);
  observed_ = in.u64();
  const auto sources = in.count(20);
  if (sources > kSourcesLoadedMax) return false;
  for (std::uint64_t i = 0; i < sources && in.ok(); ++i) {
    Source& source = sources_[std::string(in.text())];
    source.heard = in.u64();
    take(source.first);
    source.marks.resize(read_until_.size());
    for (Mark& mark : source.marks) {
      for (TimeUs* time : {&mark.last.newest, &mark.last.received, &mark.before.newest, &mark.before.received,
                           &mark.heard, &mark.behind_since, &mark.watermark})
        take(*time);
    }
  }
  return in.ok() && sound;
}

}  // namespace millrace
