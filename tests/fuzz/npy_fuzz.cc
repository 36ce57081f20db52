// Any bytes as a .npy file, alone and with ids: refused, or read; what was read is written and reads the
// same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "base/npy.h"
#include "vector/embedding_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto array = parse_npy(std::as_bytes(std::span(bytes)), "a.npy")) {
    std::string written = npy_header(array->type, array->rows, array->dimensions == 2 ? array->columns : 0);
    written.append(reinterpret_cast<const char*>(array->data.data()), array->data.size());
    const auto again = parse_npy(std::as_bytes(std::span(written)), "a.npy");
    if (array->dimensions == 2 && array->columns == 0) return 0;  // which a header of ours cannot say
    if (!again || again->type != array->type || again->rows != array->rows ||
        again->columns != array->columns || again->data.size() != array->data.size() ||
        (!array->data.empty() &&
         std::memcmp(again->data.data(), array->data.data(), array->data.size()) != 0))
      std::abort();
  }
  const auto rows = parse_embedding_npy(bytes, "a.npy", "a\nb\n", "ids");
  if (!rows && rows.error().where.empty()) std::abort();
  return 0;
}
