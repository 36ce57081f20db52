#pragma once

#include <cstdint>
#include <optional>

#include "base/env.h"
#include "log/problem.h"
#include "log/sparse_index.h"

namespace millrace::log {

/// What is known about a segment before its bytes are read.
struct RecoveryInput {
  const File& file;
  Path path;
  SegmentSummary start;                ///< from the segment's header, or a checkpoint further on
  std::uint64_t durable_end = 0;       ///< records below it are known to have been durable
  std::uint64_t end_max = UINT64_MAX;  ///< no record at or above it belongs here: the next segment's base
};

struct Recovery {
  SegmentSummary summary;
  /// Frames from here to `summary.used_bytes` are whole but perhaps nobody ever synced them.
  std::uint64_t proven_bytes = 0;
  /// One past the last byte of a torn tail; at most `summary.used_bytes` when there is none.
  std::uint64_t torn_end = 0;
  bool sealed = false;  ///< the last frame is a seal
};

/// Read the frames that follow `input.start` and decide what of them stays (docs/formats/log.md, Recovery).
///
/// The first bytes that make no whole frame are either damage to something durable or the torn end of an
/// append that nobody was told had succeeded. Each frame says what was durable when it was written: when
/// a later one says so of the bad place, it is damage, which is reported to `problems` and stays, to be
/// skipped by readers. Otherwise everything from there on is to be cut.
/// Errors: kIo.
Result<Recovery> recover_segment(const RecoveryInput& input, ProblemList& problems);

/// Return the first frame's header, for a segment whose own header is damaged: it tells the id.
std::optional<FrameHeader> first_frame_of(const File& file);

/// Return the places of damaged records of a frame whose header is good.
std::vector<LogProblem> damaged_records(const FrameHeader& header, std::string_view frame, const Path& path,
                                        std::uint64_t position);

inline constexpr std::string_view kDamagedRecord =
    "a record is damaged and will be skipped: check the disk, restore the file from a backup if there is one";
inline constexpr std::string_view kDamagedFrame =
    "records are damaged and will be skipped: check the disk, restore the file from a backup if there is one";

}  // namespace millrace::log
