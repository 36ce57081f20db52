#pragma once

#include <cassert>
#include <map>
#include <set>
#include <utility>

#include "stream/window.h"
#include "stream/window_slice.h"

namespace millrace {

/// Counts keyed events in fixed or sliding windows of event time.
///
/// A window is *open* until the watermark reaches its end. Then one pane per key that has events is emitted,
/// on time. A later event makes a late pane at once, until the watermark reaches end + allowed lateness; from
/// then on it is handed to `on_too_late`. (Apache Beam's default trigger; docs/streams.md.)
///
/// The order of panes depends on nothing but the events and watermarks: windows by their end, keys in the
/// order in which they came. One thread.
template <Accumulator Value>
class WindowOperator {
 public:
  using Input = typename Value::Input;
  using Event = WindowEvent<Input>;
  using Sink = PaneSink<Value>;

  /// Needs options that `validate` accepts, of fixed or sliding windows. `use` must outlive the operator.
  WindowOperator(const WindowOptions& options, StateUse& use)
      : options_(options), grid_(options.spec), use_(use) {}
  WindowOperator(const WindowOperator&) = delete;
  WindowOperator& operator=(const WindowOperator&) = delete;
  ~WindowOperator() {
    while (!slices_.empty()) drop_slice(slices_.begin());
  }

  /// Add one event to all its windows, judged by the watermark of the last `advance`.
  void add(const Event& event, Sink& sink) {
    const TimeUs start = grid_.slice_start(event.time);
    const Window first = grid_.first_window(start);
    if (first.end > watermark_) {
      add_to_slice(start, event);
    } else {
      add_late(start, first, event, sink);
    }
  }

  /// Move the watermark on and emit the windows whose end it reached. It never moves back.
  void advance(TimeUs watermark, Sink& sink) {
    if (watermark <= watermark_) return;
    watermark_ = watermark;
    if (watermark < next_) return;
    while (!ends_.empty() && *ends_.begin() <= watermark) {
      emit_on_time(grid_.ending_at(*ends_.begin()), sink);
      ends_.erase(ends_.begin());
    }
    while (!slices_.empty() && expiry_of(slices_.begin()->first) <= watermark) drop_slice(slices_.begin());
    find_next();
  }

  /// Return the watermark at which the next window ends, `kAfterAllTime` when none is open.
  TimeUs next_due() const { return ends_.empty() ? kAfterAllTime : *ends_.begin(); }

  /// Return where the oldest state begins, `kAfterAllTime` without any.
  TimeUs oldest() { return slices_.empty() ? kAfterAllTime : slices_.begin()->first; }

  /// Make room: emit what the oldest slice adds to windows that are still open, early, and forget it. Return
  /// the number of entries given up. With kAccumulate the windows around it that have ended take no late
  /// events any more: a pane without what was forgotten could not take the place of the one before.
  std::size_t evict_oldest(Sink& sink) {
    if (slices_.empty()) return 0;
    const auto& [start, slice] = *slices_.begin();
    const Window last = grid_.last_window(start);
    for (Window window = grid_.first_window(start); window.end <= last.end; window = after(window)) {
      if (window.end > watermark_) emit_all(slice, window, PaneTiming::kEarly, sink);
    }
    const std::size_t entries = slice.entries().size();
    if (keeps()) final_until_ = std::max(final_until_, std::min(watermark_, last.end));
    drop_slice(slices_.begin());
    return entries;
  }

  void save(StateWriter& out) const {
    out.put_i64(watermark_);
    out.put_i64(final_until_);
    out.put_u64(slices_.size());
    for (const auto& [start, slice] : slices_) {
      out.put_i64(start);
      out.put_u64(slice.entries().size());
      for (const auto& entry : slice.entries()) {
        out.put_text(slice.key(entry));
        out.put_u64(entry.last_offset.value());
        entry.value.encode(out);
      }
    }
  }

  /// Take over what `save` wrote; false when it is damaged. Needs an operator that has seen nothing.
  bool load(StateReader& in) {
    watermark_ = in.i64();
    final_until_ = in.i64();
    const auto slices = in.count(sizeof(TimeUs) + sizeof(std::uint64_t));
    for (std::uint64_t i = 0; i < slices && in.ok(); ++i) {
      const TimeUs start = in.i64();
      if (start < kTimeMin - kWindowSpanMax || start > kTimeMax || start != grid_.slice_start(start))
        return false;
      if (!load_slice(open_slice(start), in)) return false;
    }
    find_next();
    return in.ok();
  }

 private:
  using Slice = WindowSlice<Value>;
  using Slices = std::map<TimeUs, Slice>;

  Window after(const Window& window) const {
    return {window.start + grid_.period(), window.end + grid_.period()};
  }

  /// Return when the last window of a slice no longer needs it.
  TimeUs expiry_of(TimeUs slice_start) const {
    return grid_.last_window(slice_start).end + (keeps() ? options_.allowed_lateness : 0);
  }

