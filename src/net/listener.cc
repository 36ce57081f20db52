#include "net/listener.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/socket.h>

#include "base/logging.h"

namespace millrace {

using boost::system::error_code;

Listener::Listener(IoThread& io, UniqueFd fd, OnConnection on_connection)
    : descriptor_(io.context().get_executor(), fd.release()),
      pause_timer_(io.context().get_executor()),
      on_connection_(std::move(on_connection)) {}

void Listener::start() {
  descriptor_.async_wait(decltype(descriptor_)::wait_read, [this](const error_code& error) {
    if (!error) accept_all();
  });
}

void Listener::close() {
  error_code ignored;
  descriptor_.close(ignored);
  pause_timer_.cancel();
}

void Listener::accept_all() {
  constexpr int kBurst = 64;  // then let the connections have their turn
  for (int i = 0; i < kBurst; ++i) {
    if (accept_one()) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return pause();
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
  }
  start();
}

// Returns false with errno set when there was none.
bool Listener::accept_one() {
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  UniqueFd fd(::accept4(descriptor_.native_handle(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return false;
  on_connection_({std::move(fd), peer.ip()});
  return true;
}

// Out of files or memory: the socket stays readable, so waiting for it would spin.
void Listener::pause() {
  log_warning("http", "cannot accept a connection; trying again", {field("errno", errno)});
  pause_timer_.expires_after(std::chrono::milliseconds(100));
  pause_timer_.async_wait([this](const error_code& error) {
    if (!error) accept_all();
  });
}

}  // namespace millrace
