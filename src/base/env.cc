#include "base/env.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace millrace {
namespace {

Code code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return Code::kExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kDenied;
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
    case EFBIG:
      return Code::kInvalid;
    default:
      return Code::kIo;
  }
}

std::string_view remedy_of(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
      return " (check the owner and the permissions)";
    case EROFS:
      return " (mount it for writing, or choose another directory)";
    case ENOSPC:
      return " (free some space)";
    case EDQUOT:
      return " (free some space, or raise the quota)";
    case EMFILE:
      return " (raise the limit: ulimit -n)";
    default:
      return "";
  }
}

std::unexpected<Error> fail_errno(std::string_view what, const Path& path, int error_number) {
  return fail(code_of(error_number),
              fmt::format("cannot {}: {}{}", what, std::generic_category().message(error_number),
                          remedy_of(error_number)),
              path.string());
}

std::unexpected<Error> fail_errno(std::string_view what, const Path& path) {
  return fail_errno(what, path, errno);
}

/// A file's bytes in memory.
class CopiedBytes final : public FileBytes {
 public:
  explicit CopiedBytes(std::vector<std::byte> bytes) : kept_(std::move(bytes)) { bytes_ = kept_; }

 private:
  std::vector<std::byte> kept_;
};

class MappedBytes final : public FileBytes {
 public:
  MappedBytes(void* begin, std::size_t size) { bytes_ = {static_cast<const std::byte*>(begin), size}; }
  ~MappedBytes() override { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;
};

/// Call until it is not interrupted by a signal.
template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Of a larger write the disk is told to begin with each piece while the next one is copied: a sync that
/// follows takes a fifth less time for 1 MB. Only a hint, so whether it succeeds does not matter.
constexpr std::size_t kWriteBytesAtOnce = 256 << 10;

class SystemFile final : public File {
 public:
  SystemFile(int fd, Path path) : fd_(fd), path_(std::move(path)) {}
  ~SystemFile() override { ::close(fd_); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::size_t piece = std::min(bytes.size(), kWriteBytesAtOnce);
      const auto written =
          retry([&] { return ::pwrite(fd_, bytes.data(), piece, static_cast<off_t>(offset)); });
      if (written < 0) return fail_errno("write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      if (!bytes.empty()) ::sync_file_range(fd_, static_cast<off_t>(offset), written, SYNC_FILE_RANGE_WRITE);
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto got = retry([&] {
        return ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) return fail_errno("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status sync() override {
    if (retry([&] { return ::fdatasync(fd_); }) != 0) return fail_errno("sync", path_);
    return {};
  }

  Status preallocate(std::uint64_t bytes) override {
    MILLRACE_ASSIGN(const std::uint64_t present, size());
    if (bytes == 0 || bytes <= present) return {};
    int error_number = EINTR;
    while (error_number == EINTR) error_number = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes));
    if (error_number != 0) return fail_errno("reserve space for", path_, error_number);
    return {};
  }

  Status truncate(std::uint64_t bytes) override {
    if (retry([&] { return ::ftruncate(fd_, static_cast<off_t>(bytes)); }) != 0) {
      return fail_errno("resize", path_);
    }
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info = {};
    if (::fstat(fd_, &info) != 0) return fail_errno("read the size of", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<std::shared_ptr<const FileBytes>> map() const override {
    MILLRACE_ASSIGN(const std::uint64_t bytes, size());
    if (bytes == 0) return std::make_shared<CopiedBytes>(std::vector<std::byte>());
    void* begin = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd_, 0);
    if (begin == MAP_FAILED) return fail_errno("map", path_);
    return std::make_shared<MappedBytes>(begin, bytes);
  }

 private:
  int fd_;
  Path path_;
};

class SystemLock final : public FileLock {
 public:
  explicit SystemLock(int fd) : fd_(fd) {}
  ~SystemLock() override { ::close(fd_); }
  SystemLock(const SystemLock&) = delete;
  SystemLock& operator=(const SystemLock&) = delete;

 private:
  int fd_;
};

/// Read the process id that the holder wrote into its lock file.
std::string holder_of(int fd) {
  char text[16];
  const auto got = ::pread(fd, text, sizeof text, 0);
  std::string_view id(text, got < 0 ? 0 : static_cast<std::size_t>(got));
  id = id.substr(0, id.find('\n'));
  return id.empty() ? "another process" : fmt::format("process {}", id);
}

/// Note our process id in the lock file. A full disk must not keep anyone from locking, so that a failure
/// to write it is fine.
void note_holder(int fd) {
  const std::string id = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) == 0) std::ignore = ::pwrite(fd, id.data(), id.size(), 0);
}

constexpr mode_t kSharedFile = 0644;
constexpr mode_t kPrivateFile = 0600;

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
    case OpenMode::kCreatePrivate:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

class SystemEnv final : public Env {
 public:
  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override {
    const bool is_private = mode == OpenMode::kCreatePrivate;
    const int fd = open_fd(path, flags_of(mode), is_private ? kPrivateFile : kSharedFile);
    if (fd < 0) return fail_errno("open", path);
    auto file = std::make_unique<SystemFile>(fd, path);
    // One that was there before may have been made for more readers.
    if (is_private && ::fchmod(fd, kPrivateFile) != 0) return fail_errno("restrict to its owner", path);
    return file;
  }

