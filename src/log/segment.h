#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/env.h"
#include "log/sparse_index.h"

namespace millrace::log {

/// Return the file name of the segment that begins at `base_offset`: 20 digits and ".seg".
std::string segment_file_name(std::uint64_t base_offset);

/// A segment file and the zeroed space prepared ahead in it, in which a write and its sync cost about
/// half (the blocks are allocated and known as written). Outlives its removal while a reader holds it.
class Segment {
 public:
  /// `prepared_bytes`: how much of the file was written before, if only with zeros.
  Segment(Env& env, Path path, std::unique_ptr<File> file, std::uint64_t prepared_bytes)
      : env_(env), path_(std::move(path)), file_(std::move(file)), prepared_bytes_(prepared_bytes) {}

  /// Make a file of `prepared_bytes` zeros at `path`, synced; it becomes a segment through `begin`.
  static Result<std::shared_ptr<Segment>> make_spare(Env& env, const Path& path,
                                                     std::uint64_t prepared_bytes);

  /// Write the header and give the spare file its name, durably. Committer only.
  Status begin(const SegmentHeader& header);

  /// Write at `position`, not yet durably. When it fails nothing of it stays beyond the prepared bytes.
  /// Committer only.
  Status write(std::uint64_t position, std::span<const std::byte> bytes);

  /// Overwrite [from, to) with zeros, as far as the file goes; not durable until `sync`.
  Status erase(std::uint64_t from, std::uint64_t to);

  Status sync() { return file_->sync(); }

  /// Write zeros ahead until `bytes` of the file are prepared, in steps that hold up a commit for a
  /// millisecond at most. Upkeep thread only.
  Status prepare(std::uint64_t bytes);

  /// Shorten the file to `used_bytes`: the segment is closed and needs no space ahead.
  Status close(std::uint64_t used_bytes);

  const File& file() const { return *file_; }
  const Path& path() const { return path_; }
  Path index_path() const { return Path(path_).replace_extension(".idx"); }
  std::uint64_t prepared_bytes() const { return prepared_bytes_; }

  SegmentSummary summary;  ///< of the durable bytes; guarded by the partition's mutex

 private:
  Env& env_;
  Path path_;
  std::unique_ptr<File> file_;
  std::mutex grow_mutex_;  ///< held by whoever writes beyond prepared_bytes_
  std::atomic<std::uint64_t> prepared_bytes_;
};

}  // namespace millrace::log
