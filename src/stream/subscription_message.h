#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "log/event_log.h"
#include "stream/subscription_settings.h"

namespace millrace {

/// Where a message lies in the topic of its subscription.
struct MessagePlace {
  PartitionId partition;
  Offset offset;

  auto operator<=>(const MessagePlace&) const = default;
};

/// Names one delivery of one message; a consumer gives it back as text: "0.41.2.9f3a01".
struct AckId {
  MessagePlace place;
  std::uint64_t epoch = 0;  ///< how often the subscription had been sought; those of an earlier one are void
  std::uint64_t lease = 0;  ///< number of the delivery, unlike any other also of an earlier process

  std::string text() const;
  /// Errors: kInvalid.
  static Result<AckId> parse(std::string_view text);

  bool operator==(const AckId&) const = default;
};

/// A message on its way to a consumer. Owns its bytes.
struct SubscriptionMessage {
  AckId ack_id;
  std::uint32_t attempt = 1;  ///< 1 at its first delivery
  std::string topic;
  TimeUs publish_time = 0;
  std::string key;
  std::string content_type;                       ///< "" when nobody said
  std::map<std::string, std::string> attributes;  ///< without the content type
  std::string data;

  /// Return "clicks:0:41", which stays the same for each delivery and each subscription.
  std::string id() const;
};

/// Fill in what a record says: key, time, data, and of its attributes what they are for its topic: the codec
/// and the source of an event, the members of a JSON object of other topics. `content_type` is the topic's.
void take_record(const Record& record, std::string_view content_type, SubscriptionMessage& message);

/// Append {"ack_id","delivery_attempt","message":{"data": base64,"attributes","message_id","publish_time",
/// "ordering_key"}}: one message of an answer to a pull.
void append_pulled_message(const SubscriptionMessage& message, std::string& out);

/// A body to push and its type.
struct PushBody {
  std::string content_type;
  std::string text;
};

/// Wrap a message for a push. Pub/Sub's names stand in both of its spellings.
PushBody push_body(const SubscriptionMessage& message, PushFormat format, std::string_view subscription);

/// Write the small header of a dead letter: what the message's was, and where and why it ended. A
/// subscription of the dead-letter topic shows both as attributes.
std::string dead_letter_attributes(const SubscriptionMessage& message, std::string_view subscription,
                                   std::string_view reason);

/// Return where a dead letter of `subscription` lay in its topic, or nothing for one of another subscription.
std::optional<MessagePlace> dead_letter_place(std::string_view attributes, std::string_view subscription,
                                              std::string_view topic);

}  // namespace millrace
