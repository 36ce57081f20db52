#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/http_server.h"

namespace millrace {

/// Reads one request after the other from the bytes of a connection. Knows no sockets.
class RequestParser {
 public:
  struct Limits {
    std::size_t header_bytes_max = 16 * 1024;
    std::function<HttpBodyLimits(std::string_view method, std::string_view path)> body;  ///< never empty
  };
  static constexpr std::size_t kFieldsMax = 256;

  enum class Step { kHead, kBody, kDone, kFailed };

  /// `limits` must live as long as the parser.
  explicit RequestParser(const Limits& limits);
  ~RequestParser();

  /// Use up bytes of the current request, as many as make sense, and return how many. Those not used must be
  /// offered again with more after them. Does nothing in kDone and kFailed.
  std::size_t feed(std::string_view bytes);

  Step step() const;

  /// The answer to give in kFailed; the connection is then of no further use.
  const HttpResponse& failure() const;

  /// Return whether the client waits for "100 Continue" before it sends its body. Valid in kBody.
  bool expects_continue() const;

  /// Return the bytes of the body still to come, when Content-Length says so, else 0. Valid in kBody.
  std::size_t body_bytes_left() const;

  // The following are valid from kBody on (kFailed only when the head was read).

  bool keep_alive() const;
  bool is_head() const;
  bool is_http_1_0() const;

  /// In kDone: unzip the body, where needed, and hand out the request. Errors: the answer to give.
  std::expected<HttpRequest, HttpResponse> take();

  /// Begin the next request.
  void reset();

 private:
  struct Parsed;
  class Core;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
