#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "log/format.h"
#include "log/problem.h"

namespace millrace::log {

/// A place to read on: the start of a frame, or a record within the frame it names.
struct ReadPosition {
  std::uint64_t position = kSegmentHeaderBytes;
  std::uint64_t offset = 0;         ///< of the record there; at a frame's start, at most its base offset
  std::uint64_t frame_end = 0;      ///< position one past the frame, 0 at a frame's start
  std::uint64_t frame_base = 0;     ///< base offset and …
  std::uint32_t frame_records = 0;  ///< … number of records of that frame
};

/// The durable part of a segment, as it was when the read began.
struct SegmentView {
  const File& file;
  const Path& path;
  std::uint32_t segment_id = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t end_offset = 0;
};

struct SegmentRead {
  RecordBatch batch;  ///< empty only when the segment holds no readable record from there on
  ReadPosition next;  ///< of `batch.next`; only when that lies within the segment
  std::vector<LogProblem> damage;
};

/// Read the records from offset `from` on, beginning the search at `at`. Every record's checksum is
/// verified; a bad one is left out and listed as damage. One large read, no copies: the records are views
/// into the batch's bytes.
/// Errors: kIo.
Result<SegmentRead> read_segment(const SegmentView& segment, ReadPosition at, std::uint64_t from,
                                 const ReadLimits& limits);

}  // namespace millrace::log
