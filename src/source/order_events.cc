#include "source/order_events.h"

#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "event/contracts.h"
#include "event/json_writer.h"
#include "event/quarantine.h"
#include "log/topics.h"
#include "source/row_mapper.h"

namespace millrace {
namespace {

constexpr std::size_t kOrderBytesMax = 4 << 20;  // of an event, as of one that is loaded from a file
constexpr std::size_t kOrderPaddingBytes = 64;   // what simdjson reads past the end

// What is told of an order stays in its order.
constexpr LogWriter::Limits kOrderLimits{.appends_in_flight = 1};

}  // namespace

OrderEvents::OrderEvents(EventLog& log, Env& env, const OrderMapping& mapping, const Contracts* contracts)
    : log_(log), env_(env), mapping_(mapping), contracts_(contracts) {
  columns_.emplace_back(OrderMapping::kIdColumn);
  for (const OrderTables::Column& column : mapping.tables.columns) columns_.push_back(column.text());
}

std::string OrderEvents::message_id(const ChangedOrder& order) const {
  return fmt::format("{}{}:{}", kOrderIdPrefix, mapping_.tables.source, order.key);
}

Result<std::uint64_t> OrderEvents::tell(std::vector<ChangedOrder>& orders, const std::stop_token& stop) {
  LogWriter writer(log_, env_, kOrderLimits, stop);
  std::uint64_t appended = 0;
  for (ChangedOrder& order : orders) {
    MILLRACE_ASSIGN(const bool is_new, tell_one(order, writer));
    appended += is_new ? 1 : 0;
  }
  MILLRACE_TRY(writer.flush());
  return appended;
}

/// Return whether there was something to tell.
Result<bool> OrderEvents::tell_one(ChangedOrder& order, LogWriter& writer) const {
  if (order.rows.empty() && !order.told) return false;
  Told now = told_as(order);
  if (order.told && order.told->hash == now.hash) return false;
  MILLRACE_TRY(append(message_id(order), now, order, writer));
  if (now.is_gone) {
    order.told.reset();
  } else {
    order.told->hash = now.hash;
  }
  return true;
}

Status OrderEvents::append(const std::string& id, Told& now, ChangedOrder& order, LogWriter& writer) const {
  BodyFacts facts;
  facts.source = mapping_.mapping.source;
  facts.received_time = env_.now();
  facts.message_id = id;
  facts.replaces = true;
  facts.owns_order = true;
  if (!order.told) order.told.emplace(order.key, 0);
  if (now.problem) return put_aside(facts, now.json, *std::move(now.problem), writer);
  now.json.reserve(now.json.size() + kOrderPaddingBytes);
  const BodyLimits limits{kOrderBytesMax, kOrderBytesMax, 1, contracts_};
  MILLRACE_ASSIGN(const auto split, split_body(CodecId::kNative, now.json, facts, limits, env_));
  if (contracts_ != nullptr) contracts_->count(split.notes, facts.received_time);
  if (!split.refused.empty()) return put_aside(facts, now.json, split.refused.front().reason, writer);
  for (const auto& batch : split.decoded)
    for (const Event& event : batch->events)
      if (event.order) order.told->order_id = event.order->order_id;
  // All that is told of an order lies in one partition.
  const auto& record = split.accepted.front();
  return writer.add(kEventsTopic, {id, record.attributes, record.value, facts.received_time, record.count},
                    0);
}

Status OrderEvents::put_aside(const BodyFacts& facts, std::string_view raw, Error reason,
                              LogWriter& writer) const {
  reason.where = fmt::format("{}{}{}", facts.message_id, reason.where.empty() ? "" : ": ", reason.where);
  const auto header = quarantine_header("ingest", codec_name(CodecId::kNative), reason, facts);
  return writer.add(kQuarantineTopic, {.attributes = header, .value = raw, .time = facts.received_time}, 0);
}

OrderEvents::Told OrderEvents::told_as(const ChangedOrder& order) const {
  Told now;
  if (order.rows.empty()) {
    now.is_gone = true;
    now.json = gone(order);
    return now;
  }
  auto json = map(mapping_.mapping, order);
  if (json && json->empty()) json = map(mapping_.left_out, order);
  if (json) {
    now.json = *std::move(json);
  } else {
    now.json = rows_json(order).substr(0, kBadRowBytesMax);
    now.problem = std::move(json).error();
  }
  now.hash = hash64(now.json);
  return now;
}

/// Return the order as a native event; empty when the mapping passes over all its rows.
Result<std::string> OrderEvents::map(const Mapping& mapping, const ChangedOrder& order) const {
  RowMapper mapper(mapping, Hash128{}, kOrderBytesMax);
  MILLRACE_TRY(mapper.bind(columns_, true));
  const std::string id = message_id(order);
  MappedRecords mapped;
  Row row;
  std::vector<Cell> cells(columns_.size());
  cells[0].text = id;
  for (const ChangedOrder::Row& from : order.rows) {
    for (std::size_t i = 0; i < from.size(); ++i)
      cells[i + 1].text = from[i] ? std::string_view(*from[i]) : std::string_view();
    ++row.place.line;
    row.cells = cells;
    MILLRACE_TRY(mapper.map(row, mapped));
  }
  mapper.take_groups(mapped, kOrderBytesMax);
  return mapped.text;
}

/// It is not there any more, and nobody knows since when.
std::string OrderEvents::gone(const ChangedOrder& order) const {
  const std::string id = message_id(order);
  Event event;
  event.type_name = "order_removed";
  event.message_id = id;
  event.event_time = env_.now();
  event.order.emplace();
  event.order->order_id = order.told->order_id;
  std::string json;
  append_native_event(event, json);
  return json;
}

/// Return the rows for people to look at.
std::string OrderEvents::rows_json(const ChangedOrder& order) const {
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const ChangedOrder::Row& row : order.rows) {
    json.begin_object();
    for (std::size_t i = 0; i < row.size(); ++i) {
      json.key(columns_[i + 1]);
      row[i] ? json.text(*row[i]) : json.null();
    }
    json.end_object();
  }
  json.end_array();
  return text;
}

}  // namespace millrace
