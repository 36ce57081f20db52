#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/contract.h"
#include "event/contract_fields.h"
#include "event/contract_notes.h"
#include "event/contract_value.h"
#include "event/event.h"

namespace millrace {

/// Why an event does not fit its contract.
struct ContractBreach {
  Misfit::Kind kind = Misfit::Kind::kValue;
  std::string property;  ///< "items[2].price"
  std::string message;
};

/// One object of a contract, made ready to check events. Immutable; threads: any.
class EventRules {
 public:
  /// Needs an object of events that `parse_contract` found sound. `contract` and `object` must outlive it.
  EventRules(const Contract& contract, const ContractObject& object);

  /// Return the first thing that is wrong with `event`, and note what is let through but not as announced.
  std::optional<ContractBreach> check(const Event& event, ContractNotes& notes) const;

  const Contract& contract() const { return contract_; }
  const ContractObject& object() const { return object_; }

 private:
  /// One property of a part that is read through a field.
  template <class Part>
  struct FieldCheck {
    const ContractField<Part>* field;
    std::string name;
    bool required;
    ValueCheck value;
  };
  /// A member of a JSON object, and what it holds.
  struct Member {
    Member(const ContractProperty& property);

    std::string name;
    LogicalType type;
    bool required;
    LogicalTypeOptions options;
    ValueCheck value;
    std::vector<Member> members;  ///< of an object
    std::vector<Member> items;    ///< of an array: none or one
  };
  using Breach = std::optional<ContractBreach>;

  void add(const ContractProperty& property);
  template <class Part>
  Breach check_fields(const std::vector<FieldCheck<Part>>& checks, const Part& part,
                      ContractNotes& notes) const;
  Breach check_items(const Event& event, ContractNotes& notes) const;
  Breach check_properties(const Event& event, ContractNotes& notes) const;
  Breach check_object(std::string_view json, const std::vector<Member>& members, bool is_top,
                      ContractNotes& notes) const;
  Breach check_member(std::string_view json, const Member& member, ContractNotes& notes) const;
  Breach check_nested(std::string_view json, const Member& member, ContractNotes& notes) const;
  Breach check_array(std::string_view json, const Member& member, ContractNotes& notes) const;
  Breach judge(Misfit misfit, std::string_view property, ContractNotes& notes) const;

  const Contract& contract_;
  const ContractObject& object_;
  std::vector<FieldCheck<Event>> fields_;
  std::vector<FieldCheck<EventItem>> item_fields_;
  std::vector<FieldCheck<EventOrder>> order_fields_;
  LogicalTypeOptions items_;  ///< how many
  bool items_required_ = false;
  bool order_required_ = false;
  bool properties_required_ = false;
  std::vector<Member> members_;
  bool any_required_member_ = false;
};

}  // namespace millrace
