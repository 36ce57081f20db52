#include "stream/window_marks.h"

#include <algorithm>
#include <set>

namespace millrace {

WindowMarks::WindowMarks(std::size_t partitions, const WatermarkOptions& options)
    : disorder_(options.disorder_live),
      watermarks_(partitions, Watermarks(options)),
      read_until_(partitions, kBeforeAllTime) {}

void WindowMarks::observe(const std::vector<SourceMark>& marks) {
  for (const SourceMark& mark : marks) {
    if (mark.partition >= watermarks_.size()) continue;
    watermarks_[mark.partition].observe(mark.source, SourceKind::kLive, mark.newest, mark.received);
    TimeUs& until = read_until_[mark.partition];
    until = std::max(until, mark.received_last);
  }
}

void WindowMarks::exhausted(std::size_t partition, TimeUs now) {
  read_until_[partition] = std::max(read_until_[partition], now);
}

void WindowMarks::settle() {
  for (std::size_t i = 0; i < watermarks_.size(); ++i) watermarks_[i].caught_up(read_until_[i]);
}

TimeUs WindowMarks::of(std::string_view source) const {
  TimeUs least = kAfterAllTime;
  Watermarks::Reached last{.newest = 0, .received = kBeforeAllTime, .watermark = 0};
  for (const Watermarks& one : watermarks_) {
    const auto reached = one.reached(source);
    if (!reached) continue;
    least = std::min(least, reached->watermark);
    if (reached->received > last.received) last = *reached;
  }
  if (least == kAfterAllTime) return kBeforeAllTime;
  for (std::size_t i = 0; i < watermarks_.size(); ++i) {
    if (watermarks_[i].reached(source)) continue;
    if (read_until_[i] == kBeforeAllTime) return kBeforeAllTime;
    least = std::min(least, last.newest + (read_until_[i] - last.received) - disorder_);
  }
  return least;
}

std::vector<std::string> WindowMarks::sources() const {
  std::set<std::string> names;
  for (const Watermarks& one : watermarks_) {
    for (std::string& name : one.sources()) names.insert(std::move(name));
  }
  return {names.begin(), names.end()};
}

void WindowMarks::save(StateWriter& out) const {
  out.put_u64(watermarks_.size());
  for (std::size_t i = 0; i < watermarks_.size(); ++i) {
    out.put_i64(read_until_[i]);
    watermarks_[i].save(out);
  }
}

bool WindowMarks::load(StateReader& in) {
  if (in.u64() != watermarks_.size()) return false;
  for (std::size_t i = 0; i < watermarks_.size(); ++i) {
    read_until_[i] = in.i64();
    if (read_until_[i] < kBeforeAllTime || read_until_[i] > kAfterAllTime) return false;
    if (!watermarks_[i].load(in)) return false;
  }
  return in.ok();
}

}  // namespace millrace
