#include "net/socket.h"

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kOutboxKeepBytes = 1024;  // of ten thousand idle connections each

std::string reason(int error) {
  return std::generic_category().message(error);
}

Result<SocketAddress> unix_address(std::string_view path) {
  SocketAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.size() >= sizeof un.sun_path)
    return fail(Code::kInvalid, fmt::format("the path of a Unix socket must have 1 to {} bytes: {}",
                                            sizeof un.sun_path - 1, path));
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

const char* unix_path(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_un&>(address.storage).sun_path;
}

Result<UniqueFd> open_socket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail(Code::kIo, "cannot open a socket: " + reason(errno));
  return fd;
}

/// Remove the file of a Unix socket that no process listens on any more.
Status remove_stale_socket(const SocketAddress& address) {
  struct stat info{};
  const char* path = unix_path(address);
  if (::lstat(path, &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return fail(Code::kExists, fmt::format("{} exists and is not a socket", path));
  MILLRACE_ASSIGN(auto probe, open_socket(AF_UNIX));
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN)
    return fail(Code::kExists, fmt::format("{} is in use by another program", path));
  ::unlink(path);
  return {};
}

std::unexpected<Error> listen_failure(std::string_view as_written, int error) {
  if (error == EADDRINUSE)
    return fail(Code::kExists,
                fmt::format("{} is in use by another program; choose another with --listen", as_written));
  const auto code = error == EACCES || error == EPERM ? Code::kDenied : Code::kIo;
  return fail(code, fmt::format("cannot listen on {}: {}", as_written, reason(error)));
}

std::unexpected<Error> connect_failure(std::string_view as_written, int error) {
  if (error == ECONNREFUSED || error == ENOENT)
    return fail(Code::kNotFound, fmt::format("nothing listens on {}", as_written));
  const auto code = error == ETIMEDOUT ? Code::kDeadline : Code::kIo;
  return fail(code, fmt::format("cannot connect to {}: {}", as_written, reason(error)));
}

Result<std::pair<std::string, std::string>> split_host_port(std::string_view address) {
  const auto colon = address.rfind(':');
  auto bad = [&] { return fail(Code::kInvalid, fmt::format("{}: an address is HOST:PORT", address)); };
  if (colon == std::string_view::npos) return bad();
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = address.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || port.empty() || error != std::errc() || rest != port.data() + port.size()) return bad();
  return std::pair(std::string(host), std::string(port));
}

}  // namespace

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, text, sizeof text);
  if (family() == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, text, sizeof text);
  return text;
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

std::string SocketAddress::text() const {
  if (family() == AF_INET) return fmt::format("{}:{}", ip(), port());
  if (family() == AF_INET6) return fmt::format("[{}]:{}", ip(), port());
  return std::string(kUnixPrefix);
}

Result<SocketAddress> resolve_address(std::string_view address) {
  if (address.starts_with(kUnixPrefix)) return unix_address(address.substr(kUnixPrefix.size()));
  MILLRACE_ASSIGN(const auto host_port, split_host_port(address));
  // Resolvers give ::1 for it first, or alone, while what is meant listens on 127.0.0.1 nearly always.
  const std::string host = host_port.first == "localhost" ? "127.0.0.1" : host_port.first;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), host_port.second.c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, ::freeaddrinfo);
  if (error != 0)
    return fail(Code::kInvalid, fmt::format("cannot resolve {}: {}", host, ::gai_strerror(error)));
  SocketAddress resolved;
  std::memcpy(&resolved.storage, found->ai_addr, found->ai_addrlen);
  resolved.size = found->ai_addrlen;
  return resolved;
}

Result<SocketAddress> resolve_address(std::string_view address, const std::stop_token& stop) {
  struct Asked {
    std::string address;
    std::mutex mutex;
    std::condition_variable_any done;
    std::optional<Result<SocketAddress>> found;  ///< guarded by mutex
  };
  const auto asked = std::make_shared<Asked>();
  asked->address = address;
  std::thread([asked] {
    auto found = resolve_address(asked->address);
    const std::lock_guard lock(asked->mutex);
    asked->found = std::move(found);
    asked->done.notify_all();
  }).detach();
  std::unique_lock lock(asked->mutex);
  asked->done.wait(lock, stop, [&] { return asked->found.has_value(); });
  if (!asked->found) return fail(Code::kCancelled, "stopped");
  return *std::move(asked->found);
}

Result<UniqueFd> listen_on(const SocketAddress& address, std::string_view as_written) {
  const bool is_unix = address.family() == AF_UNIX;
  if (is_unix) MILLRACE_TRY(remove_stale_socket(address));
  MILLRACE_ASSIGN(auto fd, open_socket(address.family()));
  const int on = 1;
  if (!is_unix) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (is_unix) ::fchmod(fd.get(), S_IRUSR | S_IWUSR);  // on Linux the file is made with the socket's mode
  if (::bind(fd.get(), address.get(), address.size) != 0) return listen_failure(as_written, errno);
  if (is_unix && ::chmod(unix_path(address), S_IRUSR | S_IWUSR) != 0)
    return listen_failure(as_written, errno);
  constexpr int kBacklog = 4096;
  if (::listen(fd.get(), kBacklog) != 0) return listen_failure(as_written, errno);
  return fd;
}

SocketAddress local_address(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  ::getsockname(fd, address.get(), &address.size);
  return address;
}

Result<UniqueFd> start_connect(const SocketAddress& address, std::string_view as_written) {
  MILLRACE_ASSIGN(auto fd, open_socket(address.family()));
  if (address.family() != AF_UNIX) set_no_delay(fd.get());
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
    return connect_failure(as_written, errno);
  return fd;
}

Status connect_outcome(int fd, std::string_view as_written) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return connect_failure(as_written, error);
  return {};
}

Result<UniqueFd> connect_to(const SocketAddress& address, std::string_view as_written, DurationUs timeout) {
  MILLRACE_ASSIGN(auto fd, start_connect(address, as_written));
  if (auto ready = wait_for_socket(fd.get(), true, timeout); !ready)
    return fail(std::move(ready).error().with_context(fmt::format("cannot connect to {}", as_written)));
  MILLRACE_TRY(connect_outcome(fd.get(), as_written));
  return fd;
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Status wait_for_socket(int fd, bool for_write, DurationUs timeout) {
  pollfd entry{fd, static_cast<short>(for_write ? POLLOUT : POLLIN), 0};
  const auto timeout_ms = static_cast<int>((timeout + kMillisecondUs - 1) / kMillisecondUs);
  int ready = 0;
  do ready = ::poll(&entry, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) return fail(Code::kIo, "waiting for the network failed: " + reason(errno));
  if (ready == 0) return fail(Code::kDeadline, fmt::format("no answer within {} ms", timeout_ms));
  return {};
}

Outbox::Flush Outbox::flush(int fd) {
  while (sent_ < bytes_.size()) {
    const auto n = ::send(fd, bytes_.data() + sent_, bytes_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (sent_ < bytes_.size() / 2) return Flush::kBlocked;
      bytes_.erase(0, sent_);
      sent_ = 0;
      return Flush::kBlocked;
    } else if (errno != EINTR) {
      return Flush::kFailed;
    }
  }
  clear();
  return Flush::kDone;
}

void Outbox::clear() {
  sent_ = 0;
  if (bytes_.capacity() > kOutboxKeepBytes) bytes_ = {};
  bytes_.clear();
}

}  // namespace millrace
