#include "lake/local_object_store.h"

#include <algorithm>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr const char* kTemporaryDir = ".tmp";

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Remove a file, or a directory with all it holds.
Status remove_tree(Env& env, const Path& path) {
  Status removed = env.remove(path);
  if (removed || removed.error().code != Code::kExists) return removed;
  MILLRACE_ASSIGN(const auto names, env.list_dir(path));
  for (const auto& name : names) MILLRACE_TRY(remove_tree(env, path / name));
  return env.remove(path);
}

/// Return whether a key under `dir_key` may begin with `prefix`.
bool may_hold(std::string_view dir_key, std::string_view prefix) {
  return dir_key.starts_with(prefix) || prefix.starts_with(dir_key);
}

}  // namespace

Result<std::unique_ptr<LocalObjectStore>> LocalObjectStore::open(Env& env, const Path& root) {
  std::unique_ptr<LocalObjectStore> store(new LocalObjectStore(env, root));
  MILLRACE_TRY(store->make_dir(root / kTemporaryDir));
  MILLRACE_TRY(store->clear_temporaries());
  return store;
}

Status LocalObjectStore::clear_temporaries() {
  MILLRACE_ASSIGN(const auto names, env_.list_dir(root_ / kTemporaryDir));
  for (const auto& name : names) MILLRACE_TRY(remove_tree(env_, root_ / kTemporaryDir / name));
  return {};
}

/// Make a directory and its parents, durably.
Status LocalObjectStore::make_dir(const Path& dir) {
  {
    const std::lock_guard lock(mutex_);
    if (made_dirs_.contains(dir)) return {};
  }
  const bool is_outermost = dir == root_.parent_path() || !dir.has_relative_path();
  if (!is_outermost) {
    MILLRACE_TRY(make_dir(dir.parent_path()));
    MILLRACE_TRY(env_.make_dirs(dir));
    MILLRACE_TRY(env_.sync_dir(dir.parent_path()));
  } else {
    MILLRACE_TRY(env_.make_dirs(dir));
  }
  const std::lock_guard lock(mutex_);
  made_dirs_.insert(dir);
  return {};
}

Status LocalObjectStore::write(const Path& path, std::string_view bytes) {
  MILLRACE_ASSIGN(const auto file, env_.open(path, OpenMode::kCreate));
  MILLRACE_TRY(file->write_at(0, as_bytes(bytes)));
  return file->sync();
}

Status LocalObjectStore::put(std::string_view key, std::string_view bytes) {
  MILLRACE_TRY(check_object_key(key));
  const Path target = root_ / key;
  const Path temporary = root_ / kTemporaryDir / fmt::format("{}", temporaries_++);
  MILLRACE_TRY(make_dir(target.parent_path()));
  Status done = write(temporary, bytes);
  if (done) done = env_.rename(temporary, target);
  if (done) {
    // Both directories: a rename is durable when the name's going is, too. The second costs next to nothing.
    MILLRACE_TRY(env_.sync_dir(target.parent_path()));
    return env_.sync_dir(temporary.parent_path());
  }
  std::ignore = env_.remove(temporary);  // gives back the space; what stays goes when the store is opened
  return done;
}

Result<std::string> LocalObjectStore::get(std::string_view key, std::uint64_t from,
                                          std::uint64_t bytes_max) const {
  MILLRACE_TRY(check_object_key(key));
  MILLRACE_ASSIGN(const auto file, env_.open(root_ / key, OpenMode::kRead));
  MILLRACE_ASSIGN(const std::uint64_t size, file->size());
  std::string bytes(from < size ? std::min(size - from, bytes_max) : 0, '\0');
  MILLRACE_ASSIGN(const std::size_t read,
                  file->read_at(from, std::as_writable_bytes(std::span(bytes.data(), bytes.size()))));
  bytes.resize(read);
  return bytes;
}

Result<std::vector<ObjectInfo>> LocalObjectStore::list(std::string_view prefix) const {
  std::vector<ObjectInfo> found;
  MILLRACE_TRY(walk(root_, "", prefix, found));
  std::ranges::sort(found, {}, &ObjectInfo::key);
  return found;
}

/// Add the objects under `dir`, whose key is `key`: "" or one that ends with a slash.
Status LocalObjectStore::walk(const Path& dir, const std::string& key, std::string_view prefix,
                              std::vector<ObjectInfo>& out) const {
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir));
  for (const auto& name : names) {
    const std::string inner = key + name;
    if (name.starts_with('.') || !may_hold(inner, prefix)) continue;
    const Status walked = walk(dir / name, inner + "/", prefix, out);
    if (walked || walked.error().code == Code::kNotFound) continue;  // a directory, or removed meanwhile
    if (walked.error().code != Code::kInvalid) return walked;
    if (inner.starts_with(prefix)) MILLRACE_TRY(add(dir / name, inner, out));
  }
  return {};
}

Status LocalObjectStore::add(const Path& path, const std::string& key, std::vector<ObjectInfo>& out) const {
  const auto file = env_.open(path, OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) return {};  // removed meanwhile
  if (!file) return fail(file.error());
  MILLRACE_ASSIGN(const std::uint64_t bytes, (*file)->size());
  out.push_back({key, bytes});
  return {};
}

Status LocalObjectStore::remove(std::string_view key) {
  MILLRACE_TRY(check_object_key(key));
  const Path target = root_ / key;
  if (const Status removed = env_.remove(target); !removed && removed.error().code != Code::kNotFound)
    return removed;
  // Also when it was gone: an earlier removal may have failed at just this.
  const Status synced = env_.sync_dir(target.parent_path());
  return !synced && synced.error().code == Code::kNotFound ? Status{} : synced;
}

}  // namespace millrace
