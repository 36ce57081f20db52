#include "stream/quarantine_record.h"

#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& attributes, const char* key) {
  const auto found = attributes.find(key);
  return found != attributes.end() && found->is_string() ? found->get<std::string>() : std::string();
}

TimeUs time_of(const Json& attributes, const char* key, TimeUs otherwise) {
  const auto found = attributes.find(key);
  return found != attributes.end() && found->is_number_integer() ? found->get<TimeUs>() : otherwise;
}

}  // namespace

QuarantineRecord QuarantineRecord::of_refused(const Record& record) {
  auto attributes = Json::parse(record.attributes, nullptr, /*allow_exceptions=*/false);
  if (!attributes.is_object()) attributes = Json::object();
  QuarantineRecord made;
  made.stage_ = text_of(attributes, "stage");
  made.code_ = text_of(attributes, "code");
  made.message_ = text_of(attributes, "message");
  made.where_ = text_of(attributes, "where");
  made.source_ = text_of(attributes, "source");
  made.codec_ = text_of(attributes, "codec");
  made.ip_ = text_of(attributes, "ip");
  made.message_id_ = text_of(attributes, "message_id");
  made.user_agent_ = text_of(attributes, "user_agent");
  made.context_ = text_of(attributes, "context");
  if (attributes.contains("sent_us")) made.sent_time_ = time_of(attributes, "sent_us", record.time);
  made.replaces_ = attributes.value("replaces", Json()) == true;
  made.received_time_ = record.time;
  made.first_attempt_ = time_of(attributes, "first_attempt_us", record.time);
  made.last_attempt_ = time_of(attributes, "last_attempt_us", record.time);
  made.events_ = record.count;
  made.raw_ = record.value;
  return made;
}

QuarantineRecord QuarantineRecord::of_unfit(const Record& record, std::string_view stage,
                                            const Error& reason) {
  QuarantineRecord made;
  made.stage_ = stage;
  made.code_ = code_name(reason.code);
  made.message_ = reason.message;
  made.where_ = reason.where;
  if (const auto envelope = decode_envelope(record.attributes)) {
    made.source_ = envelope->source;
    made.codec_ = codec_name(envelope->codec);
    made.ip_ = envelope->ip;
    made.message_id_ = envelope->message_id;
    made.user_agent_ = envelope->user_agent;
    made.context_ = envelope->context;
    made.sent_time_ = envelope->sent_time;
  }
  made.received_time_ = made.first_attempt_ = made.last_attempt_ = record.time;
  made.events_ = record.count;
  made.raw_ = record.value;
  return made;
}

QuarantineRow QuarantineRecord::row() const {
  return {.received_time = received_time_,
          .stage = stage_,
          .code = code_,
          .message = message_,
          .where = where_,
          .source = source_,
          .codec = codec_,
          .ip = ip_,
          .first_attempt_time = first_attempt_,
          .last_attempt_time = last_attempt_,
          .events = events_,
          .message_id = message_id_,
          .user_agent = user_agent_,
          .context = context_,
          .sent_time = sent_time_,
          .replaces = replaces_,
          .raw = raw_};
}

}  // namespace millrace