  Status make_dirs(const Path& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return fail_errno("make directory", path, error.value());
    return {};
  }

  Result<std::vector<std::string>> list_dir(const Path& path) override {
    std::error_code error;
    std::vector<std::string> names;
    auto entry = std::filesystem::directory_iterator(path, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return fail_errno("list directory", path, error.value());
    std::ranges::sort(names);
    return names;
  }

  Status remove(const Path& path) override {
    if (::remove(path.c_str()) != 0) return fail_errno("remove", path);
    return {};
  }

  Status rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return fail_errno(fmt::format("rename {} to this", from.string()), to);
    }
    return {};
  }

  Status sync_dir(const Path& path) override {
    const Path dir = path.empty() ? Path(".") : path;
    const int fd = open_fd(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fail_errno("open directory", dir);
    const int result = retry([&] { return ::fsync(fd); });
    const int error_number = errno;
    ::close(fd);
    if (result != 0) return fail_errno("sync directory", dir, error_number);
    return {};
  }

  bool exists(const Path& path) override { return ::access(path.c_str(), F_OK) == 0; }

  // The lock belongs to the open file, not to the process, so that a second one in the same process
  // is refused like any other.
  Result<std::unique_ptr<FileLock>> lock(const Path& path) override {
    const int fd = open_fd(path, O_RDWR | O_CREAT);
    if (fd < 0) return fail_errno("open lock file", path);
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_SETLK, &whole) == 0) {
      note_holder(fd);
      return std::make_unique<SystemLock>(fd);
    }
    const int error_number = errno;
    const std::string holder = holder_of(fd);
    ::close(fd);
    if (error_number != EAGAIN && error_number != EACCES) return fail_errno("lock", path, error_number);
    return fail(Code::kExists, fmt::format("{} holds the lock", holder), path.string());
  }

  Result<std::uint64_t> free_bytes(const Path& path) override {
    struct statvfs info = {};
    if (::statvfs(path.c_str(), &info) != 0) return fail_errno("read the free space of", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

  TimeUs now() override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  }

  DurationUs steady_now() override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  }

  void sleep_for(DurationUs duration) override {
    std::this_thread::sleep_for(std::chrono::microseconds(duration));
  }

  void random_bytes(std::span<std::byte> into) override {
    while (!into.empty()) {
      const auto got = retry([&] { return ::getrandom(into.data(), into.size(), 0); });
      if (got < 0) std::abort();  // the kernel has no randomness: nothing secret may be made from here on
      into = into.subspan(static_cast<std::size_t>(got));
    }
  }

 private:
  static int open_fd(const Path& path, int flags, mode_t mode = kSharedFile) {
    return retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  }
};

Status write_whole(Env& env, const Path& path, std::string_view content, OpenMode mode) {
  MILLRACE_ASSIGN(const auto file, env.open(path, mode));
  MILLRACE_TRY(file->truncate(0));
  MILLRACE_TRY(file->write_at(0, std::as_bytes(std::span(content))));
  return file->sync();
}

}  // namespace

Result<std::shared_ptr<const FileBytes>> File::map() const {
  MILLRACE_ASSIGN(const std::uint64_t length, size());
  std::vector<std::byte> bytes(length);
  MILLRACE_ASSIGN(const std::size_t got, read_at(0, bytes));
  bytes.resize(got);
  return std::make_shared<CopiedBytes>(std::move(bytes));
}

Env& Env::system() {
  static SystemEnv env;
  return env;
}

Result<std::string> read_file(Env& env, const Path& path, std::uint64_t bytes_max) {
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kRead));
  std::string content;
  // The size is only a hint: files of /proc say 0, and a file may grow while it is read.
  MILLRACE_ASSIGN(std::uint64_t room, file->size());
  for (;;) {
    const std::size_t had = content.size();
    content.resize(static_cast<std::size_t>(std::min(had + room + 1, bytes_max + 1)));
    MILLRACE_ASSIGN(const std::size_t got,
                    file->read_at(had, std::as_writable_bytes(std::span(content).subspan(had))));
    const bool at_end = had + got < content.size();
    content.resize(had + got);
    if (content.size() > bytes_max) {
      return fail(Code::kInvalid, fmt::format("larger than {} bytes", bytes_max), path.string());
    }
    if (at_end) return content;
    room = std::max<std::uint64_t>(content.size(), 4096);
  }
}

Status write_file_atomically(Env& env, const Path& path, std::string_view content, OpenMode mode) {
  const Path temporary = path.string() + ".tmp";
  Status status = write_whole(env, temporary, content, mode);
  if (status) status = env.rename(temporary, path);
  if (!status) {
    std::ignore = env.remove(temporary);
    return status;
  }
  return env.sync_dir(path.parent_path());
}

}  // namespace millrace
