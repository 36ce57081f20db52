#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace millrace {

/// The body of an answer that is written bit by bit: server-sent events, progress, long downloads.
/// Writes may share a chunk. Dropping the last reference ends the answer as `end` does.
/// Threads: any method from any thread.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;

  /// Queue `bytes` for the client; never blocks. Returns false when the stream is over: it was ended, the
  /// client went, or it reads slower than the bound of its buffer allows, in which case it is disconnected.
  virtual bool write(std::string_view bytes) = 0;

  /// End the answer; the connection stays usable for the next request. Later writes are refused.
  virtual void end() = 0;

  /// Return whether a write could still reach the client.
  virtual bool open() const = 0;

  /// Call `callback` once when the client is gone or the answer has ended; at once when that has happened
  /// already. It runs on an io thread (or the caller's), and must not block. One callback a stream.
  virtual void on_close(std::function<void()> callback) = 0;

  /// Return the bytes queued and not yet handed to the operating system.
  virtual std::size_t buffered_bytes() const = 0;
};

/// Takes the answers of requests. The server's io threads are one; tests that call a handler without a
/// socket write their own. Threads: any method from any thread.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  virtual void send(std::uint64_t ticket, HttpResponse response) = 0;
  virtual std::shared_ptr<ResponseStream> start_stream(std::uint64_t ticket, HttpResponse head) = 0;
};

/// The right to answer one request, once, from any thread, now or later. Copies share that right (so it fits
/// into a std::function); the first answer wins and later ones are ignored. When the last copy is dropped
/// without an answer the client gets 500. Outliving the connection or the server is fine: the answer is
/// dropped.
class Responder {
 public:
  Responder() = default;

  /// Answer `ticket` through `sink`.
  Responder(std::shared_ptr<ResponseSink> sink, std::uint64_t ticket);

  /// Answer. Cheap from a foreign thread: a push under a short lock, one wake-up for a burst.
  void send(HttpResponse response) const;

  /// Answer with a stream (200; Content-Type and `headers` as given). Null when there was an answer already.
  std::shared_ptr<ResponseStream> start_stream(std::string content_type, Headers headers = {}) const;

  /// Return whether `send` or `start_stream` has been called.
  bool answered() const;

 private:
  struct Right;
  std::shared_ptr<Right> right_;
};

/// Gets every request; runs on an io thread and must not block. See HttpServer.
using HttpHandler = std::function<void(HttpRequest&&, Responder)>;

}  // namespace millrace
