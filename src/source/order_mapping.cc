#include "source/order_mapping.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"

namespace millrace {
namespace {

/// A column that a mapping names, and where.
struct NamedColumn {
  std::string name;
  std::string where;
};

void add_rule(const ValueRule& rule, std::vector<NamedColumn>& into) {
  if (!rule.column.empty()) into.push_back({rule.column, rule.where});
  for (const std::string& name : rule.more_columns) into.push_back({name, rule.where});
}

std::vector<NamedColumn> columns_of(const Mapping& mapping) {
  std::vector<NamedColumn> all;
  add_rule(mapping.time, all);
  add_rule(mapping.time_plus, all);
  for (const auto& rule : mapping.event) add_rule(rule.value, all);
  for (const auto& rule : mapping.order) add_rule(rule.value, all);
  for (const auto& rule : mapping.item) add_rule(rule.value, all);
  for (const auto& condition : mapping.only) all.push_back({condition.column, condition.where});
  for (const auto& type : mapping.types)
    for (const auto& condition : type.when) all.push_back({condition.column, condition.where});
  return all;
}

/// Return the tables of which an order has one row, though it has several lines.
std::vector<std::string> tables_of_head(const OrderTables& tables) {
  std::vector<std::string> names{tables.head.table};
  for (const OrderTables::Join& join : tables.joins)
    if (std::ranges::find(names, join.to.table) != names.end()) names.push_back(join.own.table);
  return names;
}

Result<OrderTables::Column> find_order_column(const OrderTables& tables, const NamedColumn& named) {
  std::vector<std::string> known{tables.head.table, tables.lines.table};
  for (const OrderTables::Join& join : tables.joins) known.push_back(join.own.table);
  for (const std::string& table : known)
    if (named.name.starts_with(table + "."))
      return OrderTables::Column{table, named.name.substr(table.size() + 1)};
  return fail(Code::kInvalid,
              fmt::format("'{}' is no column of the order's tables: say TABLE.COLUMN, the table being {}",
                          named.name, fmt::join(known, ", ")),
              named.where);
}

template <class Object>
bool has_member(const std::vector<MemberRule<Object>>& rules, std::string_view Object::* member) {
  return std::ranges::any_of(rules, [&](const auto& rule) {
    const auto* text = std::get_if<std::string_view Object::*>(&rule.member);
    return text != nullptr && *text == member;
  });
}

Status check_mapping(const OrderTables& tables, const Mapping& mapping) {
  if (mapping.produce != Produce::kEvents)
    return fail(Code::kInvalid, "orders become events: leave 'produce' out");
  if (!mapping.unnest.empty())
    return fail(Code::kInvalid, "rows of tables hold no lists: leave 'unnest' out");
  if (!mapping.group_by.empty())
    return fail(Code::kInvalid, "the lines of an order are one event anyway: leave 'group_by' out",
                mapping.group_by_where);
  if (has_member(mapping.event, &Event::message_id))
    return fail(Code::kInvalid, "the message id is that of the order: leave 'message_id' out");
  if (!has_member(mapping.order, &EventOrder::order_id))
    return fail(Code::kInvalid,
                "orders that came otherwise are recognised by 'order_id': say it under 'order'");
  const auto of_head = tables_of_head(tables);
  for (const TypeRule& rule : mapping.types) {
    if (rule.type == "refund")
      return fail(
          Code::kInvalid,
          "what is taken back takes the place of the purchase, so it is no 'refund': call it otherwise, as "
          "order_returned");
    for (const Condition& condition : rule.when) {
      MILLRACE_ASSIGN(const auto column, find_order_column(tables, {condition.column, condition.where}));
      if (std::ranges::find(of_head, column.table) == of_head.end())
        return fail(Code::kInvalid, "lines of one order would have different types", condition.where);
    }
  }
  return {};
}

}  // namespace

Result<OrderMapping> make_order_mapping(OrderTables tables, Mapping mapping, std::string_view text) {
  MILLRACE_TRY(check_mapping(tables, mapping));
  if (mapping.source.empty()) mapping.source = tables.source;
  std::string known_by = fmt::format("1|{}|{}|{}", tables.head.text(), tables.lines.text(), text);
  for (const OrderTables::Join& join : tables.joins)
    known_by += fmt::format("|{}={}", join.own.text(), join.to.text());
  tables.version = hash64(known_by);
  mapping.ignore.clear();
  for (const NamedColumn& named : columns_of(mapping)) {
    if (std::ranges::find(mapping.ignore, named.name) != mapping.ignore.end()) continue;
    MILLRACE_ASSIGN(tables.columns.emplace_back(), find_order_column(tables, named));
    mapping.ignore.push_back(named.name);  // what decides alone whether an order counts is no property of it
  }
  mapping.group_by = {std::string(OrderMapping::kIdColumn)};
  ValueRule id;
  id.column = OrderMapping::kIdColumn;
  mapping.event.push_back({&Event::message_id, std::move(id)});
  OrderMapping made{std::move(tables), mapping, std::move(mapping)};
  made.left_out.only.clear();
  made.left_out.types = {{.when = {}, .type = "order_removed"}};
  return made;
}

}  // namespace millrace
