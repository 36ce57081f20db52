#include "lake/env_vfs_testing.h"

#include <cstring>
#include <new>
#include <span>

#include <fmt/format.h>
#include <sqlite3.h>

namespace millrace {
namespace {

/// What SQLite keeps for an open file; it allocates the memory and calls xClose.
struct EnvFile {
  sqlite3_file base;
  std::unique_ptr<File> file;
  Env* env;
  Path path;
  bool name_synced;
  bool delete_at_close;
};

EnvFile& as_env_file(sqlite3_file* file) {
  return *reinterpret_cast<EnvFile*>(file);
}

Env& env_of(sqlite3_vfs* vfs) {
  return *static_cast<Env*>(vfs->pAppData);
}

int code_for(const Status& status, int failure) {
  if (status) return SQLITE_OK;
  return status.error().code == Code::kNoSpace ? SQLITE_FULL : failure;
}

int close_file(sqlite3_file* base) {
  EnvFile& file = as_env_file(base);
  if (file.delete_at_close) std::ignore = file.env->remove(file.path);
  file.~EnvFile();
  return SQLITE_OK;
}

int read_file_at(sqlite3_file* base, void* into, int bytes, sqlite3_int64 offset) {
  const std::span span(static_cast<std::byte*>(into), static_cast<std::size_t>(bytes));
  const auto read = as_env_file(base).file->read_at(static_cast<std::uint64_t>(offset), span);
  if (!read) return SQLITE_IOERR_READ;
  if (*read == span.size()) return SQLITE_OK;
  std::memset(span.data() + *read, 0, span.size() - *read);
  return SQLITE_IOERR_SHORT_READ;
}

int write_file_at(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 offset) {
  const std::span span(static_cast<const std::byte*>(from), static_cast<std::size_t>(bytes));
  return code_for(as_env_file(base).file->write_at(static_cast<std::uint64_t>(offset), span),
                  SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* base, sqlite3_int64 bytes) {
  return code_for(as_env_file(base).file->truncate(static_cast<std::uint64_t>(bytes)), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* base, int /*flags*/) {
  EnvFile& file = as_env_file(base);
  if (const Status synced = file.file->sync(); !synced) return SQLITE_IOERR_FSYNC;
  if (file.name_synced) return SQLITE_OK;
  if (const Status synced = file.env->sync_dir(file.path.parent_path()); !synced)
    return SQLITE_IOERR_DIR_FSYNC;
  file.name_synced = true;
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* base, sqlite3_int64* bytes) {
  const auto size = as_env_file(base).file->size();
  if (!size) return SQLITE_IOERR_FSTAT;
  *bytes = static_cast<sqlite3_int64>(*size);
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) {
  return SQLITE_OK;
}
int unlock_file(sqlite3_file*, int) {
  return SQLITE_OK;
}
int check_reserved_lock(sqlite3_file*, int* held) {
  *held = 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return 512;
}
/// As SQLite's own file system on Linux says: a write never harms bytes beside it. Without this SQLite pads
/// its WAL, and the end of the padding, which it does not sync, is lost for good when the next sync fails.
int device_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

constexpr sqlite3_io_methods kFileMethods = {.iVersion = 1,  // no shared memory
                                             .xClose = close_file,
                                             .xRead = read_file_at,
                                             .xWrite = write_file_at,
                                             .xTruncate = truncate_file,
                                             .xSync = sync_file,
                                             .xFileSize = size_of_file,
                                             .xLock = lock_file,
                                             .xUnlock = unlock_file,
                                             .xCheckReservedLock = check_reserved_lock,
                                             .xFileControl = file_control,
                                             .xSectorSize = sector_size,
                                             .xDeviceCharacteristics = device_characteristics};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags, int* flags_out) {
  base->pMethods = nullptr;
  Env& env = env_of(vfs);
  const Path path = name == nullptr ? "/sqlite-temporary" : name;
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  auto opened = env.open(path, create ? OpenMode::kCreate : OpenMode::kReadWrite);
  if (!opened) return opened.error().code == Code::kNoSpace ? SQLITE_FULL : SQLITE_CANTOPEN;
  auto* file = new (base)
      EnvFile{{}, *std::move(opened), &env, path, !create, (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
  file->base.pMethods = &kFileMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int sync_dir) {
  Env& env = env_of(vfs);
  if (!env.exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  if (const Status removed = env.remove(name); !removed) return SQLITE_IOERR_DELETE;
  if (sync_dir == 0) return SQLITE_OK;
  return code_for(env.sync_dir(Path(name).parent_path()), SQLITE_IOERR_DIR_FSYNC);
}

int access_file(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* result) {
  *result = env_of(vfs).exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs* vfs, const char* name, int bytes, char* out) {
  const int length = static_cast<int>(std::strlen(name));
  if (length >= bytes || length > vfs->mxPathname) return SQLITE_CANTOPEN;
  std::memcpy(out, name, static_cast<std::size_t>(length) + 1);
  return SQLITE_OK;
}

int random_bytes(sqlite3_vfs* vfs, int bytes, char* out) {
  env_of(vfs).random_bytes(std::as_writable_bytes(std::span(out, static_cast<std::size_t>(bytes))));
  return bytes;
}

int sleep_for(sqlite3_vfs* vfs, int microseconds) {
  env_of(vfs).sleep_for(microseconds);
  return microseconds;
}

int current_time(sqlite3_vfs* vfs, double* julian_day) {
  *julian_day = 2440587.5 + static_cast<double>(env_of(vfs).now()) / static_cast<double>(kDayUs);
  return SQLITE_OK;
}

int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

EnvVfs::EnvVfs(Env& env) : name_(fmt::format("env-{}", static_cast<const void*>(this))) {
  vfs_ = std::make_unique<sqlite3_vfs>(sqlite3_vfs{.iVersion = 1,
                                                   .szOsFile = sizeof(EnvFile),
                                                   .mxPathname = 512,
                                                   .zName = name_.c_str(),
                                                   .pAppData = &env,
                                                   .xOpen = open_file,
                                                   .xDelete = delete_file,
                                                   .xAccess = access_file,
                                                   .xFullPathname = full_name,
                                                   .xRandomness = random_bytes,
                                                   .xSleep = sleep_for,
                                                   .xCurrentTime = current_time,
                                                   .xGetLastError = last_error});
  sqlite3_vfs_register(vfs_.get(), 0);
}

EnvVfs::~EnvVfs() {
  sqlite3_vfs_unregister(vfs_.get());
}

}  // namespace millrace
