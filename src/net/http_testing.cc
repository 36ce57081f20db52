#include "net/http_testing.h"

#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace millrace {
namespace {

UniqueFd connect_or_fail(std::uint16_t port) {
  const auto written = fmt::format("127.0.0.1:{}", port);
  const auto address = resolve_address(written);
  auto fd = connect_to(*address, written, 5 * kSecondUs);
  if (fd) return *std::move(fd);
  ADD_FAILURE() << fd.error().text();
  return {};
}

}  // namespace

RawConnection::RawConnection(std::uint16_t port) : fd_(connect_or_fail(port)) {}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EAGAIN || !wait_for_socket(fd_.get(), true, 5 * kSecondUs)) {
      return false;
    }
  }
  return true;
}

bool RawConnection::read_some(std::string& into, DurationUs timeout) {
  if (ended_ || !wait_for_socket(fd_.get(), false, timeout)) return false;
  char bytes[16 * 1024];
  const auto n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  ended_ = n <= 0;
  if (!ended_) into.append(bytes, static_cast<std::size_t>(n));
  return !ended_;
}

std::string RawConnection::read_until(std::string_view mark, int count, DurationUs timeout) {
  std::string text;
  while (count_of(text, mark) < count && read_some(text, timeout)) {
  }
  return text;
}

std::string RawConnection::read_to_end(DurationUs timeout) {
  std::string text;
  while (read_some(text, timeout)) {
  }
  return text;
}

void RawConnection::finish_sending() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void RawConnection::abort() {
  const linger reset{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  fd_.reset();
}

void RawConnection::shrink_receive_buffer() {
  const int bytes = 4096;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

std::unique_ptr<HttpServer> open_test_server(HttpHandler handler, HttpServerOptions options) {
  options.listen = {"127.0.0.1:0"};
  auto server = HttpServer::open(std::move(options), std::move(handler));
  if (server) return *std::move(server);
  ADD_FAILURE() << server.error().text();
  return nullptr;
}

int count_of(std::string_view text, std::string_view part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

void short_sleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

}  // namespace millrace
