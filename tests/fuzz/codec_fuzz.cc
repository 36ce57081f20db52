// Feeds any bytes to every codec: the first byte chooses the codec, the rest is the body. Build with
// clang and -fsanitize=fuzzer,address; a finding is an uncaught exception or a sanitizer's report.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "event/codec_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto codec = static_cast<millrace::CodecId>(1 + data[0] % 7);
  millrace::check_any_body(codec, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
