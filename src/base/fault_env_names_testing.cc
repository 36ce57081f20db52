#include "base/fault_env_testing.h"

// The names of the simulated disk: which files and directories there are, and which of the changes to them a
// loss of power may still undo.

namespace millrace {

std::string FaultEnv::normal(const Path& path) {
  std::string text = std::filesystem::absolute(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string FaultEnv::parent_of(const std::string& path) {
  return Path(path).parent_path().string();
}

std::uint64_t FaultEnv::sectors(std::uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes;
}

void FaultEnv::apply(const NameChange& change, Tree& tree) {
  if (!change.removed.empty()) tree.erase(change.removed);
  if (change.added.empty()) return;
  // A directory takes along what is in it.
  if (!change.removed.empty() && change.node->is_dir) {
    const std::string prefix = change.removed + "/";
    Tree moved;
    for (auto it = tree.lower_bound(prefix); it != tree.end() && it->first.starts_with(prefix);) {
      moved[change.added + it->first.substr(change.removed.size())] = it->second;
      it = tree.erase(it);
    }
    tree.merge(moved);
  }
  tree[change.added] = change.node;
}

void FaultEnv::change_names(NameChange change) {
  apply(change, tree_);
  if (!change.removed.empty()) change.unsynced_dirs.insert(parent_of(change.removed));
  if (!change.added.empty()) change.unsynced_dirs.insert(parent_of(change.added));
  changes_.push_back(std::move(change));
}

bool FaultEnv::has_children(const Tree& tree, const std::string& path) {
  const std::string prefix = path == "/" ? path : path + "/";
  const auto next = tree.upper_bound(prefix);
  return next != tree.end() && next->first.starts_with(prefix);
}

Status FaultEnv::make_dirs(const Path& path) {
  const std::lock_guard lock(mutex_);
  std::string at;
  for (const Path& part : Path(normal(path))) {
    at = (Path(at) / part).string();
    if (const auto found = tree_.find(at); found != tree_.end()) {
      if (!found->second->is_dir) return fail(Code::kInvalid, "not a directory", at);
      continue;
    }
    MILLRACE_TRY(begin_change(at));
    auto node = std::make_shared<Node>();
    node->is_dir = true;
    change_names({{}, "", at, std::move(node)});
  }
  return {};
}

Result<std::vector<std::string>> FaultEnv::list_dir(const Path& path) {
  const std::lock_guard lock(mutex_);
  const std::string name = normal(path);
  const auto found = tree_.find(name);
  if (found == tree_.end()) return fail(Code::kNotFound, "no such directory", name);
  if (!found->second->is_dir) return fail(Code::kInvalid, "not a directory", name);
  std::vector<std::string> names;
  for (const auto& [entry, node] : tree_) {
    if (entry != "/" && parent_of(entry) == name) names.push_back(Path(entry).filename().string());
  }
  return names;
}

Status FaultEnv::remove(const Path& path) {
  const std::lock_guard lock(mutex_);
  const std::string name = normal(path);
  const auto found = tree_.find(name);
  if (found == tree_.end()) return fail(Code::kNotFound, "cannot remove: no such file", name);
  if (has_children(tree_, name)) return fail(Code::kExists, "cannot remove: directory is not empty", name);
  MILLRACE_TRY(begin_change(name));
  if (space_left_) *space_left_ += sectors(found->second->content.size()) * kSectorBytes;
  change_names({{}, name, "", found->second});
  return {};
}

Status FaultEnv::rename(const Path& from, const Path& to) {
  const std::lock_guard lock(mutex_);
  const std::string from_name = normal(from);
  const std::string to_name = normal(to);
  const auto found = tree_.find(from_name);
  if (found == tree_.end() || !tree_.contains(parent_of(to_name))) {
    return fail(Code::kNotFound, "cannot rename: no such file", from_name);
  }
  if (from_name == to_name) return {};
  const auto target = tree_.find(to_name);
  if (target != tree_.end() && target->second->is_dir)
    return fail(Code::kExists, "a directory is there", to_name);
  MILLRACE_TRY(begin_change(from_name));
  if (target != tree_.end() && space_left_)
    *space_left_ += sectors(target->second->content.size()) * kSectorBytes;
  change_names({{}, from_name, to_name, found->second});
  return {};
}

Status FaultEnv::sync_dir(const Path& path) {
  const std::lock_guard lock(mutex_);
  const std::string name = normal(path);
  if (!tree_.contains(name)) return fail(Code::kNotFound, "no such directory", name);
  MILLRACE_TRY(begin_change(name));
  if (sync_to_fail_ && (*sync_to_fail_)-- == 0) {
    sync_to_fail_.reset();
    return fail(Code::kIo, "cannot sync directory: injected failure", name);
  }
  if (ignore_dir_sync_) return {};
  for (NameChange& change : changes_) change.unsynced_dirs.erase(name);
  settle_names();
  return {};
}

/// Make the changes durable whose directories are synced, and with each the earlier ones of the same names.
void FaultEnv::settle_names() {
  std::set<std::string> names;
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (names.contains(change->removed) || names.contains(change->added)) change->unsynced_dirs.clear();
    if (!change->unsynced_dirs.empty()) continue;
    for (const std::string& touched : {change->removed, change->added}) {
      if (!touched.empty()) names.insert(touched);
    }
  }
  for (const NameChange& change : changes_) {
    if (change.unsynced_dirs.empty()) apply(change, durable_tree_);
  }
  std::erase_if(changes_, [](const NameChange& change) { return change.unsynced_dirs.empty(); });
}

}  // namespace millrace
