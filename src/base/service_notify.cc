#include "base/service_notify.h"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace millrace {
namespace {

constexpr DurationUs kFeedsInLimit = 4;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value ? value : "";
  unsetenv(name);
  return text;
}

std::int64_t number_of(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

ServiceNotify ServiceNotify::take_from_environment() {
  ServiceNotify notify;
  notify.socket_ = take_variable("NOTIFY_SOCKET");
  const DurationUs limit = number_of(take_variable("WATCHDOG_USEC"));
  const std::string pid = take_variable("WATCHDOG_PID");
  if (pid.empty() || number_of(pid) == getpid()) notify.watchdog_ = limit;
  return notify;
}

void ServiceNotify::status(std::string_view text) {
  if (text == status_) return;
  status_ = text;
  send("STATUS=" + status_);
}

bool ServiceNotify::is_hungry(DurationUs steady_now) const {
  return watchdog_ > 0 && steady_now >= next_feed_;
}

void ServiceNotify::feed(DurationUs steady_now) {
  if (!is_hungry(steady_now)) return;
  next_feed_ = steady_now + watchdog_ / kFeedsInLimit;
  send("WATCHDOG=1");
}

void ServiceNotify::send(std::string_view message) const {
  sockaddr_un address{};
  if (socket_.size() < 2 || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return;
  // Nobody who listens is no failure of the service: whoever watches notices the silence.
  ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size()));
}

}  // namespace millrace
