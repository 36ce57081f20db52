#include "event/contract_check.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <set>

#include <fmt/format.h>

#include "event/contract_reader.h"
#include "event/json_text.h"

namespace millrace {
namespace {

constexpr std::size_t kMembersMax = contract::kPropertiesMax;

using CellKind = ContractCell::Kind;

ContractBreach missing(std::string property) {
  return {Misfit::Kind::kMissing, std::move(property), "is missing"};
}

ContractBreach wrong(std::string property, std::string message) {
  return {Misfit::Kind::kValue, std::move(property), std::move(message)};
}

ContractBreach under(std::string_view step, ContractBreach breach) {
  if (breach.property.starts_with('['))
    breach.property = std::string(step) + breach.property;
  else
    breach.property = fmt::format("{}.{}", step, breach.property);
  return breach;
}

/// Events of these types are found; the rest of what codecs keep beside is theirs, and no news.
bool is_of_codec(std::string_view member) {
  return member == "context" || member == "integrations" || member == "_metadata" || member == "items" ||
         member == "event";
}

/// Read the token of a JSON value; `scratch` holds text with escapes.
ContractCell cell_of(std::string_view json, std::string& scratch) {
  switch (json.front()) {
    case '"': {
      const std::string_view inside = json.substr(1, json.size() - 2);
      if (inside.find('\\') == std::string_view::npos) return {CellKind::kText, inside};
      scratch.clear();
      static_cast<void>(json::append_unescaped(inside, scratch));  // it is checked JSON
      return {CellKind::kText, scratch};
    }
    case '{':
      return {CellKind::kObject, json};
    case '[':
      return {CellKind::kArray, json};
    case 't':
    case 'f':
      return {CellKind::kBoolean, {}, json.front() == 't' ? 1.0 : 0.0};
    case 'n':
      return {};
    default:
      return {CellKind::kNumber, json};
  }
}

}  // namespace

ContractNotes::Checked& ContractNotes::of(const EventRules& rules) {
  for (Checked& one : checked)
    if (one.rules == &rules) return one;
  Checked& one = checked.emplace_back();
  one.rules = &rules;
  return one;
}

void ContractNotes::add_unannounced(const EventRules& rules, std::string_view property) {
  for (Unannounced& one : unannounced) {
    if (one.rules != &rules || one.property != property) continue;
    ++one.events;
    return;
  }
  if (unannounced.size() < kUnannouncedMax) unannounced.push_back({&rules, std::string(property), 1});
}

EventRules::Member::Member(const ContractProperty& property)
    : name(property.column()),
      type(property.type),
      required(property.required || property.primary_key),
      options(property.options),
      value(property, ValueCheck::From::kJson) {
  for (const ContractProperty& one : property.properties) members.emplace_back(one);
  for (const ContractProperty& one : property.items) items.emplace_back(one);
}

EventRules::EventRules(const Contract& contract, const ContractObject& object)
    : contract_(contract), object_(object) {
  for (const ContractProperty& property : object.properties) add(property);
  any_required_member_ = std::ranges::any_of(members_, &Member::required);
}

void EventRules::add(const ContractProperty& property) {
  const std::string& name = property.column();
  const bool required = property.required || property.primary_key;
  const auto part = [](auto& into, const ContractProperty& one, const auto* field) {
    const bool needed = one.required || one.primary_key;
    ValueCheck value(one, ValueCheck::From::kText);
    if (needed || !value.takes_any(field->type))
      into.push_back({field, one.column(), needed, std::move(value)});
  };
  if (const auto* field = event_field(name)) return part(fields_, property, field);
  if (name == "items") {
    items_ = property.options;
    items_required_ = required;
    for (const ContractProperty& item : property.items)
      for (const ContractProperty& one : item.properties)
        if (const auto* of_item = item_field(one.column())) part(item_fields_, one, of_item);
  } else if (name == "order") {
    order_required_ = required;
    for (const ContractProperty& one : property.properties)
      if (const auto* of_order = order_field(one.column())) part(order_fields_, one, of_order);
  } else if (name == "properties") {
    properties_required_ = required;
    for (const ContractProperty& one : property.properties) members_.emplace_back(one);
  } else {
    members_.emplace_back(property);
  }
}

/// A rule of severity warn is noted, and lets the event through.
EventRules::Breach EventRules::judge(Misfit misfit, std::string_view property, ContractNotes& notes) const {
  if (misfit.warn) {
    ContractNotes::Checked& count = notes.of(*this);
    ++count.warned;
    count.warning = fmt::format("{} {}", property, misfit.message);
    return std::nullopt;
  }
  return ContractBreach{misfit.kind, std::string(property), std::move(misfit.message)};
}

template <class Part>
EventRules::Breach EventRules::check_fields(const std::vector<FieldCheck<Part>>& checks, const Part& part,
                                            ContractNotes& notes) const {
  for (const auto& check : checks) {
    const ContractCell cell = check.field->get(part);
    if (cell.kind == CellKind::kAbsent) {
      if (check.required) return missing(check.name);
    } else if (auto misfit = check.value.misfit(cell)) {
      if (auto breach = judge(*std::move(misfit), check.name, notes)) return breach;
    }
  }
  return std::nullopt;
}

EventRules::Breach EventRules::check_items(const Event& event, ContractNotes& notes) const {
  const std::size_t n = event.items.size();
  if (n == 0 && items_required_) return missing("items");
  if (items_.min_items && n < *items_.min_items && n > 0)
    return wrong("items", fmt::format("must have at least {}, not {}", *items_.min_items, n));
  if (items_.max_items && n > *items_.max_items)
    return wrong("items", fmt::format("must have at most {}, not {}", *items_.max_items, n));
  if (item_fields_.empty()) return std::nullopt;
  for (std::size_t i = 0; i < n; ++i)
    if (auto breach = check_fields(item_fields_, event.items[i], notes))
      return under(fmt::format("items[{}]", i), *breach);
  return std::nullopt;
}

EventRules::Breach EventRules::check_array(std::string_view json, const Member& member,
                                           ContractNotes& notes) const {
  json::RawItems elements(json);
  std::size_t n = 0;
  std::set<std::string_view> seen;
  for (; elements.next(); ++n) {
    const std::string_view element = elements.value();
    if (member.options.unique_items && !seen.insert(element).second)
      return wrong("", fmt::format("must have no element twice; the one at {} is", n));
    if (member.items.empty()) continue;
    if (auto breach = check_member(element, member.items.front(), notes)) {
      const std::string step = fmt::format("[{}]", n);
      if (breach->property.empty())
        breach->property = step;
      else
        breach = under(step, *std::move(breach));
      return breach;
    }
  }
  if (member.options.min_items && n < *member.options.min_items)
    return wrong("", fmt::format("must have at least {} elements, not {}", *member.options.min_items, n));
  if (member.options.max_items && n > *member.options.max_items)
    return wrong("", fmt::format("must have at most {} elements, not {}", *member.options.max_items, n));
  return std::nullopt;
}

EventRules::Breach EventRules::check_nested(std::string_view json, const Member& member,
                                            ContractNotes& notes) const {
  if (json.front() == '[') return check_array(json, member, notes);
  if (member.options.min_properties || member.options.max_properties) {
    json::RawItems members(json);
    std::size_t n = 0;
    while (members.next()) ++n;
    if (n < member.options.min_properties.value_or(0) || n > member.options.max_properties.value_or(n))
      return wrong("", fmt::format("has {} properties, which are too many or too few", n));
  }
  return member.members.empty() ? std::nullopt : check_object(json, member.members, false, notes);
}

/// Return what is wrong with the value of a member; its place is relative to it.
EventRules::Breach EventRules::check_member(std::string_view json, const Member& member,
                                            ContractNotes& notes) const {
  thread_local std::string scratch;
  const ContractCell cell = cell_of(json, scratch);
  if (cell.kind == CellKind::kAbsent) return member.required ? Breach(missing("")) : std::nullopt;
  if (auto misfit = member.value.misfit(cell)) {
    auto breach = judge(*std::move(misfit), member.name, notes);
    if (breach) breach->property.clear();
    if (breach) return breach;
  }
  if (cell.kind == CellKind::kObject || cell.kind == CellKind::kArray)
    return check_nested(json, member, notes);
  return std::nullopt;
}

/// Check the members of an object; of the event's own, those that nobody announced are noted.
EventRules::Breach EventRules::check_object(std::string_view json, const std::vector<Member>& members,
                                            bool is_top, ContractNotes& notes) const {
  std::array<bool, kMembersMax> seen{};
  assert(members.size() <= seen.size());
  std::size_t expected = 0;  // most come in the order of last time
  json::RawItems given(json);
  while (given.next()) {
    std::string_view key = given.key();
    std::string unescaped;
    if (key.find('\\') != std::string_view::npos) {
      static_cast<void>(json::append_unescaped(key, unescaped));
      key = unescaped;
    }
    std::size_t at = members.size();
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t k = (expected + i) % members.size();
      if (members[k].name != key) continue;
      at = k;
      break;
    }
    if (at == members.size()) {
      if (is_top && !is_of_codec(key)) notes.add_unannounced(*this, key);
      continue;
    }
    expected = at + 1;
    if (auto breach = check_member(given.value(), members[at], notes)) {
      if (breach->property.empty())
        breach->property = members[at].name;
      else
        breach = under(members[at].name, *std::move(breach));
      return breach;
    }
    seen[at] = true;
  }
  for (std::size_t i = 0; i < members.size(); ++i)
    if (members[i].required && !seen[i]) return missing(members[i].name);
  return std::nullopt;
}

EventRules::Breach EventRules::check_properties(const Event& event, ContractNotes& notes) const {
  if (event.properties.empty()) {
    if (properties_required_) return missing("properties");
    if (!any_required_member_) return std::nullopt;
  }
  const std::string_view json = event.properties.empty() ? "{}" : event.properties;
  auto breach = check_object(json, members_, true, notes);
  if (breach) breach = under("properties", *std::move(breach));
  return breach;
}

std::optional<ContractBreach> EventRules::check(const Event& event, ContractNotes& notes) const {
  ContractNotes::Checked& count = notes.of(*this);
  ++count.checked;
  auto breach = check_fields(fields_, event, notes);
  if (!breach) breach = check_items(event, notes);
  if (!breach && !event.order && order_required_) breach = missing("order");
  if (!breach && event.order) {
    breach = check_fields(order_fields_, *event.order, notes);
    if (breach) breach = under("order", *std::move(breach));
  }
  if (!breach) breach = check_properties(event, notes);
  return breach;
}

}  // namespace millrace
