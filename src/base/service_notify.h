#pragma once

#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace {

/// Tells systemd, or whoever else set NOTIFY_SOCKET, how a service does: sd_notify(3) over its datagram
/// socket. Does nothing where nobody asked for it. Threads: one at a time.
class ServiceNotify {
 public:
  /// Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and take them out of the environment, so that no
  /// child speaks in this process's name. Call it before other threads start.
  static ServiceNotify take_from_environment();

  void ready() const { send("READY=1"); }
  void stopping() const { send("STOPPING=1"); }

  /// Say in a line what goes on; `systemctl status` shows it. Sent only when it is another than the last.
  void status(std::string_view text);

  /// Feed the watchdog if it is time again, which is four times in its limit. Call it often, and only while
  /// all is well: whoever watches ends the process when it was not fed within the limit.
  void feed(DurationUs steady_now);

  /// Return whether `feed` has somebody to feed at this moment.
  bool is_hungry(DurationUs steady_now) const;

 private:
  void send(std::string_view message) const;

  std::string socket_;        ///< "" when nobody asked
  DurationUs watchdog_ = 0;   ///< its limit; 0: none
  DurationUs next_feed_ = 0;  ///< of the steady clock
  std::string status_;
};

}  // namespace millrace
