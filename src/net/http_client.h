#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"

namespace millrace {

struct HttpClientOptions {
  /// "HOST:PORT", or "unix:/path/to/socket".
  std::string address = "127.0.0.1:8080";
  DurationUs connect_timeout = 5 * kSecondUs;
  DurationUs request_timeout =
      60 * kSecondUs;  ///< for a whole `request`; for `request_lines` between two bytes
  std::size_t response_bytes_max = 1'000'000'000;  ///< of a body; a line has 16 MB at most
  Headers headers;                                 ///< sent with every request, as Authorization
};

/// A blocking HTTP/1.1 client with one kept-alive connection, for commands and tests. Reconnects by itself,
/// once, when the server has closed an idle connection. Threads: one at a time.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  /// Connect. Errors: kInvalid for a bad address; kNotFound when nothing listens there; kDeadline; kIo.
  static Result<std::unique_ptr<HttpClient>> connect(HttpClientOptions options);

  /// Send one request and return its answer, whatever its status is. A body gets Content-Length; Content-Type
  /// is application/json unless `headers` has one. Errors: kDeadline, kIo, kNotFound (as `connect`), kCorrupt
  /// when the answer is not HTTP, kOutOfRange when it is larger than response_bytes_max.
  virtual Result<HttpResponse> request(std::string_view method, std::string_view target,
                                       std::string_view body = {}, const Headers& headers = {}) = 0;

  /// As `request`, but hands on the lines of the answer's body (without "\n" or "\r\n") as they come:
  /// progress, JSON lines, server-sent events. `on_line` returns false to hang up. The answer returned has no
  /// body when its status is 2xx; the body of another status is not cut into lines but returned.
  virtual Result<HttpResponse> request_lines(std::string_view method, std::string_view target,
                                             std::string_view body, const Headers& headers,
                                             const std::function<bool(std::string_view line)>& on_line) = 0;

  Result<HttpResponse> get(std::string_view target) { return request("GET", target); }
};

}  // namespace millrace
