#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/env.h"
#include "base/result.h"
#include "vector/slot_ids.h"
#include "vector/vector_index.h"

namespace millrace {

// A file of an index, written and read in pieces of at most kPieceBytesMax, each with its length, its number
// and a checksum, so that nothing is used before it was checked. Bytes: docs/formats/vectors.md.

/// Writes a snapshot beside the file it will be; `finish` puts it in place. A writer that is destroyed before
/// leaves nothing but a file PATH.tmp. Threads: one at a time.
class SnapshotWriter {
 public:
  static Result<SnapshotWriter> open(Env& env, const Path& path);

  /// Append bytes. A failure is told by `finish`; nothing is written after it.
  void raw(const void* bytes, std::size_t size);

  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    raw(&value, sizeof value);
  }
  template <class T>
  void put_all(std::span<const T> values) {
    raw(values.data(), values.size_bytes());
  }
  void put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    raw(text.data(), text.size());
  }

  /// Make it durable under its name. Errors: kNoSpace, kIo, kDenied; what was there before stays then.
  Status finish();

 private:
  SnapshotWriter(Env& env, Path path, std::unique_ptr<File> file);
  void flush();

  Env* env_;
  Path path_;
  std::unique_ptr<File> file_;
  std::string piece_;
  std::uint64_t at_ = 0;
  std::uint32_t pieces_ = 0;
  Status status_;
};

/// Reads what a SnapshotWriter wrote, from its beginning to its end. After a failure everything reads as
/// zero, and `status` tells. Threads: one at a time.
class SnapshotReader {
 public:
  static Result<SnapshotReader> open(Env& env, const Path& path);

  void raw(void* into, std::size_t size);

  template <class T>
    requires std::is_arithmetic_v<T>
  T take() {
    T value{};
    raw(&value, sizeof value);
    return value;
  }
  template <class T>
  void take_all(std::span<T> into) {
    raw(into.data(), into.size_bytes());
  }
  /// Read a text of at most `bytes_max` bytes; a longer one is damage.
  std::string take_text(std::size_t bytes_max);

  /// Refuse to go on, unless `good`: lengths that do not fit together.
  void expect(bool good, std::string_view what);

  bool ok() const { return status_.has_value(); }
  const Status& status() const { return status_; }

  /// Return the size of the file: no more of anything can be in it.
  std::uint64_t file_bytes() const { return bytes_; }

  /// Check that this was all. Errors: kCorrupt; what went wrong before.
  Status finish();

 private:
  SnapshotReader(Path path, std::unique_ptr<File> file, std::uint64_t bytes);
  bool next_piece();
  void fail_with(Code code, std::string message);

  Path path_;
  std::unique_ptr<File> file_;
  std::uint64_t bytes_;
  std::uint64_t at_ = 0;
  std::uint32_t pieces_ = 0;
  std::string piece_;
  std::size_t used_ = 0;  ///< of piece_
  bool at_end_ = false;
  Status status_;
};

enum class IndexKind : std::uint8_t { kExact = 1, kHnsw = 2 };

/// What every snapshot begins with.
struct SnapshotHeader {
  IndexKind kind = IndexKind::kExact;
  VectorShape shape;
  std::uint64_t slots = 0;

  void write(SnapshotWriter& out) const;

  /// Errors: kCorrupt for what cannot be; kInvalid for a newer format.
  static Result<SnapshotHeader> read(SnapshotReader& in);
};

/// Write the id of each slot, "" for an empty one.
void write_slot_ids(SnapshotWriter& out, const SlotIds& ids);

/// Read them again. Errors: kCorrupt, also for an id that is there twice.
Result<SlotIds> read_slot_ids(SnapshotReader& in, std::uint64_t slots);

}  // namespace millrace
