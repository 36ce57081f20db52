#include "recommend/item_attributes.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "base/metrics.h"

namespace millrace {
namespace {

std::uint32_t name_hash(std::string_view name) {
  return static_cast<std::uint32_t>(hash64(name));
}

}  // namespace

AttributeName::AttributeName(std::string_view of) : text(of), hash(name_hash(of)) {}

std::optional<double> number_in(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

bool ItemAttributes::add(std::string_view name, unsigned kinds, std::string_view text,
                         std::uint64_t eight_bytes) {
  if (name.size() > kNameBytesMax) return false;
  const Head head{.hash = name_hash(name),
                  .name_bytes = static_cast<std::uint8_t>(name.size()),
                  .kinds = static_cast<std::uint8_t>(kinds),
                  .text_bytes = static_cast<std::uint16_t>(text.size())};
  bytes_.append(reinterpret_cast<const char*>(&head), sizeof head).append(name).append(text);
  if (kinds > kText) bytes_.append(reinterpret_cast<const char*>(&eight_bytes), sizeof eight_bytes);
  return true;
}

bool ItemAttributes::add_text(std::string_view name, std::string_view text) {
  if (text.empty()) return true;
  if (text.size() > kTextBytesMax) return add_presence(name);
  if (const auto number = number_in(text))
    return add(name, kText | kNumber, text, std::bit_cast<std::uint64_t>(*number));
  if (const auto time = parse_time(text))
    return add(name, kText | kTime, text, static_cast<std::uint64_t>(*time));
  return add(name, kText, text, 0);
}

bool ItemAttributes::add_number(std::string_view name, double number) {
  return add(name, kNumber, {}, std::bit_cast<std::uint64_t>(number));
}

bool ItemAttributes::add_truth(std::string_view name, bool truth) {
  return add(name, kTruth, {}, truth ? 1 : 0);
}

bool ItemAttributes::add_presence(std::string_view name) {
  return add(name, 0, {}, 0);
}

ItemAttributes::Value ItemAttributes::value_at(std::size_t at, const Head& head) const {
  Value value;
  const std::size_t text_at = at + sizeof(Head) + head.name_bytes;
  if ((head.kinds & kText) != 0) value.text = std::string_view(bytes_).substr(text_at, head.text_bytes);
  if (head.kinds <= kText) return value;
  std::uint64_t eight_bytes = 0;
  std::memcpy(&eight_bytes, bytes_.data() + text_at + head.text_bytes, sizeof eight_bytes);
  if ((head.kinds & kNumber) != 0) value.number = std::bit_cast<double>(eight_bytes);
  if ((head.kinds & kTime) != 0) value.time = static_cast<TimeUs>(eight_bytes);
  if ((head.kinds & kTruth) != 0) value.truth = eight_bytes != 0;
  return value;
}

std::size_t ItemAttributes::keep(std::size_t bytes_max) {
  std::size_t left_out = 0;
  if (bytes_.size() > bytes_max) {
    std::string kept;
    for (std::size_t at = 0; at < bytes_.size();) {
      const std::size_t size = head_at(at).size();
      if (kept.size() + size <= bytes_max)
        kept.append(bytes_, at, size);
      else
        ++left_out;
      at += size;
    }
    bytes_ = std::move(kept);
  }
  bytes_.shrink_to_fit();
  return left_out;
}

std::optional<ItemAttributes> ItemAttributes::from_image(std::string_view image) {
  ItemAttributes made;
  made.bytes_ = image;
  constexpr unsigned kAllKinds = kText | kNumber | kTime | kTruth;
  for (std::size_t at = 0; at < image.size();) {
    if (image.size() - at < sizeof(Head)) return std::nullopt;
    const Head head = made.head_at(at);
    if (head.size() > image.size() - at || (head.kinds & ~kAllKinds) != 0) return std::nullopt;
    if (head.hash != name_hash(made.name_at(at, head))) return std::nullopt;
    at += head.size();
  }
  return made;
}

std::vector<std::string_view> ItemAttributes::names() const {
  std::vector<std::string_view> names;
  for (std::size_t at = 0; at < bytes_.size();) {
    const Head head = head_at(at);
    const std::string_view name = name_at(at, head);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    at += head.size();
  }
  return names;
}

void note_attributes_left_out(std::size_t values) {
  if (values == 0) return;
  metrics::counter("millrace_recommend_attributes_left_out_total",
                   "Values of items' attributes that filters cannot see because a limit was reached")
      .Increment(static_cast<double>(values));
}

}  // namespace millrace
