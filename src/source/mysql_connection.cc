#include "source/mysql_connection.h"

#include <mutex>
#include <utility>

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace millrace {
namespace {

constexpr unsigned kConnectTimeoutS = 10;
constexpr unsigned long kPacketBytesMax = 64ul << 20;

/// Turn what the server or the library said into ours.
Error error_of(unsigned number, const char* words) {
  const auto make = [&](Code code, std::string_view what_to_do) {
    return Error{code, fmt::format("{} ({}){}", words, number, what_to_do), ""};
  };
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
      return make(Code::kDenied,
                  ": the password is wrong, or the user may not come from this machine; check user and "
                  "password of the source");
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
      return make(Code::kDenied, ": grant the user the right, such as GRANT SELECT ON database.*");
    case ER_BAD_DB_ERROR:
      return make(Code::kNotFound, ": check database of the source");
    case ER_NO_SUCH_TABLE:
      return make(Code::kNotFound, "");
    case ER_MASTER_FATAL_ERROR_READING_BINLOG:
      return make(Code::kOutOfRange, "");
    case ER_TABLE_DEF_CHANGED:
      return make(Code::kInvalid, ": the table was altered while it was read; extract it again");
    case ER_QUERY_INTERRUPTED:
      return make(Code::kIo, ": somebody killed the query; the same command goes on");
    case CR_UNKNOWN_HOST:
    case CR_CONN_HOST_ERROR:
    case CR_CONNECTION_ERROR:
      return make(Code::kIo,
                  ": check host and port of the source, that the server runs and that nothing "
                  "between blocks the way");
    case CR_SSL_CONNECTION_ERROR:
      return make(Code::kIo,
                  ": name the authority of its certificate as tls.ca_file, or read without TLS with tls: off "
                  "where the network is trusted");
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
      return make(Code::kIo, ": the connection broke; what was read is kept, and the same command goes on");
    default:
      return make(number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? Code::kIo : Code::kInvalid, "");
  }
}

std::unexpected<Error> failed(MYSQL* connection) {
  return fail(error_of(mysql_errno(connection), mysql_error(connection)));
}

void set_options(MYSQL* connection, const MysqlSource& source, unsigned read_timeout_s) {
  const unsigned off = 0;
  const my_bool yes = 1;
  mysql_optionsv(connection, MYSQL_OPT_CONNECT_TIMEOUT, &kConnectTimeoutS);
  mysql_optionsv(connection, MYSQL_OPT_READ_TIMEOUT, &read_timeout_s);
  mysql_optionsv(connection, MYSQL_OPT_LOCAL_INFILE, &off);
  mysql_optionsv(connection, MYSQL_OPT_MAX_ALLOWED_PACKET, &kPacketBytesMax);
  mysql_optionsv(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (source.tls == MysqlSource::Tls::kOff) return;
  mysql_optionsv(connection, MYSQL_OPT_SSL_ENFORCE, &yes);
  mysql_optionsv(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  if (!source.ca_file.empty()) mysql_optionsv(connection, MYSQL_OPT_SSL_CA, source.ca_file.c_str());
}

void break_off(MYSQL* connection) {
  my_socket socket = -1;
  if (mariadb_get_infov(connection, MARIADB_CONNECTION_SOCKET, &socket) == 0) shutdown(socket, SHUT_RDWR);
}

/// Notice within half a minute that the other machine is gone, however long a query may take.
void watch_peer(MYSQL* connection) {
  my_socket socket = -1;
  if (mariadb_get_infov(connection, MARIADB_CONNECTION_SOCKET, &socket) != 0) return;
  const auto set = [&](int level, int option, int value) {
    static_cast<void>(
        setsockopt(socket, level, option, &value, sizeof value));  // a Unix socket has none of these
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

MysqlRows::MysqlRows(MYSQL* connection, MYSQL_RES* result)
    : connection_(connection), result_(result), columns_(mysql_num_fields(result)) {}

MysqlRows::MysqlRows(MysqlRows&& other) noexcept
    : connection_(other.connection_),
      result_(std::exchange(other.result_, nullptr)),
      row_(other.row_),
      sizes_(other.sizes_),
      columns_(other.columns_),
      ended_(other.ended_) {}

MysqlRows::~MysqlRows() {
  if (result_ == nullptr) return;
  if (!ended_) break_off(connection_);
  mysql_free_result(result_);
}

Result<bool> MysqlRows::next() {
  row_ = mysql_fetch_row(result_);
  if (row_ != nullptr) {
    sizes_ = mysql_fetch_lengths(result_);
    return true;
  }
  ended_ = true;
  if (mysql_errno(connection_) != 0) return failed(connection_);
  return false;
}

std::size_t MysqlRows::bytes() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < columns_; ++i) sum += sizes_[i];
  return sum;
}

Result<std::unique_ptr<MysqlConnection>> MysqlConnection::connect(const MysqlSource& source,
                                                                  unsigned read_timeout_s) {
  static std::once_flag once;
  std::call_once(once, [] { mysql_server_init(0, nullptr, nullptr); });
  MYSQL* raw = mysql_init(nullptr);
  if (raw == nullptr) return fail(Code::kInternal, "no memory for a connection");
  std::unique_ptr<MysqlConnection> connection(new MysqlConnection(raw, source.address()));
  set_options(raw, source, read_timeout_s);
  const char* socket = source.socket.empty() ? nullptr : source.socket.c_str();
  if (mysql_real_connect(raw, source.host.c_str(), source.user.c_str(), source.password.c_str(),
                         source.database.c_str(), source.port, socket, CLIENT_REMEMBER_OPTIONS) == nullptr)
    return fail(error_of(mysql_errno(raw), mysql_error(raw)).with_context(source.address()));
  watch_peer(raw);
  MILLRACE_TRY(connection->execute(
      "SET SESSION time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, wait_timeout = 28800"));
  return connection;
}

MysqlConnection::~MysqlConnection() {
  mysql_close(connection_);
}

Status MysqlConnection::execute(const std::string& sql) {
  if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) return failed(connection_);
  MYSQL_RES* result = mysql_store_result(connection_);
  if (result != nullptr) mysql_free_result(result);
  return {};
}

Result<MysqlRows> MysqlConnection::stream(const std::string& sql) {
  if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) return failed(connection_);
  MYSQL_RES* result = mysql_use_result(connection_);
  if (result == nullptr) {
    if (mysql_errno(connection_) != 0) return failed(connection_);
    return fail(Code::kInternal, "a statement gave no rows");
  }
  return MysqlRows(connection_, result);
}

Result<std::vector<MysqlConnection::Row>> MysqlConnection::query(const std::string& sql) {
  MILLRACE_ASSIGN(auto all, query_with_names(sql));
  all.erase(all.begin());
  return all;
}

Result<std::vector<MysqlConnection::Row>> MysqlConnection::query_with_names(const std::string& sql) {
  if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) return failed(connection_);
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(mysql_store_result(connection_),
                                                                        mysql_free_result);
  if (!result) {
    if (mysql_errno(connection_) != 0) return failed(connection_);
    return fail(Code::kInternal, "a statement gave no rows");
  }
  std::vector<Row> rows(1);
  const unsigned count = mysql_num_fields(result.get());
  for (unsigned i = 0; i < count; ++i) rows[0].emplace_back(mysql_fetch_fields(result.get())[i].name);
  while (MYSQL_ROW cells = mysql_fetch_row(result.get())) {
    const auto* sizes = mysql_fetch_lengths(result.get());
    Row& row = rows.emplace_back();
    for (unsigned i = 0; i < count; ++i)
      row.push_back(cells[i] == nullptr ? std::nullopt : std::optional(std::string(cells[i], sizes[i])));
  }
  return rows;
}

Result<std::string> MysqlConnection::value(const std::string& sql) {
  MILLRACE_ASSIGN(auto rows, query(sql));
  if (rows.empty() || rows[0].empty()) return "";
  return rows[0][0].value_or("");
}

void MysqlConnection::interrupt() {
  break_off(connection_);
}

Error MysqlConnection::last_error() const {
  return error_of(mysql_errno(connection_), mysql_error(connection_)).with_context(address_);
}

bool MysqlConnection::is_mariadb() const {
  return mariadb_connection(connection_) != 0;
}

}  // namespace millrace
