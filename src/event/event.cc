#include "event/event.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <type_traits>

namespace millrace {
namespace {

/// In the order of EventType.
constexpr std::array<std::string_view, 13> kTypeNames = {
    "custom",   "page_view", "item_view", "list_view", "search",   "add_to_cart", "remove_from_cart",
    "purchase", "refund",    "rating",    "read",      "activity", "identify"};

static_assert(kTypeNames[static_cast<std::size_t>(EventType::kIdentify)] == "identify");
static_assert(std::is_trivially_destructible_v<EventItem>, "the arena never runs destructors");

}  // namespace

std::string_view event_type_name(EventType type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

EventType event_type_of(std::string_view name) {
  const auto found = std::ranges::find(kTypeNames, name);
  if (found == kTypeNames.end()) return EventType::kCustom;
  return static_cast<EventType>(found - kTypeNames.begin());
}

std::string_view EventBatch::keep(std::string_view text) {
  if (text.empty()) return {};
  auto* copy = static_cast<char*>(arena_->allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

std::span<EventItem> EventBatch::new_items(std::size_t n) {
  if (n == 0) return {};
  auto* items = static_cast<EventItem*>(arena_->allocate(n * sizeof(EventItem), alignof(EventItem)));
  std::uninitialized_value_construct_n(items, n);
  return {items, n};
}

}  // namespace millrace
