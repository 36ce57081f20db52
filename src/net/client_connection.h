#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include "net/async_http_client.h"
#include "net/response_parser.h"
#include "net/socket.h"
#include "net/tls_client.h"

namespace millrace {

/// A request on its way to an answer.
struct ClientJob {
  ClientRequest request;
  AsyncHttpClient::Done done;
  std::chrono::steady_clock::time_point deadline;
};

struct ConnectionSettings {
  SocketAddress address;
  std::string as_written;
  std::shared_ptr<TlsTrust> tls;  ///< or none
  std::string host;               ///< whom the certificate must name
  DurationUs connect_timeout = 0;
  std::size_t response_bytes_max = 0;
};

class ClientConnection;

/// What a connection tells the pool it belongs to.
struct ConnectionEvents {
  std::function<void(ClientConnection&, Status)> opened;  ///< `open` is over, one way or the other
  std::function<void(ClientConnection&, ClientJob, Result<HttpResponse>)> answered;
  std::function<void(ClientConnection&)> lost;  ///< it was open and no longer is; comes before `answered`
};

/// One keep-alive connection of an AsyncHttpClient; may be opened again and again.
/// Threads: the one that runs its executor.
class ClientConnection {
 public:
  using Clock = std::chrono::steady_clock;
  using Executor = boost::asio::io_context::executor_type;

  ClientConnection(Executor executor, const ConnectionSettings& settings, ConnectionEvents events);

  /// Connect; `opened` tells the outcome, never before this returns.
  void open();
  bool idle() const { return phase_ == Phase::kIdle; }

  /// Send a request; needs `idle()`.
  void send(ClientJob job);

  /// Fail what has taken too long.
  void check_deadline(Clock::time_point now);

  /// Close; a request under way fails with `why`.
  void close(const Error& why);

 private:
  enum class Phase { kClosed, kConnecting, kIdle, kBusy };
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor>;

  void on_connected(Status outcome);
  void on_opened(Status outcome);
  Status begin_tls();
  void flush();
  void start_read();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void on_end(const boost::system::error_code& error);
  void on_tls(std::string_view bytes);
  void parse(std::string_view bytes);
  void finish();

  const ConnectionSettings& settings_;
  const ConnectionEvents events_;
  const std::string host_;
  Socket socket_;
  Phase phase_ = Phase::kClosed;
  std::uint64_t generation_ = 0;  ///< of the socket: callbacks of an earlier one are ignored
  std::optional<ClientJob> job_;  ///< in kBusy
  Clock::time_point connect_deadline_;
  std::unique_ptr<TlsClientSession> tls_;  ///< of this opening, when it speaks TLS
  ResponseParser parser_;
  Outbox outbox_;
  bool write_blocked_ = false;
  std::vector<char> buffer_;  ///< what the wire brings is read into it
  std::string unparsed_;      ///< bytes that the parser did not take yet, decrypted
};

}  // namespace millrace
