// Any bytes as a record of row changes: refused, or read and written back to a record that reads the same;
// its cells and its schema as far as they go.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "event/row_changes.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = decode_row_record(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!first) return 0;
  std::string written;
  encode_row_record(*first, written);
  const auto second = decode_row_record(written);
  if (!second || second->payload != first->payload || second->resume != first->resume ||
      second->count != first->count || second->table != first->table)
    std::abort();
  if (const auto cells = read_cells(first->payload)) {
    std::string again;
    for (const auto& cell : *cells) append_cell(cell ? RowCell(*cell) : RowCell(), again);
    const auto same = read_cells(again);
    if (!same || *same != *cells) std::abort();
  }
  if (const auto schema = TableSchema::from_json(first->payload)) (void)schema->key_places();
  return 0;
}
