#include "base/npy.h"

#include <bit>
#include <cassert>
#include <charconv>
#include <cstring>
#include <functional>
#include <numeric>

#include <fmt/format.h>

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read and written little-endian");

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::size_t kNpyAlignment = 64;  ///< of the values, from the file's beginning
constexpr std::size_t kNpyHeaderBytesMax = 64 << 10;

template <class Number>
struct NpyKind;
template <>
struct NpyKind<float> {
  static constexpr std::string_view kDescr = "<f4";
  static constexpr std::string_view kPython = "float32";
};
template <>
struct NpyKind<std::int64_t> {
  static constexpr std::string_view kDescr = "<i8";
  static constexpr std::string_view kPython = "int64";
};

/// What a header says of an array.
struct NpyHeader {
  std::string_view descr;
  bool fortran_order = false;
  std::vector<std::size_t> shape;
};

/// Reads the Python dict of a header: the three keys that there are, in any order.
class NpyHeaderReader {
 public:
  explicit NpyHeaderReader(std::string_view text) : rest_(text) {}

  bool read(NpyHeader& header) {
    bool descr = false, order = false, shape = false;
    if (!take('{')) return false;
    while (!take('}')) {
      std::string_view key;
      if (!quoted(key) || !take(':')) return false;
      if (key == "descr" && !descr)
        descr = quoted(header.descr);
      else if (key == "fortran_order" && !order)
        order = boolean(header.fortran_order);
      else if (key == "shape" && !shape)
        shape = tuple(header.shape);
      else
        return false;
      if (!take(',') && !peek('}')) return false;
    }
    blanks();
    return descr && order && shape && rest_.empty();
  }

 private:
  void blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }
  bool peek(char c) {
    blanks();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!peek(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool quoted(std::string_view& into) {
    blanks();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return false;
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return false;
    into = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool boolean(bool& into) {
    blanks();
    into = rest_.starts_with("True");
    const std::string_view word = into ? "True" : "False";
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool tuple(std::vector<std::size_t>& into) {
    if (!take('(')) return false;
    while (!take(')')) {
      blanks();
      std::size_t number = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
      if (error != std::errc()) return false;
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      into.push_back(number);
      if (!take(',') && !peek(')')) return false;
    }
    return true;
  }

  std::string_view rest_;
};

/// Take the header's text from the front of `bytes`; what is left are the values.
Result<std::string_view> take_header(std::string_view& bytes, const std::string& name) {
  const auto cut = [&] { return fail(Code::kCorrupt, "is cut off within its header", name); };
  if (!bytes.starts_with(kNpyMagic)) return fail(Code::kCorrupt, "is no .npy file", name);
  bytes.remove_prefix(kNpyMagic.size());
  if (bytes.size() < 2) return cut();
  const auto major = static_cast<unsigned char>(bytes[0]);
  if (major < 1 || major > 3 || bytes[1] != 0)
    return fail(Code::kInvalid, fmt::format("is of version {} of the format; 1 to 3 are known", major), name);
  const std::size_t width = major == 1 ? 2 : 4;
  if (bytes.size() < 2 + width) return cut();
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 2, width);
  bytes.remove_prefix(2 + width);
  if (length > kNpyHeaderBytesMax) return fail(Code::kCorrupt, "has a header that is too long", name);
  if (bytes.size() < length) return cut();
  const std::string_view header = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return header;
}

template <class Number>
Result<NpyArray<Number>> parse_npy(std::string_view bytes, const std::string& name) {
  using Kind = NpyKind<Number>;
  MILLRACE_ASSIGN(const std::string_view text, take_header(bytes, name));
  NpyHeader header;
  if (!NpyHeaderReader(text).read(header))
    return fail(Code::kCorrupt, "has a header that says neither kind nor shape of a plain array", name);
  if (header.descr != Kind::kDescr)
    return fail(Code::kInvalid,
                fmt::format("holds values of the kind '{}', not '{}'; save array.astype('{}')", header.descr,
                            Kind::kDescr, Kind::kPython),
                name);
  if (header.shape.empty() || header.shape.size() > 2)
    return fail(Code::kInvalid, fmt::format("has {} dimensions; one or two can be read", header.shape.size()),
                name);
  if (header.fortran_order && header.shape.size() == 2)
    return fail(Code::kInvalid, "is in Fortran order; save numpy.ascontiguousarray(array)", name);
  std::size_t wanted = sizeof(Number);
  for (const std::size_t n : header.shape)
    if (__builtin_mul_overflow(wanted, n, &wanted))
      return fail(Code::kCorrupt, "has a shape beyond all measure", name);
  if (bytes.size() != wanted)
    return fail(Code::kCorrupt,
                fmt::format("has {} bytes of values, and its shape says {}: it is {}", bytes.size(), wanted,
                            bytes.size() < wanted ? "cut off" : "longer than it should be"),
                name);
  NpyArray<Number> array{std::move(header.shape), std::vector<Number>(wanted / sizeof(Number))};
  if (wanted > 0) std::memcpy(array.values.data(), bytes.data(), wanted);
  return array;
}

template <class Number>
std::string encode(std::span<const Number> values, std::span<const std::size_t> shape) {
  assert(shape.size() == 1 || shape.size() == 2);
  assert(std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>()) == values.size());
  const std::string sizes =
      shape.size() == 1 ? fmt::format("{},", shape[0]) : fmt::format("{}, {}", shape[0], shape[1]);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   NpyKind<Number>::kDescr, sizes);
  const std::size_t before = kNpyMagic.size() + 4;
  header.append(kNpyAlignment - 1 - (before + header.size()) % kNpyAlignment, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  std::string bytes(kNpyMagic);
  bytes += std::string_view("\x01\x00", 2);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

}  // namespace

Result<NpyArray<float>> parse_npy_floats(std::string_view bytes, const std::string& name) {
  return parse_npy<float>(bytes, name);
}
Result<NpyArray<std::int64_t>> parse_npy_integers(std::string_view bytes, const std::string& name) {
  return parse_npy<std::int64_t>(bytes, name);
}

Result<NpyArray<float>> read_npy_floats(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const std::string bytes, read_file(env, path));
  return parse_npy_floats(bytes, path.string());
}
Result<NpyArray<std::int64_t>> read_npy_integers(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const std::string bytes, read_file(env, path));
  return parse_npy_integers(bytes, path.string());
}

std::string encode_npy(std::span<const float> values, std::span<const std::size_t> shape) {
  return encode(values, shape);
}
std::string encode_npy(std::span<const std::int64_t> values, std::span<const std::size_t> shape) {
  return encode(values, shape);
}

Status write_npy(Env& env, const Path& path, std::span<const float> values,
                 std::span<const std::size_t> shape) {
  return write_file_atomically(env, path, encode_npy(values, shape));
}
Status write_npy(Env& env, const Path& path, std::span<const std::int64_t> values,
                 std::span<const std::size_t> shape) {
  return write_file_atomically(env, path, encode_npy(values, shape));
}

}  // namespace millrace
