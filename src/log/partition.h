#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/env.h"
#include "base/metrics.h"
#include "log/event_log.h"
#include "log/problem.h"
#include "log/segment.h"
#include "log/segment_reader.h"

namespace millrace::log {

/// One partition: its segments, of which the last grows. Files and rules: docs/formats/log.md.
/// Threads: `write`, `publish` and `abandon` only on the committer that owns the partition, `upkeep` and
/// `remove_oldest` only on the upkeep thread, the rest anywhere.
class Partition {
 public:
  struct Options {
    std::uint64_t segment_bytes = 64 << 20;
    std::uint64_t end_floor = 0;  ///< some group has read up to here: never use a lower offset again
    bool must_exist = false;      ///< having no segment is a problem
  };

  /// Open the partition in `dir`, which is made when absent; recover its last segment.
  /// Errors: kIo, kNoSpace, kDenied.
  static Result<std::unique_ptr<Partition>> open(Env& env, const Path& dir, const TopicPartition& name,
                                                 const Options& options, ProblemList& problems);

  /// Write `frames` behind each other with one write and give them offsets; not yet visible.
  /// When it fails call `abandon`.
  Status write(std::span<EncodedFrame* const> frames);

  Status sync() { return active_->sync(); }

  /// Make what was written and synced visible to readers. Return the first offset of each frame.
  std::vector<Offset> publish();

  /// Take back what was written and not published.
  Status abandon();

  /// Write a seal, so that damage to what is in the file now cannot be taken for a torn tail, and the
  /// index. Only when no committer runs any more.
  Status seal();

  Result<RecordBatch> read(Offset from, const ReadLimits& limits);
  Result<Offset> offset_at_time(TimeUs time);
  PartitionStats stats() const;
  std::uint64_t bytes() const { return bytes_; }

  /// Wake readers that wait; none waits from now on.
  void stop_waiting();

  /// Prepare space ahead, close and index the segments that are full.
  Status upkeep();
  bool wants_upkeep() const { return wants_upkeep_; }

  /// What retention asks: the oldest segment, unless it is the only one.
  struct Oldest {
    std::uint64_t end_offset = 0;
    std::uint64_t bytes = 0;
    TimeUs newest = 0;
  };
  std::optional<Oldest> oldest_closed() const;

  /// Remove the oldest segment, durably.
  Status remove_oldest();

  void set_segment_bytes(std::uint64_t bytes) { segment_bytes_ = bytes; }

  const TopicPartition& name() const { return name_; }

 private:
  struct Written {
    std::uint64_t position = 0;
    FrameHeader header;
  };
  struct Hint {
    std::uint64_t segment_base = 0;
    ReadPosition at;
  };

  Partition(Env& env, Path dir, TopicPartition name, const Options& options, ProblemList& problems);

  // Opening, in partition_open.cc.
  Status load(const Options& options);
  Result<std::shared_ptr<Segment>> load_segment(std::uint64_t base, std::optional<std::uint64_t> next_base);
  Result<SegmentSummary> read_start(const Path& path, const File& file, std::uint64_t base);
  SegmentSummary read_checkpoint(const Path& path, const File& file, const SegmentSummary& start);
  Status recover(Segment& segment, std::optional<std::uint64_t> next_base, const SegmentSummary& start);
  Status rewrite(Segment& segment, std::uint64_t from, std::uint64_t to);
  void check_end(const Options& options);
  void report(const Path& path, std::uint64_t from, std::uint64_t to, std::string what);

  Status write_each(std::span<EncodedFrame* const> frames);
  Status write_together(std::span<EncodedFrame* const> frames, std::size_t bytes);
  void place(std::span<EncodedFrame* const> frames);
  Status roll();
  Result<std::shared_ptr<Segment>> take_spare();
  Status write_index(Segment& segment);
  Status close_full_segments();
  Status make_spare_in_time();
  bool writes_are_large() const;
  std::uint64_t prepare_target() const;
  bool lags_behind() const;

  std::shared_ptr<Segment> find_segment(std::uint64_t offset) const;
  ReadPosition find_position(const Segment& segment, std::uint64_t offset) const;
  Result<RecordBatch> read_found(std::unique_lock<std::mutex>& lock, std::uint64_t from,
                                 const ReadLimits& limits);

  Env& env_;
  const Path dir_;
  const TopicPartition name_;
  ProblemList& problems_;
  std::atomic<std::uint64_t> segment_bytes_;

  // The committer's.
  std::shared_ptr<Segment> active_;
  std::vector<Written> written_;
  std::unique_ptr<char[]> group_;  ///< frames that go into one write
  std::size_t group_bytes_max_ = 0;
  std::uint64_t write_position_ = 0;
  bool sealed_ = false;

  mutable std::mutex mutex_;
  std::condition_variable appended_;
  std::vector<std::shared_ptr<Segment>> segments_;  ///< guarded by mutex_, as are the next
  std::uint64_t end_ = 0;
  bool stopped_waiting_ = false;
  std::array<Hint, 16> hints_;  ///< where recent reads ended, since most reads go on from there
  std::size_t next_hint_ = 0;
  std::uint64_t lost_end_ = 0;     ///< one past the records that an index knew and the file has lost
  std::uint64_t group_bytes_ = 0;  ///< of the last write
  std::size_t closed_ = 0;         ///< how many of the oldest segments are cut to size and indexed
  std::uint64_t checkpoint_bytes_ = 0;

  std::mutex spare_mutex_;
  std::shared_ptr<Segment> spare_;  ///< guarded by spare_mutex_

  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> wants_upkeep_ = false;
  prometheus::Gauge& end_gauge_;
};

}  // namespace millrace::log
