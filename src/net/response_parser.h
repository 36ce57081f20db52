#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace millrace {

/// Reads one answer after the other from the bytes of a connection; skips 1xx answers. Knows no sockets.
class ResponseParser {
 public:
  explicit ResponseParser(std::size_t body_bytes_max);
  ~ResponseParser();

  /// Begin the next answer. `to_head`: it answers a HEAD request, so it has no body.
  void reset(bool to_head);

  /// Give the body to `on_body` bit by bit instead of collecting it, for an answer with status 2xx. It
  /// returns false to stop, which makes `feed` fail with kCancelled. Holds until the next `reset`.
  void stream_body(std::function<bool(std::string_view)> on_body);

  /// Use up bytes of the current answer and return how many; offer the rest again with more after them.
  /// Errors: kCorrupt, kOutOfRange for a body beyond body_bytes_max, kCancelled.
  Result<std::size_t> feed(std::string_view bytes);

  /// The server has closed the connection, which may be the end of the answer. Errors: kIo when it is not.
  Status feed_end();

  bool done() const;
  bool begun() const;
  bool keep_alive() const;

  /// In done: hand out the answer.
  HttpResponse take();

 private:
  struct Parsed;
  class Core;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
