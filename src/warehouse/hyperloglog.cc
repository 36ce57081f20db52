#include "warehouse/hyperloglog.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/hash.h"

namespace millrace {
namespace {

constexpr int kIndexBits = 12;
constexpr std::size_t kRegisters = std::size_t{1} << kIndexBits;
constexpr int kRankMax = 64 - kIndexBits + 1;

constexpr std::string_view kSparse{"HL\x01\x00", 4};
constexpr std::string_view kDense{"HL\x01\x01", 4};
constexpr int kRankBits = 6;
constexpr std::size_t kDenseBytes = kRegisters * kRankBits / 8;

/// What registers at zero and at the end of their range stand for, in Ertl's estimator ("New cardinality
/// estimation algorithms for HyperLogLog sketches", 2017), which needs no table of corrections.
double sigma(double x) {
  if (x == 1.0) return INFINITY;
  double y = 1, z = x, before = 0;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0.0 || x == 1.0) return 0;
  double y = 1, z = 1 - x, before = 0;
  do {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

}  // namespace

void HyperLogLog::add(std::string_view value) {
  add_hash(hash64(value));
}

void HyperLogLog::add_hash(std::uint64_t hash) {
  if (!registers_.empty()) {
    const auto rest = hash << kIndexBits;
    const int rank = rest == 0 ? kRankMax : std::countl_zero(rest) + 1;
    return raise(hash >> (64 - kIndexBits), static_cast<std::uint8_t>(rank));
  }
  const auto at = std::ranges::lower_bound(hashes_, hash);
  if (at != hashes_.end() && *at == hash) return;
  hashes_.insert(at, hash);
  if (hashes_.size() > kExactMax) make_dense();
}

void HyperLogLog::raise(std::size_t at, std::uint8_t rank) {
  registers_[at] = std::max(registers_[at], rank);
}

void HyperLogLog::make_dense() {
  registers_.assign(kRegisters, 0);
  const auto hashes = std::exchange(hashes_, {});
  for (const auto hash : hashes) add_hash(hash);
}

void HyperLogLog::merge(const HyperLogLog& other) {
  if (!other.registers_.empty()) {
    if (registers_.empty()) make_dense();
    for (std::size_t i = 0; i < kRegisters; ++i) raise(i, other.registers_[i]);
  }
  for (const auto hash : other.hashes_) add_hash(hash);
}

std::uint64_t HyperLogLog::estimate() const {
  if (registers_.empty()) return hashes_.size();
  std::array<double, kRankMax + 1> counts{};
  for (const auto rank : registers_) ++counts[rank];
  constexpr double m = kRegisters;
  double z = m * tau(1 - counts[kRankMax] / m);
  for (int rank = kRankMax - 1; rank >= 1; --rank) z = 0.5 * (z + counts[static_cast<std::size_t>(rank)]);
  z += m * sigma(counts[0] / m);
  // Past 2^63 the count itself has no meaning: only made-up registers reach it.
  return static_cast<std::uint64_t>(std::min(std::round(m * m / (2 * std::numbers::ln2 * z)), 9.0e18));
}

std::string HyperLogLog::bytes() const {
  if (registers_.empty()) {
    std::string out(kSparse);
    for (const auto hash : hashes_) {
      for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(hash >> shift);
    }
    return out;
  }
  std::string out(kDense);
  for (std::size_t i = 0; i < kRegisters; i += 4) {
    std::uint32_t packed = 0;
    for (std::size_t j = 0; j < 4; ++j) packed |= std::uint32_t{registers_[i + j]} << (j * kRankBits);
    for (int shift = 0; shift < 24; shift += 8) out += static_cast<char>(packed >> shift);
  }
  return out;
}

std::optional<HyperLogLog> HyperLogLog::parse(std::string_view bytes) {
  const auto byte_at = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(bytes[i])}; };
  HyperLogLog sketch;
  if (bytes.starts_with(kSparse)) {
    bytes.remove_prefix(kSparse.size());
    if (bytes.size() % 8 != 0 || bytes.size() / 8 > kExactMax) return std::nullopt;
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t hash = 0;
      for (std::size_t j = 0; j < 8; ++j) hash |= byte_at(i + j) << (8 * j);
      if (!sketch.hashes_.empty() && hash <= sketch.hashes_.back()) return std::nullopt;
      sketch.hashes_.push_back(hash);
    }
    return sketch;
  }
  if (!bytes.starts_with(kDense) || bytes.size() != kDense.size() + kDenseBytes) return std::nullopt;
  bytes.remove_prefix(kDense.size());
  for (std::size_t i = 0; i < kDenseBytes; i += 3) {
    const auto packed = byte_at(i) | byte_at(i + 1) << 8 | byte_at(i + 2) << 16;
    for (int j = 0; j < 4; ++j) {
      const auto rank = static_cast<std::uint8_t>(packed >> (j * kRankBits) & 63);
      if (rank > kRankMax) return std::nullopt;
      sketch.registers_.push_back(rank);
    }
  }
  return sketch;
}

}  // namespace millrace
