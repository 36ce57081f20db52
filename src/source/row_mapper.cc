#include "source/row_mapper.h"

#include <algorithm>

#include <fmt/format.h>

#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr std::string_view kPrice = "price";  // the attribute of an item
constexpr char kKeySeparator = '\x1F';

/// Return Σ price × quantity of the items that have both, or nothing when none has or it is too large.
std::optional<Decimal> sum_of(std::span<const EventItem> items) {
  std::optional<Decimal> sum;
  for (const auto& item : items) {
    if (!item.price || !item.quantity) continue;
    const auto amount = item.price->times(*item.quantity);
    if (!amount) return std::nullopt;
    sum = Decimal::from_units((sum ? sum->units() : 0) + amount->units());
    if (sum->units() > Decimal::kUnitsMax || sum->units() < -Decimal::kUnitsMax) return std::nullopt;
  }
  return sum;
}

}  // namespace

RowMapper::RowMapper(const Mapping& mapping, const Hash128& content, std::size_t group_bytes_max)
    : mapping_(mapping), content_hex_(to_hex(content)), groups_(group_bytes_max) {}

std::size_t RowMapper::use(ColumnFinder& finder, const ValueRule& rule) {
  const auto use_one = [&](const std::string& name) {
    const auto column = finder.find(name, rule.where);
    if (column != kNoColumn) is_used_[column] = true;
    return column;
  };
  const auto column = use_one(rule.column);
  if (rule.more_columns.empty()) return column;
  std::vector<std::size_t> columns{column};
  for (const auto& name : rule.more_columns) columns.push_back(use_one(name));
  return values_.join(std::move(columns), rule.separator);
}

Status RowMapper::bind(const std::vector<std::string>& columns, bool complete) {
  columns_ = columns;
  is_used_.assign(columns.size(), false);
  values_.forget_joined();
  ColumnFinder finder(columns_, complete);
  group_columns_.clear();
  for (const auto& name : mapping_.group_by) {
    group_columns_.push_back(finder.find(name, mapping_.group_by_where));
  }
  for (const auto& name : mapping_.ignore) {
    const auto column = finder.find(name, mapping_.ignore_where);
    if (column != kNoColumn) is_used_[column] = true;
  }
  only_columns_.clear();
  for (const auto& condition : mapping_.only) {
    only_columns_.push_back(finder.find(condition.column, condition.where));
  }
  if (mapping_.produce == Produce::kEvents) {
    bind_events(finder);
  } else {
    bind_catalogue(finder);
  }
  return finder.finish();
}

void RowMapper::bind_events(ColumnFinder& finder) {
  const auto bind_all = [&](const auto& rules, std::vector<std::size_t>& into) {
    into.clear();
    for (const auto& rule : rules) into.push_back(use(finder, rule.value));
  };
  bind_all(mapping_.event, event_columns_);
  bind_all(mapping_.order, order_columns_);
  bind_all(mapping_.item, item_columns_);
  time_column_ = use(finder, mapping_.time);
  time_plus_column_ = use(finder, mapping_.time_plus);
  condition_columns_.clear();
  for (const auto& type : mapping_.types) {
    auto& columns = condition_columns_.emplace_back();
    for (const auto& condition : type.when) columns.push_back(finder.find(condition.column, condition.where));
  }
}

void RowMapper::bind_catalogue(ColumnFinder& finder) {
  id_column_ = use(finder, mapping_.id);
  attribute_columns_.clear();
  for (const auto& rule : mapping_.attributes) attribute_columns_.push_back(use(finder, rule.value));
  const auto price = std::ranges::find(columns_, kPrice);
  other_price_column_ = kNoColumn;
  if (mapping_.produce != Produce::kItems || price == columns_.end()) return;
  const auto at = static_cast<std::size_t>(price - columns_.begin());
  if (!is_used_[at]) other_price_column_ = at;
}

/// Refuse a catalogue item whose price nobody could read, as PUT /v1/items does.
Status RowMapper::check_price() {
  if (mapping_.produce != Produce::kItems) return {};
  const auto check = [](std::string_view column, std::string_view text) -> Status {
    if (text.empty()) return {};
    if (auto price = Decimal::parse(text); !price)
      return fail(std::move(price).error().with_context(fmt::format("column '{}'", column)));
    return {};
  };
  for (std::size_t i = 0; i < attribute_columns_.size(); ++i) {
    const auto& [name, rule] = mapping_.attributes[i];
    if (name == kPrice) MILLRACE_TRY(check(rule.column, values_.value(rule, attribute_columns_[i])));
  }
  return check(kPrice, values_.cell(other_price_column_));
}

bool RowMapper::meets_all(std::span<const Condition> conditions, std::span<const std::size_t> columns) const {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (!values_.meets(conditions[i], columns[i])) return false;
  }
  return true;
}

Result<std::string_view> RowMapper::type_of_row() const {
  for (std::size_t i = 0; i < mapping_.types.size(); ++i) {
    const auto& rule = mapping_.types[i];
    if (meets_all(rule.when, condition_columns_[i])) return rule.type;
  }
  return fail(Code::kInvalid, "no rule under 'type' of the mapping fits this row");
}

Result<TimeUs> RowMapper::time_of_row() {
  const auto read = [&](const ValueRule& rule, const TimeFormat& format,
                        std::string_view text) -> Result<TimeUs> {
    auto time = format.read(text);
    if (!time) return fail(std::move(time).error().with_context(fmt::format("column '{}'", rule.column)));
    return time;
  };
  const auto text = values_.value(mapping_.time, time_column_);
  if (!last_time_ || text != last_time_text_) {
    last_time_.reset();
    MILLRACE_ASSIGN(last_time_, read(mapping_.time, mapping_.time_format, text));
    last_time_text_ = text;
  }
  const auto plus = values_.value(mapping_.time_plus, time_plus_column_);
  if (plus.empty()) return *last_time_;
  MILLRACE_ASSIGN(const auto since, read(mapping_.time_plus, mapping_.time_plus_format, plus));
  return *last_time_ + since;
}

