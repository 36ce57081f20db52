#include "event/quarantine.h"

#include "event/json_writer.h"

namespace millrace {

namespace {

void write_facts(JsonWriter& json, std::string_view stage, std::string_view codec, const Error& reason,
                 const BodyFacts& facts) {
  json.member("stage", stage)
      .member("code", code_name(reason.code))
      .member("message", reason.message)
      .member("where", reason.where)
      .member("source", facts.source)
      .member("codec", codec)
      .member("first_attempt_us", facts.received_time)
      .member("last_attempt_us", facts.received_time)
      .member("ip", facts.ip)
      .member_if("message_id", facts.message_id)
      .member_if("user_agent", facts.user_agent);
  if (facts.replaces) json.member("replaces", true);
}

}  // namespace

std::string quarantine_header(std::string_view stage, std::string_view codec, const Error& reason,
                              const BodyFacts& facts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_facts(json, stage, codec, reason, facts);
  json.end_object();
  return out;
}

std::string quarantine_header(std::string_view stage, const Envelope& envelope, const Error& reason,
                              const BodyFacts& facts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_facts(json, stage, codec_name(envelope.codec), reason, facts);
  json.member_if("context", envelope.context).member_if("sent_us", envelope.sent_time);
  json.end_object();
  return out;
}

}  // namespace millrace
