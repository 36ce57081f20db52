#include "source/contract_proposal.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "event/contract_fields.h"

namespace millrace {
namespace {

constexpr std::string_view kRequired = "        required: true\n";

std::string blanks(int n) {
  return std::string(static_cast<std::size_t>(n), ' ');
}

std::vector<std::string> quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const auto& text : texts) all.push_back(yaml_quoted(text));
  return all;
}

/// Return whether an event has a member of its own by that name.
bool is_events_own(std::string_view name) {
  return event_field(name) != nullptr || name == "order" || name == "items" || name == "properties";
}

bool is_number_role(std::string_view role) {
  return role == "item.price" || role == "item.quantity" || role == "order.total" || role == "value";
}

/// Writes the contract of one file.
class ContractProposer {
 public:
  ContractProposer(const FileProfile& profile, const MappingProposal& mapping, const std::string& source)
      : profile_(profile), mapping_(mapping), source_(source) {}

  std::string run() {
    const auto origin = profile_.path.filename().string();
    if (mapping_.mapping.produce != Produce::kEvents) {
      yaml_ = contract_head(source_, origin, "");
      write_catalogue();
      return yaml_;
    }
    yaml_ = contract_head(source_, origin, source_);
    for (const auto& type : mapping_.types)
      if (type != "other") write_event(type);
    return yaml_;
  }

 private:
  bool has(const std::string& role) const { return mapping_.roles.contains(role); }

  /// Return the property that a column of a role fills.
  ContractColumn column_of(const std::string& role, const std::string& name) const {
    const auto& column = *profile_.find(mapping_.roles.at(role));
    ContractColumn made{.name = name, .type = is_number_role(role) ? "number" : "string"};
    made.required = column.empty == 0;
    if (role == "item.price" && column.negative == 0) made.minimum = "0";
    if (role == "value") {
      made.minimum = "1";
      made.maximum = "5";
    }
    add_values(column, made);
    return made;
  }

  static void add_values(const ColumnProfile& column, ContractColumn& made) {
    if (made.type != "string" || column.type != ColumnProfile::Type::kText || !column.is_enum()) return;
    for (const auto& [value, count] : column.values) made.values.push_back(value);
    made.values_are_seen = true;
  }

  void add(const ContractColumn& column, int indent) { yaml_ += contract_property(column, indent); }

  void write_catalogue() {
    const bool items = mapping_.mapping.produce == Produce::kItems;
    const std::string table = items ? "items" : "users";
    yaml_ += fmt::format("  - name: {}\n    physicalType: table\n    properties:\n", table);
    add({.name = items ? "item_id" : "user_id", .type = "string", .required = true, .unique = true}, 6);
    if (!items) return;
    for (const auto& [role, name] : {std::pair<std::string, std::string>{"item.name", "name"},
                                     {"item.category", "category"},
                                     {"item.price", "price"}})
      if (has(role)) {
        auto column = column_of(role, name);
        column.values.clear();
        add(column, 6);
      }
  }

  void write_event(const std::string& type) {
    yaml_ += fmt::format("  - name: {}\n    physicalType: event\n    properties:\n", yaml_text(type));
    const auto before = yaml_.size();
    for (const auto& [role, column] : mapping_.roles)
      if (!role.contains('.') && role != "time" && role != "type" && role != "message_id")
        add(column_of(role, role), 6);
    if (has("order.order_id") || has("order.total")) write_order(type);
    if (has("item.item_id")) write_items(type);
    for (const auto& column : profile_.columns) write_other(column);
    if (yaml_.size() == before) yaml_.replace(yaml_.size() - 1, 1, " []\n");
  }

  void write_order(const std::string& type) {
    const bool is_order = type == "purchase" || type == "refund";
    yaml_ += fmt::format("      - name: order\n        logicalType: object\n{}        properties:\n",
                         is_order ? kRequired : "");
    for (const std::string name : {"order_id", "total", "currency"})
      if (has("order." + name)) add(column_of("order." + name, name), 10);
  }

