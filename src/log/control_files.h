#pragma once

#include <mutex>
#include <string_view>

#include "base/env.h"

namespace millrace::log {

/// Writes the log's small control files whole or not at all, even when the disk is full: a reserve file
/// gives up its space for them, and takes it back when there is some.
/// Threads: any.
class ControlFiles {
 public:
  ControlFiles(Env& env, Path reserve_path, std::uint64_t reserve_bytes)
      : env_(env), reserve_path_(std::move(reserve_path)), reserve_bytes_(reserve_bytes) {}

  /// Errors: kNoSpace when the reserve is used up too; kDenied, kIo.
  Status write(const Path& path, std::string_view content);

  /// Make the reserve file when it is absent and there is room for ten of them. A failure is no harm: the
  /// next call tries again.
  void restore_reserve();

 private:
  Env& env_;
  const Path reserve_path_;
  const std::uint64_t reserve_bytes_;
  std::mutex mutex_;
};

/// Remove a file, or a directory with all that is in it. Fine when there is none.
Status remove_tree(Env& env, const Path& path);

}  // namespace millrace::log
