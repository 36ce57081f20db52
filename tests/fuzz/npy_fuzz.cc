// Any bytes as a .npy file, alone and with ids: refused, or read; what was read is written and reads the
// same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/npy.h"
#include "vector/embedding_file.h"

using namespace millrace;

namespace {

template <class Number>
bool same_bytes(const std::vector<Number>& a, const std::vector<Number>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Number)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto array = parse_npy_floats(bytes, "a.npy")) {
    const auto again = parse_npy_floats(encode_npy(array->values, array->shape), "a.npy");
    if (!again || again->shape != array->shape || !same_bytes(again->values, array->values)) std::abort();
  }
  if (const auto array = parse_npy_integers(bytes, "a.npy")) {
    const auto again = parse_npy_integers(encode_npy(array->values, array->shape), "a.npy");
    if (!again || again->shape != array->shape || !same_bytes(again->values, array->values)) std::abort();
  }
  const auto rows = parse_embedding_npy(bytes, "a.npy", "a\nb\n", "ids");
  if (!rows && rows.error().where.empty()) std::abort();
  return 0;
}
