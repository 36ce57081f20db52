#include "source/row_groups.h"

#include <fmt/format.h>

#include "base/text.h"
#include "source/event_members.h"

namespace millrace {
namespace {

// What the index and the allocator add to a group, roughly.
constexpr std::size_t kGroupOverheadBytes = 128;

/// Apply `keep` to every text of `object`.
template <class Object, class Keep>
void keep_texts(Object& object, const Keep& keep) {
  for (const auto& each : members_of<Object>()) {
    if (const auto* text = std::get_if<std::string_view Object::*>(&each.member))
      object.** text = keep(object.**text);
  }
}

}  // namespace

std::string_view RowGroups::keep(std::string_view text) {
  bytes_ += text.size();
  return texts_.keep(text);
}

RowGroups::Group& RowGroups::find_or_begin(std::string_view key, const RowPlace& place, const Event& event) {
  if (!groups_.empty() && key == last_key_) return groups_[last_group_];
  last_key_ = key;
  const auto [found, is_new] = index_.try_emplace(last_key_, groups_.size());
  last_group_ = found->second;
  if (!is_new) return groups_[last_group_];

  Group& group = groups_.emplace_back(Group{event, {}, place});
  bytes_ += sizeof(Group) + key.size() + kGroupOverheadBytes;
  const auto keeper = [this](std::string_view text) { return keep(text); };
  keep_texts(group.event, keeper);
  if (group.event.order) keep_texts(*group.event.order, keeper);
  group.event.type_name = keep(event.type_name);
  group.event.properties = keep(event.properties);
  return group;
}

Status RowGroups::add(std::string_view key, const RowPlace& place, const Event& event,
                      const std::optional<EventItem>& item) {
  if (bytes_ > bytes_max_) {
    return fail(
        Code::kOutOfRange,
        fmt::format(
            "the groups of this file need more than {} MB of memory; split the file so that each part "
            "holds whole groups",
            with_thousands(bytes_max_ / 1'000'000)));
  }
  Group& group = find_or_begin(key, place, event);
  if (!item) return {};
  EventItem& kept = group.items.emplace_back(*item);
  bytes_ += 2 * sizeof(EventItem);  // vectors grow by doubling
  keep_texts(kept, [this](std::string_view text) { return keep(text); });
  return {};
}

RowGroups::Group* RowGroups::take() {
  return taken_ < groups_.size() ? &groups_[taken_++] : nullptr;
}

}  // namespace millrace
