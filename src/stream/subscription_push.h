#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "stream/subscription_message.h"

namespace millrace {

/// How one push ended.
struct PushOutcome {
  enum class Kind : std::uint8_t {
    kAcknowledged,
    kRefused,      ///< answered otherwise, too late, or the connection broke: counts as a delivery
    kUnreachable,  ///< nobody took the connection: the message never left, and it does not count
  };
  Kind kind = Kind::kAcknowledged;
  std::string text;                         ///< what went wrong, for people; no secrets
  std::optional<DurationUs> retry_after{};  ///< what the endpoint asked for
};

/// Sends to one endpoint. Threads: any.
class PushSender {
 public:
  /// Runs on any thread, once for each `send`; must be short.
  using Done = std::function<void(PushOutcome)>;

  /// Ends what is under way; each outstanding `Done` is called before it returns.
  virtual ~PushSender() = default;

  /// Post a body; never blocks. `id` stays the same when the message comes again.
  virtual void send(std::string_view id, PushBody body, Done done) = 0;
};

/// Knows where pushes may go and how to get there. Must be usable from any thread.
class PushTargets {
 public:
  virtual ~PushTargets() = default;

  /// Errors: kDenied for a URL that the configuration does not allow, kInvalid for one that is none; with the
  /// remedy.
  virtual Status check(std::string_view url) const = 0;

  /// Make a sender; never blocks. A push without an answer fails after `timeout`; at most `at_once_max` are
  /// under way. Errors: those of `check`.
  virtual Result<std::unique_ptr<PushSender>> open(std::string_view url, DurationUs timeout,
                                                   std::size_t at_once_max) = 0;
};

/// How many pushes to one endpoint may be under way, and how long to leave it alone: the slow start and
/// multiplicative decrease of TCP's congestion control (RFC 5681), counted in messages.
class PushWindow {
 public:
  struct Options {
    std::size_t first = 4;
    std::size_t most = 64;
    DurationUs pause_min =
        100 * kMillisecondUs;          ///< after a failure at one at a time, doubled for each further …
    DurationUs pause_max = kMinuteUs;  ///< … up to this
  };
  explicit PushWindow(const Options& options);

  void succeeded();
  /// `jitter` is evenly spread over [0, 1): the pause is between half and all of what it would be.
  void failed(DurationUs now, double jitter, std::optional<DurationUs> retry_after = {});

  std::size_t size() const { return static_cast<std::size_t>(size_); }
  DurationUs paused_until() const { return paused_until_; }

 private:
  const Options options_;
  double size_;
  double threshold_;            ///< up to here it grows by one a success, beyond by one a window of successes
  std::uint32_t failures_ = 0;  ///< in a row
  std::uint32_t pauses_ = 0;    ///< in a row
  DurationUs paused_until_ = 0;
};

}  // namespace millrace
