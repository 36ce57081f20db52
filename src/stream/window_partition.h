#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stream/session_operator.h"
#include "stream/watermark.h"
#include "stream/window_metrics.h"
#include "stream/window_operator.h"

namespace millrace {

/// By whose watermark an event is judged.
enum class WatermarkScope : std::uint8_t {
  kSource,  ///< its own source's; each source has windows of its own, whose panes add up. Loading old files
            ///< beside live traffic makes nothing late and holds nothing back.
  kPartition,  ///< the least of all sources', in common windows: one pane for all, as late as the last source
};

/// How much a job may hold for one partition.
struct StateLimits {
  std::uint64_t entries_max = 1'000'000;  ///< keys times windows (slices, sessions)
  std::uint64_t bytes_max = 256u << 20;   ///< about
};

struct PartitionWindowsOptions {
  WindowOptions windows;
  WatermarkOptions watermarks;
  StateLimits limits;
  WatermarkScope scope = WatermarkScope::kSource;
};

/// Where an event is from, and when it was.
struct EventOrigin {
  std::string_view source;
  SourceKind kind = SourceKind::kLive;
  TimeUs event_time = 0;
  TimeUs received_time = 0;
  Offset offset;
};

/// A step of the watermarks that the wall clock took, and where in the log. See docs/streams.md, Recovery.
struct IdleAdvance {
  std::uint64_t number = 0;  ///< counts up
  Offset before;             ///< it came before the record at or after this offset
  TimeUs now = 0;

  bool operator==(const IdleAdvance&) const = default;
};

/// All that a windowed job keeps for one partition: watermarks and the windows of `Operator` (WindowOperator
/// or SessionOperator), within limits. Beyond a limit the oldest window is emitted early and forgotten; in
/// kDiscard mode the panes still add up to the truth.
///
///     for (const Event& event : batch->events_from(cursor)) {
///       windows.begin_event({event.source, kind, event.event_time, event.received_time, event.log_offset},
///       sink); for (each key of the event) windows.add(key, input, sink);
///     }
///     if (batch is empty) if (auto idle = windows.caught_up(cursor, now, sink)) keep(*idle);
///
/// A function of its calls: the same calls give the same panes, also with `save` and `load` between any two
/// of them. So after a crash: load a snapshot, call again from its offset on with a sink that drops
/// everything up to the committed offset (the kept idle advances too, by `replay`), then go on. Which batches
/// the records come in does not matter. One thread.
template <class Operator>
class PartitionWindows {
 public:
  using Input = typename Operator::Input;
  using Sink = typename Operator::Sink;

  /// Needs options whose `windows` `validate` accepts. `job` labels the metrics.
  PartitionWindows(const PartitionWindowsOptions& options, std::string_view job)
      : options_(options), watermarks_(options.watermarks), metrics_(job) {}

  /// Take note of an event's time; emits what that completes. Every event, also one without a key, as all of
  /// them tell how far the source has come.
  void begin_event(const EventOrigin& origin, Sink& sink) {
    const auto seen =
        watermarks_.observe(origin.source, origin.kind, origin.event_time, origin.received_time);
    if (seen.folded) finish(seen.slot, sink);
    event_slot_ = by_source() ? seen.slot : 0;
    event_time_ = origin.event_time;
    event_offset_ = origin.offset;
    operator_at(event_slot_).advance(watermark_of(event_slot_), sink);
  }

  /// Count the event begun last under `key`.
  void add(std::string_view key, const Input& input, Sink& sink) {
    operators_[event_slot_]->add({key, event_time_, event_offset_, input}, sink);
    keep_limits(sink);
  }

  /// Take note of the marker that ends a source: its windows are emitted (kSource), or wait for it no more.
  void close(std::string_view source, Sink& sink) {
    const auto slot = watermarks_.close(source);
    if (slot) finish(*slot, sink);
    if (!by_source() && !operators_.empty()) operators_[0]->advance(watermarks_.combined(), sink);
  }

  /// Take note that everything before `next` was read and a poll at `now` came back empty. When that
  /// completes a window it is emitted, and the advance returned: keep it with the output, in the same
  /// transaction. Otherwise nothing changes.
  std::optional<IdleAdvance> caught_up(Offset next, TimeUs now, Sink& sink) {
    if (!completes_something(now)) return std::nullopt;
    const IdleAdvance advance{idle_number_ + 1, next, now};
    replay(advance, sink);
    return advance;
  }

