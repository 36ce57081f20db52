#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace millrace {

/// Return the CRC-32C (Castagnoli, RFC 3720) of `bytes`, continuing from `crc` of what came before.
/// Uses the SSE4.2 or ARMv8 instruction where the processor has it.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc = 0);

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Hash128&) const = default;
};

/// Return XXH3-128 of `bytes`: fast, stable across versions and machines, not for secrets.
Hash128 hash128(std::string_view bytes);

/// Computes `hash128` of bytes that come in pieces. Movable, not copyable.
class Hasher128 {
 public:
  Hasher128();
  void add(std::span<const char> bytes);

  /// Return the hash of all bytes added so far.
  Hash128 result() const;

 private:
  struct FreeState {
    void operator()(XXH3_state_s* state) const;
  };

  std::unique_ptr<XXH3_state_s, FreeState> state_;
};

/// Return XXH3-64 of `bytes`.
std::uint64_t hash64(std::string_view bytes);

/// Return Kafka's partitioner hash (murmur2, made positive), so that the same key lands in the same
/// partition number here and in a Kafka topic with as many partitions.
std::uint32_t kafka_murmur2(std::string_view key);

/// Write as 32 lower-case hexadecimal digits.
std::string to_hex(const Hash128& hash);

}  // namespace millrace

template <>
struct std::hash<millrace::Hash128> {
  std::size_t operator()(const millrace::Hash128& h) const noexcept { return h.high ^ (h.low * 31); }
};
