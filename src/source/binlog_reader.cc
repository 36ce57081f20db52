#include "source/binlog_reader.h"

#include <algorithm>

#include <fmt/format.h>
// clang-format off: the second of these needs the first
#include <mysql.h>
#include <mariadb_rpl.h>
// clang-format on

namespace millrace {
namespace {

constexpr unsigned kReadTimeoutS = 10;
constexpr std::size_t kChecksumBytes = 4;
constexpr unsigned long kEventBytesMax = 1ul << 30;  // as servers have it
constexpr unsigned long kPacketError = 0xFFFFFFFF;   // or larger: the library's -1 of one type or another

}  // namespace

Result<std::unique_ptr<BinlogReader>> BinlogReader::open(const MysqlSource& source, const GtidPosition& from,
                                                         std::uint32_t server_id) {
  MILLRACE_ASSIGN(auto connection, MysqlConnection::connect(source, kReadTimeoutS));
  // An event is whole, with the columns that are not read: it may be as large as the server allows.
  connection->handle()->net.max_packet_size = kEventBytesMax;
  // Checksums may come and are left out: TCP and TLS have theirs. Capability 4: transactions with their
  // GTIDs.
  MILLRACE_TRY(connection->execute(
      fmt::format("SET @master_binlog_checksum = @@global.binlog_checksum, @mariadb_slave_capability = 4, "
                  "@slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0, "
                  "@master_heartbeat_period = {}, @slave_connect_state = '{}'",
                  kHeartbeat * 1'000, from.list())));
  MARIADB_RPL* rpl = mariadb_rpl_init(connection->handle());
  if (rpl == nullptr) return fail(Code::kInternal, "no memory to read the binary log");
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_SERVER_ID, server_id);
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_START, 4ul);
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_FLAGS, 0u);
  const int refused = mariadb_rpl_open(rpl);
  mariadb_rpl_close(rpl);  // the connection stays ours
  if (refused != 0) return fail(connection->last_error());
  return std::unique_ptr<BinlogReader>(new BinlogReader(std::move(connection)));
}

Result<BinlogEvent> BinlogReader::next() {
  MYSQL* const mysql = connection_->handle();
  const unsigned long size = mysql_net_read_packet(mysql);
  if (size >= kPacketError) {
    Error error = connection_->last_error();
    if (error.code == Code::kDenied)
      error.message +=
          ": it must be allowed to read the binary log, GRANT REPLICATION SLAVE ON *.* TO the user";
    return fail(std::move(error));
  }
  const std::string_view packet(reinterpret_cast<const char*>(mysql->net.read_pos), size);
  constexpr char kEndOfStream = '\xFE';
  if (packet.empty() || (packet[0] == kEndOfStream && packet.size() < 8))
    return fail(Code::kIo, "the server ended the stream of its binary log, as when it stops");
  if (packet[0] != 0) return fail(Code::kCorrupt, "a packet of the binary log has no known form");
  MILLRACE_ASSIGN(BinlogEvent event, parse_binlog_event(packet.substr(1)));
  if (event.type == BinlogEventType::kFormat) {
    // What events end with from here on stands before its own checksum.
    has_checksums_ =
        event.body.size() > kChecksumBytes && event.body[event.body.size() - kChecksumBytes - 1] != '\0';
  } else if (has_checksums_) {
    event.body.remove_suffix(std::min(kChecksumBytes, event.body.size()));
  }
  return event;
}

void BinlogReader::interrupt() {
  connection_->interrupt();
}

}  // namespace millrace
