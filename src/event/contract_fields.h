#pragma once

#include <string_view>

#include "event/contract_value.h"
#include "event/event.h"

/// How the names of a contract meet the fields of an event (docs/formats/native-event.md).
namespace millrace {

/// A field of a part of an event.
template <class Part>
struct ContractField {
  std::string_view name;
  LogicalType type;  ///< what its values are: text, numbers, true or false, times
  ContractCell (*get)(const Part&);
};

/// Return the field of that name, or null: then it is a member of `properties`, if it is an event's.
const ContractField<Event>* event_field(std::string_view name);
const ContractField<EventItem>* item_field(std::string_view name);
const ContractField<EventOrder>* order_field(std::string_view name);

/// Return what is wrong with declaring a field of `type` as `declared`, "" when they go together. Text may be
/// declared as a number, a date and so on, and is then read as that.
std::string_view field_clash(LogicalType type, LogicalType declared);

}  // namespace millrace
