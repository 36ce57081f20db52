#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"
#include "net/socket.h"

namespace millrace {

class TlsTrust;

/// A request to send. The client adds Host and Content-Length.
struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  std::string body;
  std::string content_type = "application/json";  ///< sent only with a body
  Headers headers;
};

struct AsyncHttpClientOptions {
  /// "HOST:PORT", or "unix:/path/to/socket".
  std::string address = "127.0.0.1:8080";
  std::optional<SocketAddress> resolved;        ///< what `address` stands for; none: `open` asks the resolver
  std::shared_ptr<TlsTrust> tls;                ///< speak TLS to a server that it trusts; none: plain HTTP
  std::size_t connections = 16;                 ///< kept alive; requests take them in turn
  std::size_t queue_requests_max = 10'000;      ///< sent or waiting for a connection
  DurationUs request_timeout = 30 * kSecondUs;  ///< from `send` to the last byte of the answer
  DurationUs connect_timeout = 10 * kSecondUs;
  std::size_t response_bytes_max = 16'000'000;
  bool open_all_first = false;  ///< `open` returns once every connection is open
};

/// A pool of keep-alive connections on a thread of its own, for those who send much: the simulator, load
/// tests. A connection that fails is opened again when it is needed; its request is not sent twice. Threads:
/// `send` from any thread.
class AsyncHttpClient {
 public:
  /// Gets the answer, whatever its status; runs on the client's thread and must not block.
  /// Errors: kNotFound (nothing listens there), kDenied (its certificate is not trusted), kDeadline, kIo,
  /// kCorrupt, kOutOfRange; kCancelled when the client is destroyed first.
  using Done = std::function<void(Result<HttpResponse>)>;

  /// Calls every outstanding `Done` with kCancelled.
  virtual ~AsyncHttpClient() = default;

  /// Errors: kInvalid for a bad address; with `open_all_first` also those of connecting.
  static Result<std::unique_ptr<AsyncHttpClient>> open(AsyncHttpClientOptions options);

  /// Queue a request; never blocks. Errors: kOverloaded when queue_requests_max are outstanding (`done` is
  /// then not called).
  virtual Status send(ClientRequest request, Done done) = 0;

  /// Return how many requests have no answer yet.
  virtual std::size_t outstanding() const = 0;

  /// Return how many connections are open.
  virtual std::size_t connections_open() const = 0;
};

}  // namespace millrace