  void write_items(const std::string& type) {
    const auto& item = *profile_.find(mapping_.roles.at("item.item_id"));
    yaml_ += fmt::format(
        "      - name: items\n        logicalType: array\n{}        items:\n"
        "          logicalType: object\n          properties:\n",
        item.empty == 0 ? kRequired : "");
    for (const std::string name : {"item_id", "name", "category", "brand", "price", "quantity"}) {
      if (!has("item." + name)) continue;
      auto column = column_of("item." + name, name);
      if (name == "item_id") column.required = true;
      if (name == "quantity" && type != "refund") column.minimum = "0";
      add(column, 12);
    }
  }

  /// What no role takes stays among the event's properties.
  void write_other(const ColumnProfile& column) {
    const auto is_taken = [&](const auto& role) { return role.second == column.name; };
    using Kind = ColumnProfile::Type;
    if (std::ranges::any_of(mapping_.roles, is_taken) || is_events_own(column.name) ||
        column.name.contains('.') || column.type == Kind::kEmpty || column.type == Kind::kJson)
      return;
    // A file of text has nothing but texts; JSON has types of its own, and may have several in a column.
    ContractColumn made{.name = column.name, .type = "string", .required = column.empty == 0};
    const bool is_typed = column.is_json && (column.is_number() || column.type == Kind::kBoolean);
    if (column.has_json) made.type = is_typed ? type_name(column.type) : "";
    add_values(column, made);
    add(made, 6);
  }

  const FileProfile& profile_;
  const MappingProposal& mapping_;
  const std::string& source_;
  std::string yaml_;
};

}  // namespace

std::string contract_head(const std::string& id, const std::string& origin, const std::string& source) {
  std::string head = fmt::format(
      "# Proposed by `millrace discover` from {}. Read it, name its owner, and set status to active: until "
      "then\n"
      "# it holds nobody to anything.\n"
      "apiVersion: v3.1.0\nkind: DataContract\nid: {}\nversion: 0.1.0\nstatus: proposed\n",
      without_controls(origin), yaml_text(id));
  if (!source.empty())
    head += fmt::format("customProperties:\n  - {{property: sources, value: [{}]}}\n", yaml_text(source));
  return head + "schema:\n";
}

std::string contract_property(const ContractColumn& column, int indent) {
  std::string text = fmt::format("{}- name: {}\n", blanks(indent), yaml_text(column.name));
  const auto key = blanks(indent + 2);
  if (!column.type.empty()) text += fmt::format("{}logicalType: {}\n", key, column.type);
  if (column.required) text += key + "required: true\n";
  if (column.unique) text += key + "unique: true\n";
  if (column.in_key) text += key + "primaryKey: true\n";
  std::vector<std::string> options;
  if (!column.minimum.empty()) options.push_back("minimum: " + column.minimum);
  if (!column.maximum.empty()) options.push_back("maximum: " + column.maximum);
  if (!options.empty()) text += fmt::format("{}logicalTypeOptions: {{{}}}\n", key, fmt::join(options, ", "));
  if (!column.reference.empty())
    text += fmt::format("{}relationships: [{{to: {}}}]\n", key, yaml_text(column.reference));
  if (!column.values.empty())
    text += fmt::format(
        "{0}quality:\n{0}  - {{metric: invalidValues, arguments: {{validValues: [{1}]}}, mustBe: 0{2}}}\n",
        key, fmt::join(quoted(column.values), ", "), column.values_are_seen ? ", severity: warn" : "");
  return text;
}

std::string propose_contract(const FileProfile& profile, const MappingProposal& mapping,
                             const std::string& source) {
  if (mapping.yaml.empty() || (mapping.mapping.produce == Produce::kEvents && mapping.types.empty()))
    return "";
  return ContractProposer(profile, mapping, source).run();
}

}  // namespace millrace
