#include "event/contract_fields.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include <fmt/format.h>

#include "event/contract_reader.h"

namespace millrace {
namespace {

using Cell = ContractCell;

Cell cell_of(std::string_view text) {
  return text.empty() ? Cell{} : Cell{Cell::Kind::kText, text};
}
Cell cell_of(const std::optional<Decimal>& number) {
  return number ? Cell{Cell::Kind::kNumber, {}, number->to_double()} : Cell{};
}
Cell cell_of(const std::optional<double>& number) {
  return number ? Cell{Cell::Kind::kNumber, {}, *number} : Cell{};
}
Cell cell_of(const std::optional<std::int32_t>& number) {
  return number ? Cell{Cell::Kind::kNumber, {}, static_cast<double>(*number)} : Cell{};
}
Cell cell_of(bool value) {
  return {Cell::Kind::kBoolean, {}, value ? 1.0 : 0.0};
}
Cell time_cell(TimeUs time) {
  return {Cell::Kind::kTime, {}, static_cast<double>(time)};
}

template <auto member, class Part>
Cell get(const Part& part) {
  return cell_of(part.*member);
}

constexpr LogicalType kText = LogicalType::kString;
constexpr LogicalType kNumber = LogicalType::kNumber;

constexpr std::array kEventFields = {
    ContractField<Event>{"type", kText, get<&Event::type_name>},
    ContractField<Event>{"message_id", kText, get<&Event::message_id>},
    ContractField<Event>{"source", kText, get<&Event::source>},
    ContractField<Event>{"user_id", kText, get<&Event::user_id>},
    ContractField<Event>{"anonymous_id", kText, get<&Event::anonymous_id>},
    ContractField<Event>{"session_id", kText, get<&Event::session_id>},
    ContractField<Event>{"event_time", LogicalType::kTimestamp,
                         [](const Event& e) { return time_cell(e.event_time); }},
    ContractField<Event>{"received_time", LogicalType::kTimestamp,
                         [](const Event& e) { return time_cell(e.received_time); }},
    ContractField<Event>{"page_url", kText, get<&Event::page_url>},
    ContractField<Event>{"page_path", kText, get<&Event::page_path>},
    ContractField<Event>{"page_title", kText, get<&Event::page_title>},
    ContractField<Event>{"page_referrer", kText, get<&Event::page_referrer>},
    ContractField<Event>{"search_query", kText, get<&Event::search_query>},
    ContractField<Event>{"list_id", kText, get<&Event::list_id>},
    ContractField<Event>{"device_type", kText, get<&Event::device_type>},
    ContractField<Event>{"os", kText, get<&Event::os>},
    ContractField<Event>{"browser", kText, get<&Event::browser>},
    ContractField<Event>{"user_agent", kText, get<&Event::user_agent>},
    ContractField<Event>{"ip", kText, get<&Event::ip>},
    ContractField<Event>{"locale", kText, get<&Event::locale>},
    ContractField<Event>{"country", kText, get<&Event::country>},
    ContractField<Event>{"region", kText, get<&Event::region>},
    ContractField<Event>{"city", kText, get<&Event::city>},
    ContractField<Event>{"postal_code", kText, get<&Event::postal_code>},
    ContractField<Event>{"latitude", kNumber, get<&Event::latitude>},
    ContractField<Event>{"longitude", kNumber, get<&Event::longitude>},
    ContractField<Event>{"value", kNumber, get<&Event::value>},
    ContractField<Event>{"recommendation_id", kText, get<&Event::recommendation_id>}};

constexpr std::array kItemFields = {
    ContractField<EventItem>{"item_id", kText, get<&EventItem::item_id>},
    ContractField<EventItem>{"name", kText, get<&EventItem::name>},
    ContractField<EventItem>{"category", kText, get<&EventItem::category>},
    ContractField<EventItem>{"brand", kText, get<&EventItem::brand>},
    ContractField<EventItem>{"variant", kText, get<&EventItem::variant>},
    ContractField<EventItem>{"price", kNumber, get<&EventItem::price>},
    ContractField<EventItem>{"quantity", kNumber, get<&EventItem::quantity>},
    ContractField<EventItem>{"currency", kText, get<&EventItem::currency>},
    ContractField<EventItem>{"position", kNumber, get<&EventItem::position>},
    ContractField<EventItem>{"in_cart", LogicalType::kBoolean, get<&EventItem::in_cart>}};

constexpr std::array kOrderFields = {
    ContractField<EventOrder>{"order_id", kText, get<&EventOrder::order_id>},
    ContractField<EventOrder>{"total", kNumber, get<&EventOrder::total>},
    ContractField<EventOrder>{"revenue", kNumber, get<&EventOrder::revenue>},
    ContractField<EventOrder>{"shipping", kNumber, get<&EventOrder::shipping>},
    ContractField<EventOrder>{"tax", kNumber, get<&EventOrder::tax>},
    ContractField<EventOrder>{"discount", kNumber, get<&EventOrder::discount>},
    ContractField<EventOrder>{"coupon", kText, get<&EventOrder::coupon>},
    ContractField<EventOrder>{"currency", kText, get<&EventOrder::currency>}};

template <class Fields>
auto find_field(const Fields& fields, std::string_view name) -> decltype(fields.data()) {
  const auto found = std::ranges::find(fields, name, [](const auto& field) { return field.name; });
  return found == fields.end() ? nullptr : &*found;
}

template <class Fields>
std::string names_of(const Fields& fields) {
  std::string out;
  for (const auto& field : fields) out += (out.empty() ? "" : ", ") + std::string(field.name);
  return out;
}

template <class Part>
void check_field(const ContractProperty& property, const ContractField<Part>& field, const YamlMap& map) {
  if (const auto clash = field_clash(field.type, property.type); !clash.empty())
    map.error(fmt::format("contradicts what events are: '{}' {}, and is declared of logicalType {}",
                          property.name, clash, logical_type_name(property.type)));
}

template <class Fields>
void check_part(const std::vector<ContractProperty>& properties, const Fields& fields, std::string_view part,
                const YamlMap& map) {
  for (const ContractProperty& property : properties) {
    const auto* field = find_field(fields, property.column());
    if (field == nullptr)
      map.error(fmt::format(
          "{} of an event has no field '{}'; it has {}. Others are kept in the event's properties", part,
          property.column(), names_of(fields)));
    else
      check_field(property, *field, map);
  }
}

void check_member(const ContractProperty& property, const YamlMap& map) {
  const std::string& name = property.column();
  if (name == "items") {
    if (property.type != LogicalType::kArray) map.error("'items' of an event is of logicalType array");
    for (const ContractProperty& item : property.items)
      check_part(item.properties, kItemFields, "an item", map);
  } else if (name == "order") {
    if (property.type != LogicalType::kObject) map.error("'order' of an event is of logicalType object");
    check_part(property.properties, kOrderFields, "the order", map);
  } else if (name == "properties") {
    if (property.type != LogicalType::kObject) map.error("'properties' of an event is of logicalType object");
  } else if (const auto* field = event_field(name)) {
    check_field(property, *field, map);
  }
}

}  // namespace

const ContractField<Event>* event_field(std::string_view name) {
  return find_field(kEventFields, name);
}
const ContractField<EventItem>* item_field(std::string_view name) {
  return find_field(kItemFields, name);
}
const ContractField<EventOrder>* order_field(std::string_view name) {
  return find_field(kOrderFields, name);
}

std::string_view field_clash(LogicalType type, LogicalType declared) {
  const bool nests = declared == LogicalType::kObject || declared == LogicalType::kArray;
  if (declared == LogicalType::kAny || declared == type) return "";
  if (type == LogicalType::kString) return nests ? "is text" : "";
  if (type == kNumber) return declared == LogicalType::kInteger ? "" : "is a number";
  if (type == LogicalType::kBoolean) return "is true or false";
  return declared == LogicalType::kDate ? "" : "is a time";
}

void contract::check_event_object(const ContractObject& object, const std::vector<YamlMap>& maps) {
  // Names on top and those below `properties` are members of the same object.
  std::set<std::string_view> members;
  for (std::size_t i = 0; i < std::min(object.properties.size(), maps.size()); ++i) {
    const ContractProperty& property = object.properties[i];
    check_member(property, maps[i]);
    const auto add = [&](const std::string& name) {
      if (!members.insert(name).second)
        maps[i].error(fmt::format("'{}' is named twice: below 'properties' and beside it", name));
    };
    if (property.column() == "properties") {
      for (const ContractProperty& one : property.properties) add(one.column());
    } else if (event_field(property.column()) == nullptr) {
      add(property.column());
    }
  }
  if (members.size() > kPropertiesMax && !maps.empty())
    maps.back().error(fmt::format("an event can have {} announced properties at the most, not {}",
                                  kPropertiesMax, members.size()));
}

}  // namespace millrace
