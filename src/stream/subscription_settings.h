#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// How a pushed message is wrapped.
enum class PushFormat : std::uint8_t {
  kPubSub,       ///< Pub/Sub's wrapped message
  kCloudEvents,  ///< one CloudEvent 1.0, structured JSON
};

struct PushSettings {
  std::string url;  ///< http://HOST:PORT/PATH, below one of the allowed targets
  PushFormat format = PushFormat::kPubSub;

  bool operator==(const PushSettings&) const = default;
};

/// Where a new subscription begins.
enum class StartAt : std::uint8_t {
  kEnd,    ///< with what is published from now on
  kStart,  ///< with the oldest message that the topic still has
};

/// What a person says of a subscription; the fields of PUT /v1/subscriptions/{name}.
struct SubscriptionSettings {
  std::string topic;
  StartAt start = StartAt::kEnd;  ///< counts when the subscription is made
  bool ordered = false;           ///< a message of a key only after the one before it was acknowledged
  DurationUs ack_deadline = 10 * kSecondUs;  ///< a message that is not acknowledged by then comes again
  std::uint32_t max_outstanding = 1'000;     ///< messages handed out and not acknowledged
  std::uint64_t max_outstanding_bytes = 64ull << 20;
  DurationUs retry_min = 100 * kMillisecondUs;  ///< before a refused message comes again, doubled each time …
  DurationUs retry_max = kMinuteUs;             ///< … up to this
  std::uint32_t max_attempts = 0;               ///< deliveries before it is a dead letter; 0: no end
  std::string dead_letter_topic;                ///< needed by `max_attempts`; made when there is none
  std::optional<PushSettings> push;             ///< none: pull

  bool operator==(const SubscriptionSettings&) const = default;
};

/// Read the JSON of a request. Errors: kInvalid, naming the member and what it takes.
Result<SubscriptionSettings> parse_subscription_settings(std::string_view json);

/// Write all settings as JSON that `parse_subscription_settings` reads back to the same.
std::string subscription_settings_json(const SubscriptionSettings& settings);

/// Refuse a name that is not of [A-Za-z0-9._-]{1,100}. Errors: kInvalid.
Status check_subscription_name(std::string_view name);

}  // namespace millrace
