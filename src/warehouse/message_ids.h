#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "warehouse/duplicate_filter.h"
#include "warehouse/id_run.h"

namespace millrace {

struct MessageIdsOptions {
  DurationUs window = kDayUs;        ///< of received time, in which an id counts once
  std::size_t ids_max = 50'000'000;  ///< remembered in all, in memory and on disk; beyond it the oldest go
  /// The youngest ones, in memory; beyond it all of them go to a run on disk. Not less than 1/60 of
  /// `ids_max`.
  std::size_t young_max = 1'000'000;
  std::uint64_t spare_bytes = 128 << 20;  ///< of the disk, which are left to others
};

/// Remembers which messages came within the window: the youngest in memory, older ones in runs on disk
/// (warehouse/id_run.h). The truth is the warehouse: runs hold only what was committed there, say up to
/// where, and are thrown away when they do not fit it. Never takes a new id for a known one. Threads: one at
/// a time.
class MessageIds {
 public:
  using Positions = std::map<TopicPartition, Offset>;

  /// So many ids ahead `prefetch` pays.
  static constexpr std::size_t kAhead = 8;

  /// `env` must outlive it; `dir` is its own. An empty one: nothing goes to disk.
  MessageIds(Env& env, Path dir, const MessageIdsOptions& options);

  /// Take the runs of `dir`, as far as the warehouse has `committed` what is in them. Return from where on
  /// the ids of each partition have to be read from the warehouse and given to `restore`; a partition that is
  /// not named: all of them within the window. Then call `restored`. Errors: those of writing.
  Result<Positions> open(const Positions& committed);
  void restore(const Hash128& id, TimeUs time);
  void restored(const Positions& committed);

  /// Return whether `id` was received within the window of `time`; remember it if not.
  /// Errors: kIo when a run cannot be read: roll back, and `open` again.
  Result<bool> is_repeat(const Hash128& id, TimeUs time);
  /// The same, without remembering it. Errors: as `is_repeat`.
  Result<bool> knows(const Hash128& id, TimeUs time);
  /// Remember `id`, known or not.
  void add(const Hash128& id, TimeUs time) { young_.add(id, time); }
  /// Have what `is_repeat` needs brought near to the processor.
  void prefetch(const Hash128& id) const;

  /// Keep what was added since the last commit; the warehouse is at `committed`. Ids received before
  /// `horizon` may be forgotten. Goes on without a full disk: fewer are remembered.
  void commit(TimeUs horizon, const Positions& committed);
  void rollback() { young_.rollback(); }

  /// Return whether a run turned out to be damaged.
  bool damaged() const { return damaged_; }

  std::size_t size() const { return young_.size() + run_ids_; }
  std::size_t runs() const { return runs_.size(); }
  std::size_t memory_bytes() const;
  std::uint64_t disk_bytes() const;

  /// Return how many ids were forgotten for want of room, before the horizon reached them.
  std::uint64_t forgotten_early() const { return forgotten_early_ + young_.forgotten_early(); }
  /// Return the time after which no id is missing; kTimeMin while none was forgotten early.
  TimeUs complete_since() const;

 private:
  Status open_runs(const Positions& committed);
  Result<std::vector<std::string>> run_files();
  Path path_of(std::uint64_t sequence) const;
  void move_to_run(const Positions& committed);
  Status write_run(const Positions& committed);
  Status check_room() const;
  void drop_oldest(bool early);
  void make_room();

  Env& env_;
  const Path dir_;
  const MessageIdsOptions options_;
  const bool on_disk_;  ///< not all fit into memory
  DuplicateFilter young_;
  std::deque<IdRun> runs_;  ///< oldest first
  std::size_t run_ids_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::size_t kept_ = 0;      ///< young ids at the last commit
  std::size_t patience_ = 0;  ///< ids to come before a run is tried again, after a failure
  std::size_t restored_ = 0;  ///< ids given to `restore`
  bool unfinished_ = false;   ///< runs were made while restoring
  bool damaged_ = false;
  std::uint64_t forgotten_early_ = 0;
  TimeUs complete_since_ = kTimeMin;
};

}  // namespace millrace
