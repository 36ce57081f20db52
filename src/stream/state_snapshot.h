#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace {

/// What a job keeps in memory, as of certain offsets. Bytes on disk: docs/formats/state-snapshot.md.
///
/// A snapshot is only ever a shortcut: what it holds can be had again by replaying the log. So a job
///
/// 1. commits its output with the offset to read on from, and what the wall clock decided since the last
/// snapshot
///    (IdleAdvance), in one transaction;
/// 2. now and then writes a snapshot of its state as of an offset *already committed*;
/// 3. after a start, takes the snapshot that `usable_snapshot` gives, or begins with nothing at the log's
/// start, and
///    applies the log from there to the committed offset with its output thrown away: it has been written
///    before. Then the state is what it was at the commit, and the job goes on.
///
/// Which holds as long as the state is a function of the records and the kept decisions alone.
struct StateSnapshot {
  std::string job;
  std::uint32_t state_version = 0;           ///< of the payload's meaning: raised by whoever changes that
  std::map<TopicPartition, Offset> offsets;  ///< the state holds all records before these, and no others
  std::string payload;

  bool operator==(const StateSnapshot&) const = default;
};

std::string encode_snapshot(const StateSnapshot& snapshot);

/// Errors: kCorrupt when any bit is not as it was written; kInvalid for a format of another version.
Result<StateSnapshot> decode_snapshot(std::string_view bytes);

/// Replace the file at `path`, whole or not at all, also through a loss of power (`write_file_atomically`).
/// Errors: those of Env.
Status write_snapshot(Env& env, const Path& path, const StateSnapshot& snapshot);

/// Return the snapshot at `path` when it is whole, is of this job and version, and no offset in it lies
/// beyond what is committed. Otherwise nothing, and a line in the log tells why (but for a file that is
/// simply not there): the caller rebuilds by replay.
std::optional<StateSnapshot> usable_snapshot(Env& env, const Path& path, std::string_view job,
                                             std::uint32_t state_version,
                                             const std::map<TopicPartition, Offset>& committed);

}  // namespace millrace
