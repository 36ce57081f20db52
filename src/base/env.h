#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

using Path = std::filesystem::path;

/// The bytes of a whole file, for reading. They stay as long as the object.
class FileBytes {
 public:
  virtual ~FileBytes() = default;
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 protected:
  std::span<const std::byte> bytes_;
};

/// An open file, closed by its destructor (which does not sync).
/// Threads: `read_at` from any thread; the others from one thread at a time.
class File {
 public:
  virtual ~File() = default;

  /// Write all of `bytes` at `offset`, extending the file where needed. Not durable until `sync`.
  /// Errors: kNoSpace, kIo; part of the bytes may then have been written.
  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;

  /// Read up to `into.size()` bytes from `offset`; fewer only at the end of the file.
  /// Errors: kIo.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const = 0;

  /// Make all writes and the size durable (fdatasync). After kIo the state of unsynced bytes is
  /// unknown for ever: a second `sync` that succeeds proves nothing.
  virtual Status sync() = 0;

  /// Reserve disk blocks for the first `bytes` bytes; the size grows to `bytes`, new bytes read as 0.
  /// Errors: kNoSpace, kIo.
  virtual Status preallocate(std::uint64_t bytes) = 0;

  virtual Status truncate(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> size() const = 0;

  /// Return the whole file as it is now; the system's reads what is touched (a memory map, whose pages the
  /// processes of a machine share). What is returned may outlive the file, which must not change meanwhile.
  /// Errors: kIo.
  virtual Result<std::shared_ptr<const FileBytes>> map() const;
};

/// Holds an exclusive lock on a file until it is destroyed or its process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : std::uint8_t {
  kRead,           ///< the file must exist; read only
  kReadWrite,      ///< the file must exist
  kCreate,         ///< read and write; made when absent; kept when present
  kCreatePrivate,  ///< as kCreate, and nobody but its owner may open it (0600), from its first moment on
};

/// Files, clocks and randomness: everything nondeterministic that tests want to control. The system's
/// is `Env::system()`; `FaultEnv` (base/fault_env_testing.h) is one that loses power on demand.
/// Threads: any method from any thread.
class Env {
 public:
  virtual ~Env() = default;

  /// Return the real one; it lives as long as the process.
  static Env& system();

  /// Errors: kNotFound, kDenied (also a read-only file system), kNoSpace, kIo.
  virtual Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) = 0;

  /// Make the directory and its parents; fine when it exists. Durable once its parent is synced.
  virtual Status make_dirs(const Path& path) = 0;

  /// Return the names (not paths) in a directory, sorted.
  virtual Result<std::vector<std::string>> list_dir(const Path& path) = 0;

  virtual Status remove(const Path& path) = 0;

  /// Replace `to` by `from` atomically, in one file system. Durable once the directories are synced.
  virtual Status rename(const Path& from, const Path& to) = 0;

  /// Make creations, renames and removals in the directory durable.
  virtual Status sync_dir(const Path& path) = 0;

  virtual bool exists(const Path& path) = 0;

  /// Take the exclusive lock on `path`, which is made when absent.
  /// Errors: kExists when another process (or this one) holds it; kDenied, kNoSpace, kIo.
  virtual Result<std::unique_ptr<FileLock>> lock(const Path& path) = 0;

  /// Return the bytes an unprivileged process may still write to the file system of `path`.
  virtual Result<std::uint64_t> free_bytes(const Path& path) = 0;

  /// Return the wall clock. It may jump.
  virtual TimeUs now() = 0;

  /// Return a clock that never goes back; only differences mean anything.
  virtual DurationUs steady_now() = 0;

  virtual void sleep_for(DurationUs duration) = 0;

  /// Fill `into` with random bytes fit for identifiers and tokens.
  virtual void random_bytes(std::span<std::byte> into) = 0;
};

/// Read a whole file. Errors: those of `open`; kInvalid when it is larger than `bytes_max`.
Result<std::string> read_file(Env& env, const Path& path, std::uint64_t bytes_max = 1ull << 32);

/// Replace the file at `path` by `content`, whole or not at all, also through a loss of power: writes
/// `path`.tmp, syncs it, renames it, syncs the directory. With `kCreatePrivate` only its owner can read it.
Status write_file_atomically(Env& env, const Path& path, std::string_view content,
                             OpenMode mode = OpenMode::kCreate);

}  // namespace millrace
