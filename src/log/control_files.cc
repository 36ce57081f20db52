#include "log/control_files.h"

#include "base/logging.h"

namespace millrace::log {

Status ControlFiles::write(const Path& path, std::string_view content) {
  Status written = write_file_atomically(env_, path, content);
  if (written || written.error().code != Code::kNoSpace) return written;
  const std::lock_guard lock(mutex_);
  if (!env_.remove(reserve_path_)) return written;
  log_warning("log", "the disk is full; using the space kept in reserve", {field("file", path.string())});
  return write_file_atomically(env_, path, content);
}

void ControlFiles::restore_reserve() {
  const std::lock_guard lock(mutex_);
  if (env_.exists(reserve_path_)) return;
  const auto free_bytes = env_.free_bytes(reserve_path_.parent_path());
  if (!free_bytes || *free_bytes < 10 * reserve_bytes_) return;
  auto file = env_.open(reserve_path_, OpenMode::kCreate);
  Status reserved = file ? (*file)->preallocate(reserve_bytes_) : fail(std::move(file).error());
  if (!reserved) std::ignore = env_.remove(reserve_path_);
}

Status remove_tree(Env& env, const Path& path) {
  Status removed = env.remove(path);
  if (removed || removed.error().code == Code::kNotFound) return {};
  if (removed.error().code != Code::kExists) return removed;
  MILLRACE_ASSIGN(const auto names, env.list_dir(path));
  for (const std::string& name : names) MILLRACE_TRY(remove_tree(env, path / name));
  return env.remove(path);
}

}  // namespace millrace::log