  bool keeps() const { return options_.accumulation == Accumulation::kAccumulate; }

  bool takes_late(const Window& window) const {
    return window.end + options_.allowed_lateness > watermark_ && window.end > final_until_;
  }

  void add_to_slice(TimeUs start, const Event& event) {
    Slice& slice = recent_ != nullptr && recent_start_ == start ? *recent_ : open_slice(start);
    const std::size_t known = slice.entries().size();
    auto& entry = slice.at(event.key, Slice::hash_of(event.key));
    const bool is_new = slice.entries().size() != known;
    const std::size_t bytes_before = is_new ? 0 : Slice::bytes_of(entry);
    entry.value.add(event.input);
    entry.last_offset = std::max(entry.last_offset, event.offset);
    use_.entries += is_new ? 1 : 0;
    use_.bytes += Slice::bytes_of(entry) - bytes_before;
  }

  Slice& open_slice(TimeUs start) {
    const auto [at, is_new] = slices_.try_emplace(start);
    if (is_new) note_ends(start);
    recent_ = &at->second;
    recent_start_ = start;
    return at->second;
  }

  void note_ends(TimeUs start) {
    const Window last = grid_.last_window(start);
    for (Window window = grid_.first_window(start); window.end <= last.end; window = after(window)) {
      if (window.end > watermark_) ends_.insert(window.end);
    }
    find_next();
  }

  void add_late(TimeUs start, const Window& first, const Event& event, Sink& sink) {
    const Window last = grid_.last_window(start);
    if (expiry_of(start) > watermark_ && last.end > final_until_) add_to_slice(start, event);
    for (Window window = first; window.end <= std::min(last.end, watermark_); window = after(window)) {
      if (takes_late(window)) {
        emit_late(window, event, sink);
      } else {
        ++use_.too_late;
        sink.on_too_late(event, window);
      }
    }
  }

  void emit_late(const Window& window, const Event& event, Sink& sink) {
    Value value;
    Offset last_offset = event.offset;
    if (options_.accumulation == Accumulation::kDiscard) {
      value.add(event.input);
    } else {
      const auto hash = Slice::hash_of(event.key);
      for (auto at = slices_.lower_bound(window.start); at != slices_.end() && at->first < window.end; ++at) {
        const auto* entry = at->second.find(event.key, hash);
        if (entry == nullptr) continue;
        value.merge(entry->value);
        last_offset = std::max(last_offset, entry->last_offset);
      }
    }
    sink.on_pane({event.key, window, PaneTiming::kLate, value, last_offset});
  }

  void emit_on_time(const Window& window, Sink& sink) {
    const auto first = slices_.lower_bound(window.start);
    const auto end = slices_.lower_bound(window.end);
    if (first == end) return;
    if (std::next(first) == end) return emit_all(first->second, window, PaneTiming::kOnTime, sink);
    Slice whole;
    for (auto at = first; at != end; ++at) whole.merge(at->second);
    emit_all(whole, window, PaneTiming::kOnTime, sink);
  }

  static void emit_all(const Slice& slice, const Window& window, PaneTiming timing, Sink& sink) {
    for (const auto& entry : slice.entries()) {
      sink.on_pane({slice.key(entry), window, timing, entry.value, entry.last_offset});
    }
  }

  void drop_slice(typename Slices::iterator at) {
    for (const auto& entry : at->second.entries()) use_.bytes -= Slice::bytes_of(entry);
    use_.entries -= at->second.entries().size();
    recent_ = nullptr;
    slices_.erase(at);
  }

  bool load_slice(Slice& slice, StateReader& in) {
    const auto entries = in.count(sizeof(std::uint32_t) + sizeof(std::uint64_t));
    for (std::uint64_t i = 0; i < entries; ++i) {
      const std::string_view key = in.text();
      auto& entry = slice.at(key, Slice::hash_of(key));
      if (slice.entries().size() != i + 1) return false;  // a key twice
      entry.last_offset = Offset(in.u64());
      const bool whole = entry.value.decode(in) && in.ok();
      ++use_.entries;
      use_.bytes += Slice::bytes_of(entry);
      if (!whole) return false;
    }
    return in.ok();
  }

  /// Note the watermark at which `advance` next has something to do.
  void find_next() {
    next_ = std::min(next_due(), slices_.empty() ? kAfterAllTime : expiry_of(slices_.begin()->first));
  }

  const WindowOptions options_;
  const WindowGrid grid_;
  StateUse& use_;
  TimeUs watermark_ = kBeforeAllTime;
  TimeUs final_until_ = kBeforeAllTime;  ///< windows that end by then and were emitted take no more
  TimeUs next_ = kAfterAllTime;
  Slices slices_;
  std::set<TimeUs> ends_;  ///< of open windows that hold something
  Slice* recent_ = nullptr;
  TimeUs recent_start_ = 0;
};

}  // namespace millrace
