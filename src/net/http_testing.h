#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace millrace {

/// A connection that sends any bytes a test likes and reads what comes back.
class RawConnection {
 public:
  /// Connect to a port on the loopback; the test fails when that does not work.
  explicit RawConnection(std::uint16_t port);

  /// Send all; returns false when the server has closed the connection.
  bool send(std::string_view bytes);

  /// Read until `mark` has come `count` times, the end of the connection, or the time-out; return everything
  /// read and not returned before.
  std::string read_until(std::string_view mark, int count = 1, DurationUs timeout = 5 * kSecondUs);

  /// Read until the server closes the connection, or the time-out.
  std::string read_to_end(DurationUs timeout = 5 * kSecondUs);

  /// Return whether a read has seen the end of the connection.
  bool ended() const { return ended_; }

  /// Tell the server that no more comes.
  void finish_sending();

  /// Reset the connection, as a crashed client's machine does.
  void abort();

  /// Make the kernel take as little as possible before somebody reads.
  void shrink_receive_buffer();

 private:
  bool read_some(std::string& into, DurationUs timeout);

  UniqueFd fd_;
  bool ended_ = false;
};

/// Open a server on a free port of the loopback; the test fails when that does not work.
std::unique_ptr<HttpServer> open_test_server(HttpHandler handler, HttpServerOptions options = {});

/// Return how often `part` stands in `text`.
int count_of(std::string_view text, std::string_view part);

/// Wait until `condition()`, for at most `timeout`; return whether it came true.
template <class Condition>
bool eventually(Condition condition, DurationUs timeout = 60 * kSecondUs);

/// Sleep for a moment between two looks.
void short_sleep();

template <class Condition>
bool eventually(Condition condition, DurationUs timeout) {
  for (DurationUs waited = 0; waited < timeout; waited += 2 * kMillisecondUs) {
    if (condition()) return true;
    short_sleep();
  }
  return condition();
}

}  // namespace millrace
