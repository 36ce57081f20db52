#include "source/mapping.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/yaml.h"
#include "source/row_values.h"

namespace millrace {
namespace {

/// Read `columns: [A, B], separator: "."`; return whether it is there.
bool read_joined_columns(const YamlMap& map, ValueRule& rule) {
  const auto value = map.find("columns");
  if (!value) return false;
  value->read(rule.more_columns);
  map.optional("separator", rule.separator);
  if (rule.more_columns.size() < 2) {
    value->error("expected a list of two or more columns");
    rule.more_columns.clear();
  } else {
    rule.column = rule.more_columns.front();
    rule.more_columns.erase(rule.more_columns.begin());
  }
  return true;
}

/// Read `Column`, or `{column: …, prefix: …, values: {…}, otherwise: …}`, with `columns: [A, B], separator:
/// …` in the place of `column` for several joined, or `{constant: …}`.
ValueRule read_value(const YamlValue& from) {
  ValueRule rule;
  rule.where = from.where();
  if (from.is_text()) {
    from.read(rule.column);
    return rule;
  }
  const auto map = from.map();
  const bool has_column = map.optional("column", rule.column) || read_joined_columns(map, rule);
  const bool has_constant = map.optional("constant", rule.constant);
  map.optional("prefix", rule.prefix);
  for (const auto& [text, meaning] : map.map("values").entries()) meaning.read(rule.values[text]);
  std::string otherwise;
  if (map.optional("otherwise", otherwise)) rule.otherwise = otherwise;
  if (from.is_map() && has_column == has_constant) from.error("give either 'column' or 'constant'");
  return rule;
}

void read_texts(const YamlMap& map, std::string_view key, Condition::Test test,
                std::vector<Condition>& into) {
  Condition condition;
  condition.test = test;
  if (map.optional(key, condition.texts)) into.push_back(std::move(condition));
}

void read_bound(const YamlMap& map, std::string_view key, Condition::Test test,
                std::vector<Condition>& into) {
  const auto value = map.find(key);
  if (!value) return;
  std::string text;
  value->read(text);
  Condition condition;
  condition.test = test;
  if (const auto number = Decimal::parse(text)) {
    condition.number = *number;
  } else {
    value->error(number.error().message);
  }
  into.push_back(std::move(condition));
}

/// Read what one column has to be: a text, a list of which any will do, or a map of tests.
std::vector<Condition> read_conditions(const std::string& column, const YamlValue& from) {
  std::vector<Condition> conditions;
  if (from.is_map()) {
    const auto map = from.map();
    read_texts(map, "is", Condition::Test::kIs, conditions);
    read_texts(map, "is_not", Condition::Test::kIsNot, conditions);
    read_texts(map, "starts_with", Condition::Test::kStartsWith, conditions);
    read_bound(map, "below", Condition::Test::kBelow, conditions);
    read_bound(map, "above", Condition::Test::kAbove, conditions);
    Condition empty;
    empty.test = Condition::Test::kEmpty;
    if (map.optional("empty", empty.empty)) conditions.push_back(empty);
  } else {
    Condition& is = conditions.emplace_back();
    from.read(is.texts);
  }
  for (auto& condition : conditions) {
    condition.column = column;
    condition.where = from.where();
  }
  return conditions;
}

/// Read `type: purchase`, or a list of `{when: {Column: test, …}, is: refund}`.
void read_types(const YamlMap& root, std::vector<TypeRule>& into) {
  const auto value = root.find("type");
  if (!value) return root.missing("type");
  if (value->is_text()) return value->read(into.emplace_back().type);
  for (const auto& element : value->list()) {
    TypeRule& rule = into.emplace_back();
    const auto map = element.map();
    map.required("is", rule.type);
    for (const auto& [column, test] : map.map("when").entries()) {
      std::ranges::move(read_conditions(column, test), std::back_inserter(rule.when));
    }
  }
  if (value->is_list() && into.empty()) value->error("the list of types is empty");
}

/// Read what is added to the time: a column of seconds, milliseconds or microseconds.
void read_time_plus(const YamlValue& from, Mapping& mapping) {
  mapping.time_plus.where = from.where();
  const auto map = from.map();
  map.required("column", mapping.time_plus.column);
  std::string unit;
  map.required("format", unit);
  if (unit != "s" && unit != "ms" && unit != "us") return from.error("the format of 'plus' is s, ms or us");
  mapping.time_plus_format = TimeFormat::make(unit).value();
}

void read_time(const YamlMap& root, Env& env, Mapping& mapping) {
  const auto value = root.find("time");
  if (!value) return root.missing("time");
  mapping.time.where = value->where();
  if (value->is_text()) return value->read(mapping.time.column);
  const auto map = value->map();
  const bool has_column = map.optional("column", mapping.time.column);
  const bool has_constant = map.optional("constant", mapping.time.constant);
  if (has_column == has_constant) value->error("give either 'column' or 'constant'");
  std::string format = "iso", zone_name;
  map.optional("format", format);
  std::shared_ptr<const TimeZone> zone;
  if (map.optional("zone", zone_name)) {
    auto loaded = TimeZone::load(env, zone_name);
    if (!loaded) return map.find("zone")->error(loaded.error().message);
    zone = std::make_shared<TimeZone>(*std::move(loaded));
  }
  const auto made = TimeFormat::make(format, std::move(zone));
  if (!made) return value->error(made.error().message);
  mapping.time_format = *made;
  if (const auto plus = map.find("plus")) read_time_plus(*plus, mapping);
  if (!has_constant) return;
  if (const auto time = made->read(mapping.time.constant); !time) value->error(time.error().message);
}

template <class Object>
std::optional<Member<Object>> find_member(std::string_view name, const YamlValue& value) {
  const auto members = members_of<Object>();
  const auto found = std::ranges::find(members, name, &NamedMember<Object>::name);
  if (found != members.end()) return found->member;
  std::vector<std::string> known;
  for (const auto& each : members) known.emplace_back(each.name);
  const auto nearest = nearest_name(name, known);
  value.error(nearest.empty()
                  ? fmt::format("unknown field '{}'; known here: {}", name, fmt::join(known, ", "))
                  : fmt::format("unknown field '{}'; did you mean '{}'?", name, nearest));
  return std::nullopt;
}

/// Read what fills one member. A constant that it cannot hold would spoil every row, so it is refused here.
template <class Object>
MemberRule<Object> read_member(const Member<Object>& member, const YamlValue& value) {
  MemberRule<Object> rule{member, read_value(value)};
  if (!rule.value.column.empty()) return rule;
  RowValues values;
  values.begin({});
  Object object;
  if (const auto filled = values.fill(rule, kNoColumn, object); !filled) value.error(filled.error().message);
  return rule;
}

template <class Object>
std::vector<MemberRule<Object>> read_members(const YamlMap& map) {
  std::vector<MemberRule<Object>> rules;
  for (const auto& [name, value] : map.entries()) {
    if (const auto member = find_member<Object>(name, value)) rules.push_back(read_member(*member, value));
  }
  return rules;
}

/// Whether the value is `sum_of_items`, the word for an amount that is added up from the order's items.
bool is_sum_of_items(const YamlValue& value) {
  std::string text;
  if (value.is_text()) value.read(text);
  return text == "sum_of_items";
}

void read_order(const YamlMap& map, Mapping& mapping) {
  for (const auto& [name, value] : map.entries()) {
    const auto member = find_member<EventOrder>(name, value);
    if (!member) continue;
    if (!is_sum_of_items(value)) {
      mapping.order.push_back(read_member(*member, value));
    } else if (const auto* amount = std::get_if<std::optional<Decimal> EventOrder::*>(&*member)) {
      mapping.sums_of_items.push_back(*amount);
    } else {
      value.error(fmt::format("'{}' is not an amount, so it cannot be the sum_of_items", name));
    }
  }
}

void read_delimiter(const YamlMap& root, char& into) {
  std::string text;
  if (!root.optional("delimiter", text)) return;
  if (text == "tab") text = "\t";
  if (text.size() != 1 || text == "\"" || text == "\n" || text == "\r") {
    return root.find("delimiter")->error("expected one character, or the word tab");
  }
  into = text[0];
}

void read_unnest(const YamlMap& root, Mapping& mapping) {
  if (!root.optional("unnest", mapping.unnest) || mapping.format != RowFormat::kCsv) return;
  root.find("unnest")->error("rows of CSV hold no lists; say 'format: jsonl' or 'format: parquet'");
}

void read_columns(const YamlMap& root, std::string_view key, std::vector<std::string>& into,
                  std::string& where) {
  const auto value = root.find(key);
  if (!value) return;
  where = value->where();
  value->read(into);
}

void read_events(const YamlMap& root, Env& env, Mapping& mapping) {
  read_types(root, mapping.types);
  read_time(root, env, mapping);
  mapping.event = read_members<Event>(root.map("fields"));
  mapping.item = read_members<EventItem>(root.map("item"));
  read_order(root.map("order"), mapping);
}

void read_catalogue(const YamlMap& root, Mapping& mapping) {
  if (const auto id = root.find("id")) {
    mapping.id = read_value(*id);
  } else {
    root.missing("id");
  }
  for (const auto& [name, value] : root.map("attributes").entries()) {
    mapping.attributes.push_back({name, read_value(value)});
  }
}

Result<Mapping> read_document(const YamlDocument& yaml, Env& env) {
  Mapping mapping;
  const auto root = yaml.root();
  root.optional("source", mapping.source);
  root.optional_choice<RowFormat>(
      "format", mapping.format,
      {{"csv", RowFormat::kCsv}, {"jsonl", RowFormat::kJsonLines}, {"parquet", RowFormat::kParquet}});
  root.optional_choice<Produce>(
      "produce", mapping.produce,
      {{"events", Produce::kEvents}, {"items", Produce::kItems}, {"users", Produce::kUsers}});
  read_delimiter(root, mapping.delimiter);
  read_unnest(root, mapping);
  for (const auto& [column, test] : root.map("only").entries()) {
    std::ranges::move(read_conditions(column, test), std::back_inserter(mapping.only));
  }
  read_columns(root, "group_by", mapping.group_by, mapping.group_by_where);
  read_columns(root, "ignore", mapping.ignore, mapping.ignore_where);
  if (mapping.produce == Produce::kEvents) {
    read_events(root, env, mapping);
  } else {
    read_catalogue(root, mapping);
  }
  MILLRACE_TRY(yaml.finish());
  return mapping;
}

}  // namespace

Result<Mapping> parse_mapping(std::string_view text, const Path& name, Env& env) {
  MILLRACE_ASSIGN(const auto yaml, YamlDocument::parse(text, name));
  return read_document(yaml, env);
}

Result<Mapping> load_mapping(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto yaml, YamlDocument::load(env, path));
  return read_document(yaml, env);
}

Mapping plain_mapping(Produce produce, RowFormat format, std::string id_column) {
  Mapping mapping;
  mapping.produce = produce;
  mapping.format = format;
  mapping.id.column = std::move(id_column);
  return mapping;
}

}  // namespace millrace
