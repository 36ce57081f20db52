#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "source/mysql_connection.h"
#include "source/mysql_source.h"

namespace millrace {

/// Return whether a server whose @@global.read_only is this takes writes. It is a number, or with newer
/// MariaDB a word: OFF, ON, NO_LOCK, NO_LOCK_NO_ADMIN. One that says nothing takes them.
bool takes_writes(std::string_view read_only);

/// Sees to it that an extraction does not harm the server it reads from: over a connection of its own it asks
/// how far a replica is behind and how many threads run. Threads: one at a time.
class SourceGuard {
 public:
  /// Connect, and refuse a server that takes writes unless the source allows it. Errors: kDenied for a
  /// primary, with what to do; those of check; those of the connection.
  static Result<std::unique_ptr<SourceGuard>> open(const MysqlSource& source, Env& env, std::stop_token stop);

  /// Return when the server is within the limits; waits for it, for `limits.wait` at most. Asks at most four
  /// times a second. Errors: kOverloaded, naming the limit; kCancelled; those of the connection.
  Status check();

 private:
  SourceGuard(const MysqlSource& source, Env& env, std::stop_token stop,
              std::unique_ptr<MysqlConnection> connection);

  Status check_role();
  Result<std::optional<std::string>> complaint();
  Result<std::optional<std::string>> lag_complaint();

  const MysqlSource& source_;
  Env& env_;
  const std::stop_token stop_;
  std::unique_ptr<MysqlConnection> connection_;
  DurationUs asked_ = 0;
};

}  // namespace millrace
