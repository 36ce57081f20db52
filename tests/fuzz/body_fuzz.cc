// Any body, by any codec: it is refused with a reason, or cut into records that decode again, to as many
// events as were counted, from a copy of their bytes and of their stored envelope.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "event/codec.h"

namespace {

using namespace millrace;

constexpr std::size_t kPadding = 64;  // simdjson reads that far

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

std::string padded(std::string_view bytes) {
  std::string copy(bytes);
  copy.reserve(copy.size() + kPadding);
  return copy;
}

void check_record(const BodyRecord& record) {
  const std::string value = padded(record.value);
  const auto envelope = decode_envelope(record.attributes);
  require(envelope.has_value(), "the envelope of an accepted record can be read");
  EventBatch batch;
  require(decode_record(*envelope, value, batch).has_value(), "an accepted record decodes");
  require(batch.events.size() == record.count, "a record holds as many events as it says");
}

void check_body(CodecId codec, std::string_view bytes) {
  const std::string body = padded(bytes);
  const BodyFacts facts{.source = "fuzz",
                        .received_time = 1'700'000'000'000'000,
                        .ip = "::1",
                        .message_id = "m",
                        .segment_type = "track"};
  const auto split = split_body(codec, body, facts, BodyLimits{});
  if (!split) {
    require(!split.error().message.empty(), "a refusal says why");
    return;
  }
  for (const BodyRecord& record : split->accepted) check_record(record);
  for (const RefusedRecord& record : split->refused) {
    require(!record.reason.message.empty(), "a refused record says why");
    require(decode_envelope(record.attributes).has_value(), "the envelope of a refused record can be read");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto codec = static_cast<CodecId>(1 + data[0] % 7);
  check_body(codec, std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
