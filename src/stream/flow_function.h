#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "stream/subscription_message.h"

namespace millrace {

/// What a function made of one message.
struct FlowOutcome {
  enum class Kind : std::uint8_t {
    kPublish,  ///< `data` takes its place
    kDrop,     ///< nothing does
    kFailed,   ///< for good, because of `error`
    kAgain,    ///< this try failed because of `error`; a further one may do better
  };

  Kind kind = Kind::kDrop;
  std::string data;
  Error error;
};

/// Makes of each message another one, or nothing. Threads: one at a time.
class FlowFunction {
 public:
  virtual ~FlowFunction() = default;

  /// Apply it to messages, in order, and return an outcome for each. Takes as long as its own deadline at
  /// most. Errors: it could not be tried at all, as when nobody listens; the same messages are to be tried
  /// later.
  virtual Result<std::vector<FlowOutcome>> apply(std::span<const SubscriptionMessage* const> messages) = 0;
};

}  // namespace millrace
