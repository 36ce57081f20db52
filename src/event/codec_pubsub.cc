#include <fmt/format.h>

#include "base/text.h"
#include "event/codecs.h"

namespace millrace {
namespace {

using json::od::value;

Status read_attributes(value& from, EventBatch& batch, std::string_view& codec) {
  if (json::kind_of(from) != json::Kind::kObject) return json::check_value(from);
  MILLRACE_ASSIGN(json::od::object attributes, json::object_of(from));
  return json::each_member(attributes, batch, [&](std::string_view key, value& member) -> Status {
    return key == "codec" ? json::read_text(member, batch, codec) : json::check_value(member);
  });
}

struct Wrapper {
  std::string_view data, codec, message_id;
  bool has_message = false;
};

Status read_message(value& from, EventBatch& batch, Wrapper& wrapper) {
  MILLRACE_ASSIGN(json::od::object message, json::object_of(from));
  wrapper.has_message = true;
  return json::each_member(message, batch, [&](std::string_view key, value& member) -> Status {
    if (key == "data") return json::read_text(member, batch, wrapper.data);
    if (key == "attributes") return read_attributes(member, batch, wrapper.codec);
    if (key == "messageId" || key == "message_id") return json::read_id(member, batch, wrapper.message_id);
    return json::check_value(member);
  });
}

Result<CodecId> codec_of_push(std::string_view name, CodecId otherwise) {
  if (name.empty()) return otherwise;
  const auto codec = codec_of(name);
  if (codec && *codec != CodecId::kPubSub) return *codec;
  return fail(Code::kInvalid,
              fmt::format("'{}' is not a codec; use native, segment, cloudevents, visit, "
                          "activity or ga4",
                          name.substr(0, 64)),
              "message.attributes.codec");
}

}  // namespace

Result<PushedMessage> unwrap_push(std::string_view text, CodecId otherwise) {
  EventBatch scratch;
  Wrapper wrapper;
  MILLRACE_TRY(json::each_member_of(text, scratch, [&](std::string_view key, value& member) -> Status {
    return key == "message" ? read_message(member, scratch, wrapper) : json::check_value(member);
  }));
  if (!wrapper.has_message) return fail(Code::kInvalid, "a push needs its message", "message");
  if (wrapper.data.empty()) return fail(Code::kInvalid, "the message has no data", "message.data");
  PushedMessage message;
  MILLRACE_ASSIGN(message.codec, codec_of_push(wrapper.codec, otherwise));
  auto data = base64_decode(wrapper.data);
  if (!data) return fail(json::under("message", json::under("data", std::move(data).error())));
  message.data = *std::move(data);
  message.data.append(PushedMessage::kBytesAfter, ' ');
  message.message_id = wrapper.message_id;
  return message;
}

Status decode_pubsub(const Envelope& envelope, std::string_view text, EventBatch& out) {
  MILLRACE_ASSIGN(const PushedMessage message, unwrap_push(text, CodecId::kNative));
  Envelope inner = envelope;
  inner.codec = message.codec;
  if (inner.message_id.empty()) inner.message_id = out.keep(message.message_id);
  return decode_record(inner, keep_padded(message.view(), out), out);
}

}  // namespace millrace
