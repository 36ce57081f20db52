#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"

namespace millrace {

/// Where to listen or connect: an IP address and port, or a Unix socket's path.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  /// Return "203.0.113.7", "::1", or "" for a Unix socket.
  std::string ip() const;
  std::uint16_t port() const;
  /// Return "203.0.113.7:80", "[::1]:80", or "unix:".
  std::string text() const;
};

/// Resolve "HOST:PORT", "[IPv6]:PORT" or "unix:PATH". `localhost` is 127.0.0.1, whatever a resolver would
/// say. May ask the resolver, so it may block. Errors: kInvalid, saying what is wrong with it.
Result<SocketAddress> resolve_address(std::string_view address);

/// The same, but do not wait for the resolver any longer once `stop` is requested: a thread of its own asks
/// it, and is left behind. Errors: also kCancelled.
Result<SocketAddress> resolve_address(std::string_view address, const std::stop_token& stop);

/// Open a non-blocking socket that listens. A stale Unix socket is replaced; its mode is 0600.
/// Errors: kExists when in use; kDenied; kIo.
Result<UniqueFd> listen_on(const SocketAddress& address, std::string_view as_written);

/// Return the address a listening socket has, with its actual port.
SocketAddress local_address(int fd);

/// Open a non-blocking connection, waiting at most `timeout`.
/// Errors: kNotFound when nothing listens there; kDeadline; kIo.
Result<UniqueFd> connect_to(const SocketAddress& address, std::string_view as_written, DurationUs timeout);

/// Begin to connect: the socket is non-blocking, and writable once it is connected or has failed.
Result<UniqueFd> start_connect(const SocketAddress& address, std::string_view as_written);

/// Return how a connect that has come to its end went: ok, or the errors of `connect_to`.
Status connect_outcome(int fd, std::string_view as_written);

/// Send small writes at once.
void set_no_delay(int fd);

/// Wait until `fd` is readable (or writable), at most `timeout`. Errors: kDeadline, kIo.
Status wait_for_socket(int fd, bool for_write, DurationUs timeout);

/// Bytes on their way out of a non-blocking socket.
class Outbox {
 public:
  enum class Flush { kDone, kBlocked, kFailed };

  /// Append to this what is to be sent.
  std::string& bytes() { return bytes_; }
  std::size_t unsent() const { return bytes_.size() - sent_; }
  bool empty() const { return unsent() == 0; }

  /// Send as much as the socket takes. kBlocked: wait until it is writable, then flush again.
  Flush flush(int fd);

  void clear();

 private:
  std::string bytes_;
  std::size_t sent_ = 0;
};

}  // namespace millrace
