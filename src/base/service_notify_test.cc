#include "base/service_notify.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace millrace {
namespace {

/// The other end: a datagram socket, as systemd has one for each service.
class Listener {
 public:
  explicit Listener(std::string name) : name_(std::move(name)) {
    fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  ~Listener() {
    if (name_[0] != '@') ::unlink(name_.c_str());
  }

  /// Return the next message, "" when there is none.
  std::string next() {
    char text[1024];
    const ssize_t n = ::recv(fd_.get(), text, sizeof text, 0);
    return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

class ServiceNotifyTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string name() const {
    const std::string unique = GetParam() + std::to_string(getpid());
    return GetParam()[0] == '@' ? unique : (std::filesystem::temp_directory_path() / unique).string();
  }
};

TEST_P(ServiceNotifyTest, SaysWhatSystemdWaitsFor) {
  Listener listener(name());
  setenv("NOTIFY_SOCKET", name().c_str(), 1);
  setenv("WATCHDOG_USEC", "4000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  ServiceNotify notify = ServiceNotify::take_from_environment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "a child would speak for its parent";
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);

  notify.ready();
  EXPECT_EQ(listener.next(), "READY=1");
  notify.status("3 workers");
  notify.status("3 workers");
  EXPECT_EQ(listener.next(), "STATUS=3 workers");
  EXPECT_EQ(listener.next(), "") << "the same again is not sent";

  notify.feed(10 * kSecondUs);
  notify.feed(10 * kSecondUs + 999'999);
  EXPECT_EQ(listener.next(), "WATCHDOG=1");
  EXPECT_EQ(listener.next(), "") << "four times in the limit of four seconds are enough";
  EXPECT_TRUE(notify.is_hungry(11 * kSecondUs));
  notify.feed(11 * kSecondUs);
  EXPECT_EQ(listener.next(), "WATCHDOG=1");
  notify.stopping();
  EXPECT_EQ(listener.next(), "STOPPING=1");
}

INSTANTIATE_TEST_SUITE_P(Sockets, ServiceNotifyTest,
                         ::testing::Values("millrace-notify-", "@millrace-notify-"));

TEST(ServiceNotify, IsQuietWhereNobodyAsked) {
  setenv("WATCHDOG_USEC", "4000000", 1);
  setenv("WATCHDOG_PID", "1", 1);  // meant for another process
  ServiceNotify notify = ServiceNotify::take_from_environment();
  EXPECT_FALSE(notify.is_hungry(kHourUs));
  notify.ready();
  notify.feed(kHourUs);
}

}  // namespace
}  // namespace millrace
