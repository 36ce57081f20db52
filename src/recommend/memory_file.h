#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace {

/// How far one partition of the log was read.
struct LogMark {
  Offset next;               ///< all records before it are taken in, and no others
  std::uint64_t before = 0;  ///< hash of the record right before `next`; 0 when it could not be read

  bool operator==(const LogMark&) const = default;
};

/// The file of a recommender's memory, in memory. Bytes: docs/formats/recommender.md.
///
/// The image, which is most of it, is appended to `begin_memory_file` by its owner, so that it is copied
/// once:
///
///     std::string file;  // with room for it
///     begin_memory_file(file, shape, marks);
///     recommender.save(file);
///     write_memory_file(env, path, std::move(file));
void begin_memory_file(std::string& file, std::uint64_t shape,
                       const std::map<TopicPartition, LogMark>& marks);

/// Complete a file that was begun with its checksum, and put it in place whole or not at all, also through a
/// loss of power. Errors: those of Env; what was there before then stays.
Status write_memory_file(Env& env, const Path& path, std::string file);

/// A file that was read and whose checksum is right.
struct MemoryFile {
  std::uint64_t shape = 0;  ///< memory_shape() of the settings it was made with
  std::map<TopicPartition, LogMark> marks;
  std::string_view image;                  ///< for Recommender::restore; points into `bytes`
  std::shared_ptr<const FileBytes> bytes;  ///< of the whole file

  /// Errors: kNotFound; kCorrupt when any bit is not as it was written; kInvalid for another format; kIo.
  static Result<MemoryFile> read(Env& env, const Path& path);

  /// Read one that is in memory; `bytes` is left empty.
  static Result<MemoryFile> decode(std::string_view file);
};

}  // namespace millrace
