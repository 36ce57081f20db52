#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"
#include "lake/object_store.h"

namespace millrace {

/// Objects as files under a directory. A put writes `ROOT/.tmp/N`, syncs it, renames it to its place and
/// syncs that directory, so other programs that list ROOT see whole objects only; they skip `.tmp`, as its
/// name begins with a dot.
class LocalObjectStore final : public ObjectStore {
 public:
  /// Make `root` when it is absent, and remove temporary files that a crash left. One store owns a root.
  /// `env` must outlive the store. Errors: kDenied, kNoSpace, kIo.
  static Result<std::unique_ptr<LocalObjectStore>> open(Env& env, const Path& root);

  Status put(std::string_view key, std::string_view bytes) override;
  Result<std::string> get(std::string_view key, std::uint64_t from = 0,
                          std::uint64_t bytes_max = UINT64_MAX) const override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) const override;
  Status remove(std::string_view key) override;

 private:
  LocalObjectStore(Env& env, Path root) : env_(env), root_(std::move(root)) {}

  Status clear_temporaries();
  Status make_dir(const Path& dir);
  Status write(const Path& path, std::string_view bytes);
  Status walk(const Path& dir, const std::string& key, std::string_view prefix,
              std::vector<ObjectInfo>& out) const;
  Status add(const Path& path, const std::string& key, std::vector<ObjectInfo>& out) const;

  Env& env_;
  const Path root_;
  std::atomic<std::uint64_t> temporaries_ = 0;
  std::mutex mutex_;          ///< guards made_dirs_
  std::set<Path> made_dirs_;  ///< known to exist durably
};

}  // namespace millrace
