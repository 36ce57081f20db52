#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

static_assert(std::endian::native == std::endian::little, "states are written little-endian");

/// Appends numbers and texts to a string, little-endian. One thread.
class StateWriter {
 public:
  /// `out` must outlive the writer.
  explicit StateWriter(std::string& out) : out_(out) {}

  void put_u32(std::uint32_t n) { put(n); }
  void put_u64(std::uint64_t n) { put(n); }
  void put_i64(std::int64_t n) { put(n); }
  /// Write the length (32 bits) and the bytes.
  void put_text(std::string_view text) {
    put_u32(static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }

 private:
  template <class Number>
  void put(Number n) {
    char bytes[sizeof n];
    std::memcpy(bytes, &n, sizeof n);
    out_.append(bytes, sizeof n);
  }

  std::string& out_;
};

/// Reads what a StateWriter wrote. After the first thing that is not there, everything reads as zero or empty
/// and `ok` is false, so a reader may check once at its end. Never reads beyond the bytes, whatever they are.
/// One thread.
class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : rest_(bytes) {}

  std::uint32_t u32() { return take<std::uint32_t>(); }
  std::uint64_t u64() { return take<std::uint64_t>(); }
  std::int64_t i64() { return take<std::int64_t>(); }
  std::string_view text() { return raw(u32()); }

  /// Read the number of things that follow, each of at least `bytes_min` bytes; 0, and no longer ok, when
  /// there cannot be so many: a damaged count never makes a reader reserve memory.
  std::uint64_t count(std::size_t bytes_min) {
    const std::uint64_t n = u64();
    if (n > rest_.size() / bytes_min) return ok_ = false, 0;
    return n;
  }

  std::string_view raw(std::size_t length) {
    if (!ok_ || length > rest_.size()) return ok_ = false, std::string_view();
    const std::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return bytes;
  }

  bool ok() const { return ok_; }
  /// Return whether everything was read and nothing was missing.
  bool done() const { return ok_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

 private:
  template <class Number>
  Number take() {
    Number n = 0;
    if (const auto bytes = raw(sizeof n); ok_) std::memcpy(&n, bytes.data(), sizeof n);
    return n;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace millrace
