#include "base/npy.h"

#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;

struct TypeName {
  NpyType type;
  std::string_view text;
  std::size_t bytes;
};
constexpr std::array kTypes = {TypeName{NpyType::kFloat32, "<f4", 4}, TypeName{NpyType::kInt32, "<i4", 4},
                               TypeName{NpyType::kInt64, "<i8", 8}};

const TypeName& of(NpyType type) {
  return kTypes[static_cast<std::size_t>(type)];
}

/// Return the text after `'key':` in the dictionary of a header, up to the value's end.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  const auto at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size() + 3);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto end = rest.starts_with('(') ? rest.find(')') : rest.find_first_of(",}");
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, rest.starts_with('(') ? end + 1 : end);
}

/// Read "(3,)" or "(3, 4)".
std::optional<std::vector<std::size_t>> shape_of(std::string_view text) {
  std::vector<std::size_t> shape;
  text.remove_prefix(1);
  while (true) {
    while (text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
    if (text.starts_with(')')) return shape;
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    shape.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
}

std::unexpected<Error> damaged(std::string_view name, std::string_view what) {
  return fail(Code::kCorrupt, fmt::format("is no sound .npy file: {}", what), std::string(name));
}

/// Cut the dictionary out of a file's beginning; return it and where the data begins.
Result<std::pair<std::string_view, std::size_t>> header_of(std::string_view bytes, std::string_view name) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 12) return damaged(name, "it does not begin like one");
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]));
  };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3)
    return fail(Code::kInvalid, fmt::format("is of version {} of the .npy format; 1 to 3 are read", version),
                std::string(name));
  const std::size_t begin = version == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8U;
  if (version > 1) length |= byte(10) << 16U | byte(11) << 24U;
  if (length > bytes.size() - begin) return damaged(name, "it is cut short");
  return std::pair(bytes.substr(begin, length), begin + length);
}

}  // namespace

std::span<const float> NpyView::floats() const {
  assert(type == NpyType::kFloat32);
  return {reinterpret_cast<const float*>(data.data()), size()};
}

std::span<const std::int32_t> NpyView::int32s() const {
  assert(type == NpyType::kInt32);
  return {reinterpret_cast<const std::int32_t*>(data.data()), size()};
}

std::span<const std::int64_t> NpyView::int64s() const {
  assert(type == NpyType::kInt64);
  return {reinterpret_cast<const std::int64_t*>(data.data()), size()};
}

std::string npy_header(NpyType type, std::size_t rows, std::size_t columns) {
  const std::string shape =
      columns == 0 ? fmt::format("({},)", rows) : fmt::format("({}, {})", rows, columns);
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", of(type).text, shape);
  const std::size_t before = kMagic.size() + 4;
  text.append(kAlignment - (before + text.size() + 1) % kAlignment, ' ');
  text.push_back('\n');
  std::string header(kMagic);
  header.push_back('\x01');
  header.push_back('\x00');
  header.push_back(static_cast<char>(text.size() & 0xFFU));
  header.push_back(static_cast<char>(text.size() >> 8U));
  return header + text;
}

Result<NpyView> parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  MILLRACE_ASSIGN(const auto header, header_of(text, name));
  const auto type = value_of(header.first, "descr");
  const auto order = value_of(header.first, "fortran_order");
  const auto shape_text = value_of(header.first, "shape");
  if (!type || !order || !shape_text || !shape_text->starts_with('('))
    return damaged(name, "its header lacks descr, fortran_order or shape");
  const auto shape = shape_of(*shape_text);
  if (!shape) return damaged(name, fmt::format("its shape is {}", *shape_text));

  const auto refuse = [&](std::string what) {
    return fail(Code::kInvalid, std::move(what), std::string(name));
  };
  NpyView view;
  std::size_t width = 0;
  for (const TypeName& known : kTypes)
    if (type->find(known.text) != std::string_view::npos) {
      view.type = known.type;
      width = known.bytes;
    }
  if (width == 0)
    return refuse(
        fmt::format("holds {}; float32, int32 and int64 are read (numpy: array.astype('<f4'))", *type));
  if (*order != "False") return refuse("is in Fortran order; save numpy.ascontiguousarray(array)");
  if (shape->empty() || shape->size() > 2)
    return refuse(fmt::format("has {} dimensions; 1 and 2 are read", shape->size()));

  view.dimensions = static_cast<int>(shape->size());
  view.rows = shape->front();
  view.columns = shape->size() == 2 ? shape->back() : 1;
  view.data = bytes.subspan(header.second);
  const std::size_t held = view.data.size() / width;
  if (view.columns != 0 && view.rows > held / view.columns) return damaged(name, "it is cut short");
  if (view.size() * width != view.data.size()) return damaged(name, "it is longer than its shape");
  if (reinterpret_cast<std::uintptr_t>(view.data.data()) % width != 0)
    return damaged(name, "its data is not aligned");
  return view;
}

}  // namespace millrace
