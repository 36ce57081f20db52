#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"
#include "net/responder.h"

namespace millrace {

/// How large a body may be, for one request, and whether it is unzipped without being asked to.
struct HttpBodyLimits {
  std::size_t wire_bytes_max = 1'000'000;       ///< as sent, without chunk headers; beyond it 413
  std::size_t unzipped_bytes_max = 16'000'000;  ///< after gunzip; beyond it 413
  bool sniff_gzip =
      true;  ///< also unzip what only looks like gzip; off where any bytes must be kept as they are
};

struct HttpServerOptions {
  /// "HOST:PORT" each; "[::1]:8080" for IPv6; port 0 takes a free one, see `HttpServer::addresses`.
  std::vector<std::string> listen = {"127.0.0.1:8080"};

  /// Also listen on this Unix socket (made with mode 0600; a stale file is replaced) unless "".
  std::string unix_socket;

  int threads = 2;
  std::size_t header_bytes_max = 16 * 1024;  ///< start line and fields; beyond it 431
  HttpBodyLimits body_limits;

  /// Choose other body limits by method and path; may be empty. Runs on an io thread, must not block.
  std::function<HttpBodyLimits(std::string_view method, std::string_view path)> body_limits_for;

  std::size_t connections_max = 20'000;              ///< beyond it a connection gets 503 and is closed
  std::size_t stream_buffer_bytes_max = 256 * 1024;  ///< unsent bytes at which a stream's client is cut off

  DurationUs request_timeout = 30 * kSecondUs;  ///< first to last byte of a request; then 408
  DurationUs idle_timeout = 75 * kSecondUs;     ///< between requests on a connection; then closed
  DurationUs write_timeout = 30 * kSecondUs;    ///< without the client taking one byte; then closed
};

struct HttpServerStats {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;  ///< over connections_max
  std::uint64_t requests_total = 0;       ///< handed to the handler
  std::uint64_t malformed_total = 0;      ///< answered 4xx by the server itself
  std::uint64_t timeouts_total = 0;       ///< closed by any of the three time-outs
  std::uint64_t slow_streams_total = 0;   ///< cut off by stream_buffer_bytes_max
};

/// An HTTP/1.1 (and 1.0) server: keep-alive, pipelining (answered in order), chunked and gzipped request
/// bodies, `Expect: 100-continue`, HEAD (the body is dropped), streams. What is malformed it answers itself
/// with
/// {"code","message"}; everything else goes to the handler.
/// Threads: `threads` io threads, each with its own connections; the methods from any thread.
class HttpServer {
 public:
  virtual ~HttpServer() = default;

  /// Listen and serve. Errors: kInvalid for an address that does not parse or resolve; kExists when one is in
  /// use (the message says which and what to do); kDenied for a port or a path one may not use; kIo.
  static Result<std::unique_ptr<HttpServer>> open(HttpServerOptions options, HttpHandler handler);

  /// Return the addresses listened on, with actual ports: "127.0.0.1:41873". Without the Unix socket.
  virtual const std::vector<std::string>& addresses() const = 0;

  /// Return the port of the first address.
  virtual std::uint16_t port() const = 0;

  /// Stop: accept no more, close idle connections, answer the requests that have begun (`Connection: close`)
  /// and end streams, all for at most `grace`; then close what is left. Blocks until done; the handler is not
  /// called afterwards. The destructor stops with no grace.
  virtual void stop(DurationUs grace) = 0;

  virtual HttpServerStats stats() const = 0;
};

}  // namespace millrace
