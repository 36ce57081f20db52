#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "warehouse/duplicate_filter.h"

namespace millrace {

/// What a run says of itself.
struct IdRunFacts {
  std::uint64_t sequence = 0;  ///< runs are numbered in the order in which they were made
  std::uint64_t ids = 0;
  TimeUs oldest = 0;                 ///< received
  TimeUs newest = 0;                 ///< received
  TimeUs complete_since = kTimeMin;  ///< ids received before may have been forgotten for want of room
  /// By partition: all ids of the events before these offsets are in this run or in those before it, or were
  /// forgotten. Empty for one that was made while ids were still being gathered.
  std::map<TopicPartition, Offset> positions;

  bool operator==(const IdRunFacts&) const = default;
};

/// What a filter has to hold of an id; made once for many runs.
struct IdProbe {
  explicit IdProbe(const Hash128& of) : id(of) {
    for (unsigned i = 0; i < bits.size(); ++i) bits[i] = 1ull << ((id.low >> (6 * i)) & 63);
  }
  Hash128 id;
  std::array<std::uint64_t, 8> bits;  ///< one of each word of a filter's block
};

/// Ids of messages in one file that never changes, sorted, found with one read of 4 KB at most; a new id
/// nearly always (999 of 1,000) without any. Bytes on disk: docs/formats/message-ids.md. In memory: about
/// 2.05 bytes an id. Threads: one at a time.
class IdRun {
 public:
  /// Write `ids`, which are sorted, whole or not at all, also through a loss of power. `facts.ids`, `oldest`
  /// and `newest` are set from them. Errors: kNoSpace, kIo.
  static Status write(Env& env, const Path& path, IdRunFacts facts, std::span<const KnownId> ids);

  /// Errors: kCorrupt for what is not whole or has another version; kNotFound, kIo.
  static Result<IdRun> open(Env& env, const Path& path);

  const IdRunFacts& facts() const { return facts_; }
  const Path& path() const { return path_; }
  std::size_t memory_bytes() const;

  /// Have what `may_hold` needs brought near to the processor.
  void prefetch(const Hash128& id) const { __builtin_prefetch(&filter_[filter_block(id)]); }
  /// Return false when the run surely has not the id.
  bool may_hold(const IdProbe& probe) const {
    const FilterBlock& block = filter_[filter_block(probe.id)];
    std::uint64_t missing = 0;
    for (unsigned i = 0; i < block.size(); ++i) missing |= ~block[i] & probe.bits[i];
    return missing == 0;
  }
  /// Return whether the run has the id with a time in [from, to]. Errors: kCorrupt, kIo.
  Result<bool> holds(const Hash128& id, TimeUs from, TimeUs to) const;

 private:
  using FilterBlock = std::array<std::uint64_t, 8>;

  IdRun(Path path, std::unique_ptr<File> file) : path_(std::move(path)), file_(std::move(file)) {}
  Status read_index();
  std::size_t filter_block(const Hash128& id) const { return ((id.high >> 32) * filter_.size()) >> 32; }

  Path path_;
  std::unique_ptr<File> file_;
  IdRunFacts facts_;
  std::vector<std::uint64_t> fences_;  ///< `high` of the first id of each block
  std::vector<FilterBlock> filter_;
};

}  // namespace millrace
