#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "event/event.h"

namespace millrace {

/// A member of Event, EventOrder or EventItem that a mapping can fill, by the type of its text.
template <class Object>
using Member = std::variant<std::string_view Object::*, std::optional<Decimal> Object::*,
                            std::optional<double> Object::*, std::optional<std::int32_t> Object::*>;

template <class Object>
struct NamedMember {
  std::string_view name;
  Member<Object> member;
};

/// Return all members of `Object` that a mapping can name, in the words of the native event.
template <class Object>
std::span<const NamedMember<Object>> members_of();

template <>
std::span<const NamedMember<Event>> members_of<Event>();
template <>
std::span<const NamedMember<EventOrder>> members_of<EventOrder>();
template <>
std::span<const NamedMember<EventItem>> members_of<EventItem>();

}  // namespace millrace
