#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stream/state_snapshot_bytes.h"
#include "stream/window.h"

namespace millrace {

enum class SourceKind : std::uint8_t {
  kLive,  ///< goes on for good: a write key, "web"
  kRun,   ///< an ingest run: has an end, which `close` tells
};

struct WatermarkOptions {
  DurationUs disorder_live = 10 * kSecondUs;  ///< events of a live source are at most so much out of order …
  DurationUs disorder_run = kDayUs;           ///< … those of a file, often sorted by something else, so much
  std::size_t sources_max = 64;  ///< per partition; beyond it the one not heard of for longest is folded
};

/// How far each source of one partition has come in event time: a watermark of T says that all events before
/// T are believed to have come. It is the newest event time seen minus the allowed disorder, and never goes
/// back.
///
/// An event from the future (a wrong clock) counts as of when it was received, or it would make all others
/// late.
///
/// *Idle.* A source that falls silent would hold windows open for good. When the job has read everything and
/// its poll came back empty, it calls `caught_up`, and each source's time goes on at the pace of the wall
/// clock from where its newest event left it: newest + (now − when that was received) − disorder. For live
/// traffic that is the wall clock minus delay and disorder; for history streamed as if it were live it does
/// not leap to the present, which would make all the rest of it late. There is no timer: with records unread
/// nothing moves.
///
/// One thread. All depends on the calls alone, so replaying them decides the same.
class Watermarks {
 public:
  using Slot = std::uint32_t;

  struct Seen {
    Slot slot = 0;        ///< of the source, until it is closed or folded
    bool folded = false;  ///< the slot was another source's until now, which has been folded
  };

  explicit Watermarks(const WatermarkOptions& options) : options_(options) {}

  /// Note an event of `source` (at most `sources_max` are told apart).
  Seen observe(std::string_view source, SourceKind kind, TimeUs event_time, TimeUs received_time);

  /// Note that `source` has ended: it holds nothing back any more. Return the slot that is now free, if it
  /// had one. Should the source be heard of again, it begins anew.
  std::optional<Slot> close(std::string_view source);

  /// Note that everything has been read and a poll at `now` came back empty.
  void caught_up(TimeUs now);

  /// Return what `caught_up` would make of the watermark of a slot.
  TimeUs if_caught_up(Slot slot, TimeUs now) const;

  /// Return the watermark of a source; `kBeforeAllTime` for a slot without one.
  TimeUs of(Slot slot) const { return slot < sources_.size() ? sources_[slot].watermark : kBeforeAllTime; }

  /// Return the least of all sources' watermarks: no source is believed to be behind it. It never goes back,
  /// so events of a source that joins with older times are late by it; who wants each source judged by itself
  /// uses `of` (WatermarkScope in stream/window_partition.h).
  TimeUs combined() const { return combined_; }
  TimeUs combined_if_caught_up(TimeUs now) const;

  /// Return the slots in use, in order.
  std::vector<Slot> slots() const;

  void save(StateWriter& out) const;
  /// Take over what `save` wrote; false when it is damaged.
  bool load(StateReader& in);

 private:
  struct Source {
    std::string name;
    SourceKind kind = SourceKind::kLive;
    TimeUs newest = 0;
    TimeUs received = 0;  ///< when the newest event was
    TimeUs watermark = 0;
    std::uint64_t heard = 0;  ///< number of the last event; 0: the slot is free
  };

  DurationUs disorder(const Source& source) const {
    return source.kind == SourceKind::kRun ? options_.disorder_run : options_.disorder_live;
  }
  std::optional<Slot> find(std::string_view source);
  Seen join(std::string_view source, SourceKind kind);
  Slot slot_to_fold() const;
  void find_combined();

  const WatermarkOptions options_;
  std::vector<Source> sources_;  ///< by slot
  std::map<std::string, Slot, std::less<>> slots_;
  Slot recent_ = 0;
  std::uint64_t events_ = 0;
  TimeUs combined_ = kBeforeAllTime;
};

}  // namespace millrace