  /// Advance once more as `caught_up` did; one that is part of the loaded state already changes nothing.
  void replay(const IdleAdvance& advance, Sink& sink) {
    if (advance.number <= idle_number_) return;
    idle_number_ = advance.number;
    watermarks_.caught_up(advance.now);
    for (Watermarks::Slot slot = 0; slot < operators_.size(); ++slot) {
      if (operators_[slot]) operators_[slot]->advance(watermark_of(slot), sink);
    }
  }

  /// Emit everything on time, as when all sources end: for a bounded run.
  void finish(Sink& sink) {
    for (Watermarks::Slot slot = 0; slot < operators_.size(); ++slot) {
      if (operators_[slot]) operators_[slot]->advance(kAfterAllTime, sink);
      operators_[slot].reset();
    }
  }

  /// Bring the metrics up to date: once a step.
  void publish_metrics() { metrics_.publish(use_, evicted_); }

  const Watermarks& watermarks() const { return watermarks_; }
  const StateUse& use() const { return use_; }
  std::uint64_t evicted() const { return evicted_; }

  void save(std::string& out) const {
    StateWriter writer(out);
    writer.put_u32(kLayout);
    save_options(options_.windows, writer);
    writer.put_u32(static_cast<std::uint32_t>(options_.scope));
    writer.put_u64(idle_number_);
    watermarks_.save(writer);
    for (const auto& one : operators_) {
      writer.put_u32(one ? kUsed : kUnused);
      if (one) one->save(writer);
    }
    writer.put_u32(kEnd);
  }

  /// Take over what `save` wrote; false when it is damaged or was made with other windows, and must be
  /// rebuilt in a new object. Needs one that has seen nothing.
  bool load(std::string_view bytes) {
    StateReader in(bytes);
    if (in.u32() != kLayout || !same_options(options_.windows, in)) return false;
    if (in.u32() != static_cast<std::uint32_t>(options_.scope)) return false;
    idle_number_ = in.u64();
    if (!watermarks_.load(in)) return false;
    std::uint32_t mark = in.u32();
    for (; mark != kEnd; mark = in.u32()) {
      if (!in.ok() || mark > kUsed || operators_.size() >= options_.watermarks.sources_max) return false;
      auto& one = operators_.emplace_back(mark == kUsed ? make_operator() : nullptr);
      if (one && !one->load(in)) return false;
    }
    return in.done();
  }

 private:
  static constexpr std::uint32_t kLayout = 2;
  static constexpr std::uint32_t kUnused = 0, kUsed = 1, kEnd = 2;

  bool by_source() const { return options_.scope == WatermarkScope::kSource; }

  TimeUs watermark_of(Watermarks::Slot slot) const {
    return by_source() ? watermarks_.of(slot) : watermarks_.combined();
  }

  std::unique_ptr<Operator> make_operator() { return std::make_unique<Operator>(options_.windows, use_); }

  Operator& operator_at(Watermarks::Slot slot) {
    if (slot >= operators_.size()) operators_.resize(slot + 1);
    if (!operators_[slot]) operators_[slot] = make_operator();
    return *operators_[slot];
  }

  /// Emit all windows of a source that has ended or is folded; in common windows there is nothing of its own.
  void finish(Watermarks::Slot slot, Sink& sink) {
    if (!by_source() || slot >= operators_.size() || !operators_[slot]) return;
    operators_[slot]->advance(kAfterAllTime, sink);
    operators_[slot].reset();
  }

  bool completes_something(TimeUs now) const {
    for (Watermarks::Slot slot = 0; slot < operators_.size(); ++slot) {
      if (!operators_[slot]) continue;
      const TimeUs then =
          by_source() ? watermarks_.if_caught_up(slot, now) : watermarks_.combined_if_caught_up(now);
      if (operators_[slot]->next_due() <= then) return true;
    }
    return false;
  }

  void keep_limits(Sink& sink) {
    while (use_.entries > options_.limits.entries_max || use_.bytes > options_.limits.bytes_max) {
      Operator* oldest = nullptr;
      for (const auto& one : operators_) {
        if (one && (oldest == nullptr || one->oldest() < oldest->oldest())) oldest = one.get();
      }
      const std::size_t entries = oldest->evict_oldest(sink);
      if (entries == 0) return;
      evicted_ += entries;
    }
  }

  const PartitionWindowsOptions options_;
  Watermarks watermarks_;
  StateUse use_;
  std::vector<std::unique_ptr<Operator>> operators_;  ///< by slot of the source; kPartition: one
  Watermarks::Slot event_slot_ = 0;
  TimeUs event_time_ = 0;
  Offset event_offset_;
  std::uint64_t idle_number_ = 0;
  std::uint64_t evicted_ = 0;
  WindowMetrics metrics_;
};

}  // namespace millrace
