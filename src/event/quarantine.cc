#include "event/quarantine.h"

#include "event/json_writer.h"

namespace millrace {

std::string quarantine_header(std::string_view stage, std::string_view codec, const Error& reason,
                              const BodyFacts& facts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("stage", stage)
      .member("code", code_name(reason.code))
      .member("message", reason.message)
      .member("where", reason.where)
      .member("source", facts.source)
      .member("codec", codec)
      .member("first_attempt_us", facts.received_time)
      .member("last_attempt_us", facts.received_time)
      .member("ip", facts.ip);
  if (!facts.message_id.empty()) json.member("message_id", facts.message_id);
  if (facts.replaces) json.member("replaces", true);
  json.end_object();
  return out;
}

std::string quarantine_header(std::string_view stage, CodecId codec, const Error& reason,
                              const BodyFacts& facts) {
  return quarantine_header(stage, codec_name(codec), reason, facts);
}

}  // namespace millrace