/// Append the columns that go nowhere else as JSON members; return whether there are any.
bool RowMapper::write_other_columns(const Row& row, std::string& out, bool needs_comma) const {
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    const auto& cell = row.cells[i];
    if (is_used_[i] || cell.text.empty()) continue;
    if (needs_comma) out += ',';
    needs_comma = true;
    append_json_string(columns_[i], out);
    out += ':';
    if (cell.is_json) {
      out += cell.text;
    } else {
      append_json_string(cell.text, out);
    }
  }
  return needs_comma;
}

Status RowMapper::read_event(Event& event) {
  for (std::size_t i = 0; i < event_columns_.size(); ++i) {
    MILLRACE_TRY(values_.fill(mapping_.event[i], event_columns_[i], event));
  }
  if (mapping_.order.empty() && mapping_.sums_of_items.empty()) return {};
  EventOrder order;
  for (std::size_t i = 0; i < order_columns_.size(); ++i) {
    MILLRACE_TRY(values_.fill(mapping_.order[i], order_columns_[i], order));
  }
  event.order = order;
  return {};
}

Result<std::optional<EventItem>> RowMapper::read_item() {
  if (mapping_.item.empty()) return std::nullopt;
  EventItem item;
  bool any_column = false, any_text = false;
  for (std::size_t i = 0; i < item_columns_.size(); ++i) {
    const auto& rule = mapping_.item[i];
    MILLRACE_TRY(values_.fill(rule, item_columns_[i], item));
    if (rule.value.column.empty()) continue;
    any_column = true;
    any_text |= !values_.value(rule.value, item_columns_[i]).empty();
  }
  // A row whose columns all are empty is about no item, whatever constants the mapping adds.
  if (any_column && !any_text) return std::nullopt;
  return item;
}

void RowMapper::make_group_key(std::string_view type) {
  group_key_ = type;
  for (const auto column : group_columns_) {
    group_key_ += kKeySeparator;
    group_key_ += values_.cell(column);
  }
}

Status RowMapper::map(const Row& row, MappedRecords& out) {
  values_.begin(row);
  if (!meets_all(mapping_.only, only_columns_)) return {};
  return mapping_.produce == Produce::kEvents ? map_event(row, out) : map_change(row, out);
}

Status RowMapper::map_event(const Row& row, MappedRecords& out) {
  Event event;
  MILLRACE_ASSIGN(event.type_name, type_of_row());
  event.type = event_type_of(event.type_name);
  MILLRACE_ASSIGN(event.event_time, time_of_row());
  MILLRACE_TRY(read_event(event));
  MILLRACE_ASSIGN(const auto item, read_item());
  properties_ = "{";
  if (write_other_columns(row, properties_, false)) {
    properties_ += '}';
    event.properties = properties_;
  }
  if (!mapping_.group_by.empty()) {
    make_group_key(event.type_name);
    return groups_.add(group_key_, row.place, event, item);
  }
  if (item) event.items = std::span(&*item, 1);
  write_event(event, row.place, out);
  return {};
}

bool RowMapper::take_groups(MappedRecords& out, std::size_t bytes_enough) {
  while (out.text.size() < bytes_enough) {
    auto* group = groups_.take();
    if (group == nullptr) return false;
    group->event.items = group->items;
    write_event(group->event, group->place, out);
  }
  return true;
}

void RowMapper::add_up(Event& event) const {
  auto sum = sum_of(event.items);
  // What was given back is a positive amount of a refund, though its quantities are negative.
  if (sum && event.type == EventType::kRefund) sum = Decimal::from_units(-sum->units());
  for (const auto amount : mapping_.sums_of_items) (*event.order).*amount = sum;
}

void RowMapper::write_event(Event& event, const RowPlace& place, MappedRecords& out) const {
  fmt::memory_buffer id;
  if (event.message_id.empty()) {
    fmt::format_to(std::back_inserter(id), "{}:{}", content_hex_, place.text());
    event.message_id = std::string_view(id.data(), id.size());
  }
  if (!mapping_.sums_of_items.empty()) add_up(event);
  const auto begin = out.text.size();
  append_native_event(event, out.text);
  out.pieces.push_back({begin, out.text.size() - begin, place, ""});
  out.text += '\n';
}

Status RowMapper::map_change(const Row& row, MappedRecords& out) {
  const auto id = values_.value(mapping_.id, id_column_);
  if (id.empty())
    return fail(Code::kInvalid,
                fmt::format("column '{}' is empty, so the row has no id", mapping_.id.column));
  MILLRACE_TRY(check_price());
  if (!mapping_.group_by.empty()) {
    make_group_key("");
    if (!ids_seen_.insert(group_key_).second) return {};
  }
  const auto begin = out.text.size();
  JsonWriter json(out.text);
  json.begin_object().member("op", "put").member("id", id).key("attributes").begin_object();
  bool any = false;
  for (std::size_t i = 0; i < attribute_columns_.size(); ++i) {
    const auto text = values_.value(mapping_.attributes[i].value, attribute_columns_[i]);
    if (text.empty()) continue;
    json.member(mapping_.attributes[i].name, text);
    any = true;
  }
  write_other_columns(row, out.text, any);
  out.text += "}}";
  out.pieces.push_back({begin, out.text.size() - begin, row.place, std::string(id)});
  out.text += '\n';
  return {};
}

}  // namespace millrace
