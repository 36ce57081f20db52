#include "stream/watermark.h"

#include <algorithm>

namespace millrace {

std::optional<Watermarks::Slot> Watermarks::find(std::string_view source) {
  if (recent_ < sources_.size() && sources_[recent_].heard != 0 && sources_[recent_].name == source)
    return recent_;
  const auto found = slots_.find(source);
  if (found == slots_.end()) return std::nullopt;
  return recent_ = found->second;
}

Watermarks::Seen Watermarks::observe(std::string_view source, SourceKind kind, TimeUs event_time,
                                     TimeUs received_time) {
  const auto known = find(source);
  const Seen seen = known ? Seen{*known} : join(source, kind);
  Source& of = sources_[seen.slot];
  of.heard = ++events_;
  const TimeUs time = std::min(event_time, received_time);
  if (known && time <= of.newest) return seen;
  const TimeUs before = of.watermark;
  of.newest = time;
  of.received = received_time;
  of.watermark = std::max(before, time - disorder(of));
  // Only the source that is furthest behind can move the least.
  if (before <= combined_ || !known) find_combined();
  return seen;
}

Watermarks::Seen Watermarks::join(std::string_view source, SourceKind kind) {
  Seen seen;
  const auto free = std::ranges::find(sources_, std::uint64_t{0}, &Source::heard);
  if (free != sources_.end()) {
    seen.slot = static_cast<Slot>(free - sources_.begin());
  } else if (sources_.size() < options_.sources_max) {
    seen.slot = static_cast<Slot>(sources_.size());
    sources_.emplace_back();
  } else {
    seen = {slot_to_fold(), true};
    slots_.erase(sources_[seen.slot].name);
  }
  sources_[seen.slot] = {.name = std::string(source), .kind = kind, .watermark = kBeforeAllTime};
  slots_.emplace(source, seen.slot);
  return seen;
}

/// Return the slot of the source not heard of for longest.
Watermarks::Slot Watermarks::slot_to_fold() const {
  return static_cast<Slot>(std::ranges::min_element(sources_, {}, &Source::heard) - sources_.begin());
}

std::optional<Watermarks::Slot> Watermarks::close(std::string_view source) {
  const auto slot = find(source);
  if (!slot) return std::nullopt;
  slots_.erase(sources_[*slot].name);
  sources_[*slot] = {.watermark = kBeforeAllTime};
  find_combined();
  return slot;
}

void Watermarks::find_combined() {
  std::optional<TimeUs> least;
  for (const Source& source : sources_) {
    if (source.heard != 0) least = std::min(least.value_or(kAfterAllTime), source.watermark);
  }
  // Without sources nothing is known of what may still come: it stays.
  if (least) combined_ = std::max(combined_, *least);
}

TimeUs Watermarks::if_caught_up(Slot slot, TimeUs now) const {
  if (slot >= sources_.size()) return kBeforeAllTime;
  const Source& source = sources_[slot];
  const DurationUs silent = std::max<DurationUs>(0, now - source.received);
  return std::max(source.watermark, source.newest + silent - disorder(source));
}

TimeUs Watermarks::combined_if_caught_up(TimeUs now) const {
  std::optional<TimeUs> least;
  for (const Slot slot : slots()) least = std::min(least.value_or(kAfterAllTime), if_caught_up(slot, now));
  return std::max(combined_, least.value_or(now - options_.disorder_live));
}

void Watermarks::caught_up(TimeUs now) {
  combined_ = combined_if_caught_up(now);
  for (const Slot slot : slots()) sources_[slot].watermark = if_caught_up(slot, now);
}

std::vector<Watermarks::Slot> Watermarks::slots() const {
  std::vector<Slot> used;
  for (Slot slot = 0; slot < sources_.size(); ++slot) {
    if (sources_[slot].heard != 0) used.push_back(slot);
  }
  return used;
}

void Watermarks::save(StateWriter& out) const {
  out.put_u64(events_);
  out.put_i64(combined_);
  out.put_u64(sources_.size());
  for (const Source& source : sources_) {
    out.put_text(source.name);
    out.put_u32(static_cast<std::uint32_t>(source.kind));
    out.put_i64(source.newest);
    out.put_i64(source.received);
    out.put_i64(source.watermark);
    out.put_u64(source.heard);
  }
}

namespace {

bool plausible(TimeUs time) {
  return kBeforeAllTime <= time && time <= kAfterAllTime;
}

}  // namespace

bool Watermarks::load(StateReader& in) {
  constexpr std::size_t kSourceBytesMin = 40;
  events_ = in.u64();
  combined_ = in.i64();
  const auto sources = in.count(kSourceBytesMin);
  if (sources > options_.sources_max) return false;
  for (Slot slot = 0; slot < sources && in.ok(); ++slot) {
    Source& source = sources_.emplace_back();
    source.name = in.text();
    source.kind = in.u32() == 0 ? SourceKind::kLive : SourceKind::kRun;
    source.newest = in.i64();
    source.received = in.i64();
    source.watermark = in.i64();
    source.heard = in.u64();
    if (!plausible(source.newest) || !plausible(source.received) || !plausible(source.watermark))
      return false;
    if (source.heard != 0 && !slots_.emplace(source.name, slot).second) return false;
  }
  return in.ok() && plausible(combined_);
}

}  // namespace millrace
