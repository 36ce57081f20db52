#include "warehouse/space_saving.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kMark{"TK\x01\x00", 4};

/// Counts stop here rather than turn over: only made-up bytes get so far.
constexpr std::uint64_t kCountMax = std::numeric_limits<std::int64_t>::max();

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > kCountMax - std::min(b, kCountMax) ? kCountMax : a + b;
}

/// Return the beginning of `value` that counts, which ends with a whole character.
std::string_view shortened(std::string_view value) {
  if (value.size() <= SpaceSaving::kValueBytesMax) return value;
  auto end = SpaceSaving::kValueBytesMax;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return value.substr(0, end);
}

void put(std::string& out, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i));
}

/// Takes numbers and text off the front of bytes; `good` turns false at their end.
struct Reader {
  std::string_view rest;
  bool good = true;

  std::string_view text(std::size_t size) {
    good = good && size <= rest.size();
    if (!good) return {};
    const auto out = rest.substr(0, size);
    rest.remove_prefix(size);
    return out;
  }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t out = 0;
    const auto from = text(bytes);
    for (std::size_t i = 0; i < from.size(); ++i) {
      out |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    }
    good = good && out <= kCountMax;
    return out;
  }
};

}  // namespace

std::size_t SpaceSaving::kept() const {
  return std::max<std::size_t>(64, 8 * std::size_t{k_});
}

void SpaceSaving::add(std::string_view value, std::uint64_t times) {
  value = shortened(value);
  total_ = sum(total_, times);
  if (const auto found = counts_.find(value); found != counts_.end()) {
    found->second = sum(found->second, times);
    return;
  }
  counts_.emplace(value, times);
  if (counts_.size() > 2 * kept()) prune();
}

/// Take the count of the first value that must go off all. Each of the values that stay gives as much, so
/// what is taken off in all is at most total / (kept + 1).
void SpaceSaving::prune() {
  std::vector<std::uint64_t> counts;
  for (const auto& [value, count] : counts_) counts.push_back(count);
  std::ranges::nth_element(counts, counts.begin() + static_cast<std::ptrdiff_t>(kept()), std::greater<>());
  const auto taken = counts[kept()];
  error_ = sum(error_, taken);
  std::erase_if(counts_, [taken](const auto& entry) { return entry.second <= taken; });
  for (auto& [value, count] : counts_) count -= taken;
}

void SpaceSaving::merge(const SpaceSaving& other) {
  k_ = std::max(k_, other.k_);
  error_ = sum(error_, other.error_);
  total_ = sum(total_, other.total_);
  for (const auto& [value, count] : other.counts_) {
    auto& mine = counts_[value];
    mine = sum(mine, count);
  }
  if (counts_.size() > 2 * kept()) prune();
}

std::vector<SpaceSaving::Entry> SpaceSaving::sorted() const {
  std::vector<Entry> entries;
  for (const auto& [value, count] : counts_) entries.push_back({value, count});
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : a.value < b.value;
  });
  return entries;
}

std::vector<SpaceSaving::Entry> SpaceSaving::top() const {
  auto entries = sorted();
  if (entries.size() > k_) entries.erase(entries.begin() + k_, entries.end());
  return entries;
}

std::string SpaceSaving::bytes() const {
  std::string out(kMark);
  put(out, k_, 4);
  put(out, error_, 8);
  put(out, total_, 8);
  put(out, counts_.size(), 4);
  for (const auto& [value, count] : sorted()) {
    put(out, count, 8);
    put(out, value.size(), 2);
    out += value;
  }
  return out;
}

std::optional<SpaceSaving> SpaceSaving::parse(std::string_view bytes) {
  Reader reader{bytes};
  if (reader.text(kMark.size()) != kMark) return std::nullopt;
  const auto k = reader.number(4);
  if (k < 1 || k > kTopMax) return std::nullopt;
  SpaceSaving sketch(static_cast<std::uint32_t>(k));
  sketch.error_ = reader.number(8);
  sketch.total_ = reader.number(8);
  const auto count = reader.number(4);
  if (count > 2 * sketch.kept()) return std::nullopt;
  for (std::uint64_t i = 0; i < count && reader.good; ++i) {
    const auto times = reader.number(8);
    const auto value = reader.text(reader.number(2));
    if (value.size() > kValueBytesMax || !is_utf8(value)) return std::nullopt;
    if (!sketch.counts_.emplace(value, times).second) return std::nullopt;
  }
  if (!reader.good || !reader.rest.empty()) return std::nullopt;
  return sketch;
}

}  // namespace millrace
