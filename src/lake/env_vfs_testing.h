#pragma once

#include <memory>
#include <string>

#include "base/env.h"

struct sqlite3_vfs;

namespace millrace {

/// A file system for SQLite in which everything goes through an Env, so that a test can take its power away.
/// It has no shared memory: the database must be in exclusive locking mode, as sqlite::Database opens it.
/// Threads: one at a time.
class EnvVfs {
 public:
  /// `env` must outlive this, and this the databases.
  explicit EnvVfs(Env& env);
  ~EnvVfs();
  EnvVfs(const EnvVfs&) = delete;
  EnvVfs& operator=(const EnvVfs&) = delete;

  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace millrace
