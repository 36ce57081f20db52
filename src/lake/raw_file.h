#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lake/manifest.h"
#include "lake/zstd_frames.h"
#include "log/event_log.h"

namespace millrace {

// Files of the raw zone: the values of records, one a line, and beside each a twin that holds, line for line,
// everything else. Layout: docs/formats/lake.md.

inline constexpr std::string_view kRawZone = "raw";

/// Return the dataset that holds the twins of `dataset`.
std::string twin_dataset(std::string_view dataset);

/// Return where the twin of a data file stands in the lake.
std::string twin_key(const LakeFile& data);

/// Return the path of the hour that `hour` (hours since 1970 UTC) is: "year=2026/month=07/day=01/hour=09".
std::string hour_path(std::int64_t hour);

/// Return the hour of a path, or nothing when it is none.
std::optional<std::int64_t> hour_of_path(std::string_view path);

/// An object ready to be put, and its row.
struct BuiltFile {
  LakeFile file;
  std::string bytes;
};

/// A data file and its twin.
struct BuiltPair {
  BuiltFile data;
  BuiltFile twin;
};

/// Builds one file and its twin in memory. What it gives is a function of the records and the compressor's
/// level alone. Threads: one at a time.
class RawFileBuilder {
 public:
  /// `compressor` may serve several builders and must outlive them.
  explicit RawFileBuilder(FrameCompressor& compressor) : compressor_(compressor) {}

  Status add(const Record& record);

  /// Add what another file and its twin hold, as it is.
  Status add_lines(std::string_view data, std::string_view twin, const LakeFile& from);

  /// Finish both, for the part `part` (its dataset is that of the data). Call once, after at least one
  /// record.
  Result<BuiltPair> finish(LakePart part, TimeUs created);

  /// Return how many bytes it holds now.
  std::size_t bytes() const;

 private:
  /// One of the two files: lines that wait for their frame, and frames.
  struct Stream {
    std::string lines;
    std::string frames;
    std::uint64_t raw_bytes = 0;
  };

  void note(Offset first, Offset last, std::uint64_t records);
  void add_twin(const Record& record, bool value_changed);
  Status flush(Stream& stream);
  Status flush_full();
  BuiltFile built(Stream& stream, const LakePart& part, TimeUs created) const;

  FrameCompressor& compressor_;
  Stream data_;
  Stream twin_;
  std::optional<Offset> first_;
  Offset last_;
  std::uint64_t records_ = 0;
};

/// What a line of a twin says.
struct RawTwinLine {
  std::uint64_t offset = 0;
  std::int64_t time = 0;
  std::uint64_t count = 0;
  std::string key;
  std::string attributes;
  std::optional<std::string> value;  ///< when the line in the data file is not the value's very bytes
};

/// The records of one file. Movable, not copyable: the records point into it.
class RawRecords {
 public:
  /// Read back what a builder made: `data` and `twin` are the decompressed files, each with kPadding bytes of
  /// zeros at its end. Errors: kCorrupt.
  static Result<RawRecords> parse(std::string data, std::string twin);

  RawRecords(RawRecords&&) = default;
  RawRecords& operator=(RawRecords&&) = default;

  /// The records in offset order, exactly as they were in the log.
  const std::vector<Record>& records() const { return records_; }

  static constexpr std::size_t kPadding = 64;

 private:
  RawRecords() = default;

  void add(RawTwinLine line, std::string_view value);

  std::string data_;
  std::deque<RawTwinLine> twins_;  ///< stay where they are: short texts lie inside of their strings
  std::vector<Record> records_;
};

}  // namespace millrace
