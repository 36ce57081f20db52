#include "base/record_address.h"

#include <charconv>

namespace millrace {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<RecordAddress> parse_record_id(std::string_view id) {
  const std::size_t last = id.rfind(':');
  const std::size_t middle = last == std::string_view::npos || last == 0 ? last : id.rfind(':', last - 1);
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  if (last == std::string_view::npos || middle == std::string_view::npos || middle == 0 || middle == last ||
      !read_number(id.substr(middle + 1, last - middle - 1), partition) ||
      !read_number(id.substr(last + 1), offset))
    return fail(Code::kInvalid, "a record's id is TOPIC:PARTITION:OFFSET, such as events:0:1234");
  return RecordAddress{{std::string(id.substr(0, middle)), PartitionId(partition)}, Offset(offset)};
}

}  // namespace millrace
