#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "source/binlog_events.h"
#include "source/gtid.h"
#include "source/mysql_connection.h"
#include "source/mysql_source.h"

namespace millrace {

/// Reads the binary log of a MariaDB server as a replica does. Threads: one at a time, but `interrupt` from
/// any.
class BinlogReader {
 public:
  static constexpr DurationUs kHeartbeat = kSecondUs / 2;  ///< an event at least so often

  /// Connect and ask for what follows `from`. Of two with one `server_id` the server ends the first.
  /// Errors: those of the connection; kDenied without the right REPLICATION SLAVE.
  static Result<std::unique_ptr<BinlogReader>> open(const MysqlSource& source, const GtidPosition& from,
                                                    std::uint32_t server_id);

  /// Wait for the next event; its views live until the next call. Errors: kOutOfRange when the server no
  /// longer has what follows; kIo when the connection broke or nothing came for ten seconds.
  Result<BinlogEvent> next();

  /// Break the connection: `next` returns.
  void interrupt();

 private:
  explicit BinlogReader(std::unique_ptr<MysqlConnection> connection) : connection_(std::move(connection)) {}

  std::unique_ptr<MysqlConnection> connection_;
  bool has_checksums_ = false;
};

}  // namespace millrace
