#include "base/hash.h"

#include <array>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
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

#if defined(__x86_64__)
/// Return x^n modulo the polynomial, its bits reflected as those of the checksum are.
constexpr std::uint32_t x_to_the(int n) {
  std::uint32_t power = 0x80000000;
  for (; n > 0; --n) power = (power >> 1) ^ (power & 1 ? kCastagnoliReversed : 0);
  return power;
}

/// What moves 128 bits of the message `bits` further on: a factor for its first half, one for its second.
struct FoldBy {
  explicit constexpr FoldBy(int bits) : first(x_to_the(bits + 31)), second(x_to_the(bits - 33)) {}
  std::uint32_t first;
  std::uint32_t second;
};
constexpr FoldBy kFoldBy512(512);
constexpr FoldBy kFoldBy128(128);

constexpr std::size_t kLane = sizeof(__m128i);

[[gnu::target("sse4.2,pclmul")]] __m128i load_lane(const std::byte* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

[[gnu::target("sse4.2,pclmul")]] __m128i fold(__m128i lane, __m128i factors, __m128i onto) {
  const __m128i first = _mm_clmulepi64_si128(lane, factors, 0x00);
  const __m128i second = _mm_clmulepi64_si128(lane, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(first, second), onto);
}

/// Return the inner state after the `size` bytes at `at`, of which there must be a multiple of 64, at
/// least 64. Four lanes of 128 bits are folded onto the next four until one set is left (Gopal et al., Fast
/// CRC Computation for Generic Polynomials Using PCLMULQDQ, Intel 2009), about three times as fast as one
/// stream of the instruction.
[[gnu::target("sse4.2,pclmul")]] std::uint64_t crc32c_folded(std::uint64_t state, const std::byte* at,
                                                             std::size_t size) {
  const __m128i by_512 = _mm_set_epi64x(kFoldBy512.second, kFoldBy512.first);
  const __m128i by_128 = _mm_set_epi64x(kFoldBy128.second, kFoldBy128.first);
  __m128i a = _mm_xor_si128(load_lane(at), _mm_cvtsi64_si128(static_cast<long long>(state)));
  __m128i b = load_lane(at + kLane);
  __m128i c = load_lane(at + 2 * kLane);
  __m128i d = load_lane(at + 3 * kLane);
  for (const std::byte* end = at + size; (at += 4 * kLane) < end;) {
    a = fold(a, by_512, load_lane(at));
    b = fold(b, by_512, load_lane(at + kLane));
    c = fold(c, by_512, load_lane(at + 2 * kLane));
    d = fold(d, by_512, load_lane(at + 3 * kLane));
  }
  const __m128i all = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
  state = _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_extract_epi64(all, 0)));
  return _mm_crc32_u64(state, static_cast<std::uint64_t>(_mm_extract_epi64(all, 1)));
}

[[gnu::target("sse4.2,pclmul")]] std::uint32_t crc32c_hardware(std::span<const std::byte> bytes,
                                                               std::uint32_t crc) {
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  if (const std::size_t whole = left / (4 * kLane) * (4 * kLane); whole > 0) {
    state = crc32c_folded(state, at, whole);
    at += whole;
    left -= whole;
  }
  for (; left >= 8; left -= 8, at += 8) state = _mm_crc32_u64(state, load_u64(at));
  auto tail = static_cast<std::uint32_t>(state);
  for (; left > 0; --left, ++at) tail = _mm_crc32_u8(tail, std::to_integer<std::uint8_t>(*at));
  return ~tail;
}

bool has_crc_instruction() {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
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
