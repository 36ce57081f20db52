// Any bytes as a file of embeddings: refused with a place, or read; what was read is written and reads the
// same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "vector/embedding_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = parse_embedding_csv(std::string_view(reinterpret_cast<const char*>(data), size), "e.csv");
  if (!read) {
    if (read.error().message.empty() || !read.error().where.starts_with("e.csv")) std::abort();
    return 0;
  }
  if (read->rows.values.size() != read->rows.ids.size() * read->dimensions) std::abort();
  const auto again = parse_embedding_csv(embedding_csv(*read), "e.csv");
  if (!again || again->rows.ids != read->rows.ids || again->rows.values != read->rows.values) std::abort();
  return 0;
}
