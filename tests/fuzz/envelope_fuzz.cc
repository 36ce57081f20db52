// Any bytes as a stored envelope: refused, or read and written back to an envelope that reads the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "event/codec.h"

namespace {

using namespace millrace;

bool same(const Envelope& a, const Envelope& b) {
  return a.codec == b.codec && a.codec_version == b.codec_version && a.source == b.source &&
         a.received_time == b.received_time && a.sent_time == b.sent_time && a.ip == b.ip &&
         a.user_agent == b.user_agent && a.message_id == b.message_id && a.context == b.context;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = decode_envelope(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!first) return 0;
  std::string written;
  encode_envelope(*first, written);
  const auto second = decode_envelope(written);
  if (!second || !same(*first, *second)) std::abort();
  return 0;
}
