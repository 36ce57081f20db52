#include "base/hash.h"

#include <array>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "base/hash_internal.h"

namespace millrace {
namespace {

constexpr std::uint32_t kCastagnoliReversed = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kCastagnoliReversed : 0);
    table[i] = crc;
  }
  return table;
}

constexpr auto kCrcTable = make_crc_table();

#if defined(__x86_64__) || defined(__aarch64__)
std::uint64_t load_u64(const std::byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
#endif

// One stream of the instruction moves 8 bytes in 3 cycles, several times the rate of any disk we
// write to, so the usual three interleaved streams would buy nothing.
#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t crc32c_hardware(std::span<const std::byte> bytes, std::uint32_t crc) {
  std::uint64_t state = ~crc;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) state = _mm_crc32_u64(state, load_u64(at));
  auto tail = static_cast<std::uint32_t>(state);
  for (; left > 0; --left, ++at) tail = _mm_crc32_u8(tail, std::to_integer<std::uint8_t>(*at));
  return ~tail;
}

bool has_crc_instruction() {
  return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
[[gnu::target("+crc")]] std::uint32_t crc32c_hardware(std::span<const std::byte> bytes, std::uint32_t crc) {
  std::uint32_t state = ~crc;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) state = __crc32cd(state, load_u64(at));
  for (; left > 0; --left, ++at) state = __crc32cb(state, std::to_integer<std::uint8_t>(*at));
  return ~state;
}

bool has_crc_instruction() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
std::uint32_t crc32c_hardware(std::span<const std::byte> bytes, std::uint32_t crc) {
  return internal::crc32c_portable(bytes, crc);
}

bool has_crc_instruction() {
  return false;
}
#endif

constexpr std::uint32_t kMurmurMultiplier = 0x5bd1e995;
constexpr std::uint32_t kKafkaSeed = 0x9747b28c;

std::uint32_t murmur_mix(std::uint32_t word) {
  word *= kMurmurMultiplier;
  word ^= word >> 24;
  return word * kMurmurMultiplier;
}

std::uint32_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

}  // namespace

namespace internal {

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t crc) {
  crc = ~crc;
  for (std::byte b : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF];
  return ~crc;
}

std::uint32_t murmur2(std::string_view key) {
  std::uint32_t hash = kKafkaSeed ^ static_cast<std::uint32_t>(key.size());
  std::size_t i = 0;
  for (; i + 4 <= key.size(); i += 4) {
    const std::uint32_t word =
        byte_at(key, i) | byte_at(key, i + 1) << 8 | byte_at(key, i + 2) << 16 | byte_at(key, i + 3) << 24;
    hash = hash * kMurmurMultiplier ^ murmur_mix(word);
  }
  const std::size_t tail = key.size() - i;
  if (tail >= 3) hash ^= byte_at(key, i + 2) << 16;
  if (tail >= 2) hash ^= byte_at(key, i + 1) << 8;
  if (tail >= 1) hash = (hash ^ byte_at(key, i)) * kMurmurMultiplier;
  hash = (hash ^ hash >> 13) * kMurmurMultiplier;
  return hash ^ hash >> 15;
}

}  // namespace internal

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc) {
  static const bool hardware = has_crc_instruction();
  return hardware ? crc32c_hardware(bytes, crc) : internal::crc32c_portable(bytes, crc);
}

Hash128 hash128(std::string_view bytes) {
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

void Hasher128::FreeState::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

Hasher128::Hasher128() : state_(XXH3_createState()) {
  XXH3_128bits_reset(state_.get());
}

void Hasher128::add(std::span<const char> bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Hash128 Hasher128::result() const {
  const auto hash = XXH3_128bits_digest(state_.get());
  return {hash.high64, hash.low64};
}

std::uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint32_t kafka_murmur2(std::string_view key) {
  return internal::murmur2(key) & 0x7fffffff;
}

std::string to_hex(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

}  // namespace millrace
