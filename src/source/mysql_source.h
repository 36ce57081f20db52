#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "source/order_mapping.h"

namespace millrace {

/// One table of a source, as the configuration chooses it.
struct MysqlTableChoice {
  std::string name;
  std::vector<std::string> columns;  ///< to read; empty: all
  std::vector<std::string> exclude;  ///< not to read
  std::string cursor;                ///< column that grows whenever a row changes; empty: none
  bool whole = false;                ///< read in one piece, for tables without a key
};

struct MysqlLimits {
  std::uint64_t rows_per_second = 0;        ///< 0: no limit, as for bytes
  std::uint64_t bytes_per_second = 0;       ///< of values
  DurationUs lag_max = kMinuteUs;           ///< of the replica that is read; 0: not looked at
  std::uint64_t threads_running_max = 100;  ///< on the server, ours among them; 0: not looked at
  DurationUs wait = kMinuteUs;              ///< how long past a limit before an extraction gives up
};

/// A MySQL or MariaDB database to read from: an entry of `sources` in millrace.yaml (docs/configuration.md).
struct MysqlSource {
  enum class Tls : std::uint8_t {
    kOff,
    kVerify,  ///< the server must show a certificate for its name that an authority we trust has signed
  };

  std::string name;
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string socket;  ///< a Unix socket, instead of host and port
  std::string user;
  std::string password;  ///< secret
  std::string database;
  /// None: all tables of the database but `exclude_tables`.
  std::optional<std::vector<MysqlTableChoice>> tables;
  std::vector<std::string> exclude_tables;
  std::string zone = "UTC";  ///< whose clock DATETIMEs show
  bool allow_primary = false;
  bool follow = false;                      ///< bring its changes as they happen
  DurationUs outage_after = 5 * kSecondUs;  ///< how long it may be out of reach before that is an outage
  Tls tls = Tls::kVerify;
  std::string ca_file;  ///< PEM; empty: the system's authorities
  std::uint32_t chunk_rows = 50'000;
  /// How far before the cursor's last value an incremental extraction begins when the cursor is a time, for
  /// transactions that were open when it was read.
  DurationUs cursor_overlap = kMinuteUs;
  MysqlLimits limits;
  std::optional<OrderMapping> orders;  ///< which of its tables make purchases

  /// Return "127.0.0.1:3306", or the socket.
  std::string address() const { return socket.empty() ? host + ":" + std::to_string(port) : socket; }
};

}  // namespace millrace
