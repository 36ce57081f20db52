#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "vector/vector_index.h"

namespace millrace {

/// A change of a set of vectors.
struct VectorChange {
  std::string_view id;
  std::span<const float> vector;  ///< empty: it is removed
};

/// The changes of a set since its snapshot, in a file. What `append` was given is there whole after any
/// crash, or not at all. Bytes: docs/formats/vectors.md. Threads: one at a time.
class ChangeLog {
 public:
  static constexpr std::size_t kAppendBytesMax = 64 << 20;

  /// Make the file, durably; `number` and `dimensions` are in it.
  static Result<ChangeLog> create(Env& env, const Path& path, std::uint64_t number, std::size_t dimensions);

  /// Open it and give every change to `apply`, in order. What a crash left half written at the end is cut
  /// off, but only when `is_last` (none was begun after it). Errors: kCorrupt for any other damage; those of
  /// files and of `apply`.
  static Result<ChangeLog> open(Env& env, const Path& path, std::uint64_t number, std::size_t dimensions,
                                bool is_last, const std::function<Status(const VectorChange&)>& apply);

  /// Append changes as one, durable when it returns. Errors: kInvalid for more than kAppendBytesMax;
  /// kNoSpace, after which it goes on when there is room; kIo, after which it has to be opened again.
  Status append(std::span<const VectorChange> changes);

  /// Return how many changes are in it.
  std::uint64_t changes() const { return changes_; }

 private:
  ChangeLog(Path path, std::unique_ptr<File> file, std::size_t dimensions)
      : path_(std::move(path)), file_(std::move(file)), dimensions_(dimensions) {}

  Path path_;
  std::unique_ptr<File> file_;
  std::size_t dimensions_;
  std::uint64_t end_ = 0;
  std::uint64_t sequence_ = 0;  ///< of the next frame
  std::uint64_t changes_ = 0;
  bool broken_ = false;
};

}  // namespace millrace
