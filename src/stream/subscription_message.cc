#include "stream/subscription_message.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/codec.h"
#include "event/json_text.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kContentType = "content_type";
constexpr std::string_view kAttributes = "attributes";
constexpr std::string_view kDeadLetter = "dead_letter";

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Take the members of a JSON header over as attributes; those of "attributes" and "dead_letter" one by one.
void take_json(std::string_view bytes, SubscriptionMessage& message) {
  const Json header = Json::parse(bytes, nullptr, false);
  if (!header.is_object()) return;
  for (const auto& [name, value] : header.items()) {
    if (name == kContentType && value.is_string()) {
      if (!value.get_ref<const std::string&>().empty()) message.content_type = value.get<std::string>();
    } else if (name == kAttributes && value.is_object()) {
      for (const auto& [inner, text] : value.items()) message.attributes[inner] = text_of(text);
    } else if (name == kDeadLetter && value.is_object()) {
      for (const auto& [inner, text] : value.items())
        message.attributes["dead_letter_" + inner] = text_of(text);
    } else {
      message.attributes[name] = text_of(value);
    }
  }
}

void take_envelope(std::string_view bytes, SubscriptionMessage& message) {
  const Result<Envelope> envelope = decode_envelope(bytes);
  if (!envelope) return;
  message.attributes["codec"] = codec_name(envelope->codec);
  if (!envelope->source.empty()) message.attributes["source"] = envelope->source;
}

void write_attributes(JsonWriter& json, const SubscriptionMessage& message) {
  json.key("attributes").begin_object();
  for (const auto& [name, value] : message.attributes) json.member(name, value);
  json.member_if(kContentType, message.content_type).end_object();
}

void write_data(JsonWriter& json, std::string& out, const SubscriptionMessage& message) {
  json.key("data").raw("\"");
  append_base64(message.data, out);
  out += '"';
}

PushBody pubsub_body(const SubscriptionMessage& message, std::string_view subscription) {
  PushBody body{"application/json", {}};
  body.text.reserve(message.data.size() * 4 / 3 + 512);
  const std::string id = message.id();
  const std::string time = format_time(message.publish_time);
  JsonWriter json(body.text);
  json.begin_object().key("message").begin_object();
  write_data(json, body.text, message);
  write_attributes(json, message);
  json.member("messageId", id).member("message_id", id);
  json.member("publishTime", time).member("publish_time", time).member_if("orderingKey", message.key);
  json.end_object()
      .member("subscription", subscription)
      .member("deliveryAttempt", message.attempt)
      .end_object();
  return body;
}

bool is_json(const SubscriptionMessage& message) {
  return message.content_type.find("json") != std::string::npos && is_utf8(message.data) &&
         json::check_json(message.data).has_value();
}

PushBody cloud_event_body(const SubscriptionMessage& message) {
  PushBody body{"application/cloudevents+json", {}};
  const auto type = message.attributes.find("type");
  JsonWriter json(body.text);
  json.begin_object().member("specversion", "1.0").member("id", message.id());
  json.member("source", "/v1/topics/" + message.topic);
  json.member("type", type == message.attributes.end() ? std::string("millrace.message") : type->second);
  json.key("time").time(message.publish_time);
  json.member_if("datacontenttype", message.content_type).member_if("partitionkey", message.key);
  if (is_json(message)) {
    json.key("data").raw(message.data);
  } else {
    json.member("data_base64", base64_encode(message.data));
  }
  json.end_object();
  return body;
}

}  // namespace

std::string AckId::text() const {
  return fmt::format("{}.{}.{}.{:x}", place.partition.value(), place.offset.value(), epoch, lease);
}

Result<AckId> AckId::parse(std::string_view text) {
  std::uint64_t numbers[4] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < 4; ++i) {
    const auto [rest, error] = std::from_chars(at, end, numbers[i], i == 3 ? 16 : 10);
    const bool separated = i == 3 ? rest == end : rest != end && *rest == '.';
    if (error != std::errc() || !separated)
      return fail(Code::kInvalid, fmt::format("'{}' is no ack_id; give back the one of the answer to a pull",
                                              text.substr(0, 40)));
    at = rest + 1;
  }
  if (numbers[0] > UINT32_MAX) return fail(Code::kInvalid, "the ack_id names no partition");
  return AckId{
      {PartitionId(static_cast<std::uint32_t>(numbers[0])), Offset(numbers[1])}, numbers[2], numbers[3]};
}

std::string SubscriptionMessage::id() const {
  return fmt::format("{}:{}:{}", topic, ack_id.place.partition.value(), ack_id.place.offset.value());
}

void take_record(const Record& record, std::string_view content_type, SubscriptionMessage& message) {
  message.publish_time = record.time;
  message.key = record.key;
  message.content_type = content_type;
  message.data = record.value;
  if (message.topic == kEventsTopic) {
    take_envelope(record.attributes, message);
  } else {
    take_json(record.attributes, message);
  }
}

void append_pulled_message(const SubscriptionMessage& message, std::string& out) {
  JsonWriter json(out);
  json.begin_object().member("ack_id", message.ack_id.text()).member("delivery_attempt", message.attempt);
  json.key("message").begin_object();
  write_data(json, out, message);
  write_attributes(json, message);
  json.member("message_id", message.id()).key("publish_time").time(message.publish_time);
  json.member_if("ordering_key", message.key).end_object().end_object();
}

PushBody push_body(const SubscriptionMessage& message, PushFormat format, std::string_view subscription) {
  return format == PushFormat::kPubSub ? pubsub_body(message, subscription) : cloud_event_body(message);
}

std::string dead_letter_attributes(const SubscriptionMessage& message, std::string_view subscription,
                                   std::string_view reason) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member(kContentType, message.content_type);
  json.key(kAttributes).begin_object();
  for (const auto& [name, value] : message.attributes) json.member(name, value);
  json.end_object();
  json.key(kDeadLetter).begin_object().member("subscription", subscription).member("topic", message.topic);
  json.member("partition", message.ack_id.place.partition.value());
  json.member("offset", message.ack_id.place.offset.value());
  json.key("publish_time").time(message.publish_time);
  json.member("attempts", message.attempt).member("reason", reason).end_object().end_object();
  return out;
}

std::optional<MessagePlace> dead_letter_place(std::string_view attributes, std::string_view subscription,
                                              std::string_view topic) {
  const Json header = Json::parse(attributes, nullptr, false);
  if (!header.is_object() || !header.contains(kDeadLetter)) return {};
  const Json& letter = header[std::string(kDeadLetter)];
  if (!letter.is_object() || letter.value("subscription", "") != subscription ||
      letter.value("topic", "") != topic)
    return {};
  const auto number = [&](const char* name) {
    const auto found = letter.find(name);
    return found != letter.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : UINT64_MAX;
  };
  const std::uint64_t partition = number("partition");
  if (partition > UINT32_MAX || number("offset") == UINT64_MAX) return {};
  return MessagePlace{PartitionId(static_cast<std::uint32_t>(partition)), Offset(number("offset"))};
}

}  // namespace millrace
