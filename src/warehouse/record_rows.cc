#include "warehouse/record_rows.h"

#include <fmt/format.h>

#include "base/record_address.h"
#include "event/json_read.h"
#include "warehouse/fact_rows.h"

namespace millrace {
namespace {

/// Read `token` as text; anything else than a string, number or boolean is as good as absent here, since
/// `attributes` keeps it.
std::string_view text_or_nothing(std::string_view token, EventBatch& arena) {
  if (token.starts_with('{') || token.starts_with('[')) return {};
  return json::text_of(token, arena).value_or(std::string_view{});
}

struct ServedAnswer {
  std::string_view id, kind, user, session, placement, model, models, fallback, items, similar, request;
  TimeUs served = 0;
  std::optional<double> latency_us;
};

struct ServedItem {
  std::string_view id, source, reason_code, reason_text, because, reason, similar_to, features;
  std::optional<double> score, distance;
};

Result<ServedAnswer> read_answer(std::string_view value, EventBatch& arena) {
  ServedAnswer answer;
  MILLRACE_TRY(
      json::each_member_of(value, arena, [&](std::string_view key, json::od::value& member) -> Status {
        MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
        const auto text = [&] { return text_or_nothing(raw, arena); };
        if (key == "recommendation_id") answer.id = text();
        if (key == "kind") answer.kind = text();
        if (key == "user") answer.user = text();
        if (key == "session") answer.session = text();
        if (key == "placement") answer.placement = text();
        if (key == "model") answer.model = text();
        if (key == "models") answer.models = raw;
        if (key == "fallback") answer.fallback = text();
        if (key == "items" || key == "recommended_items") answer.items = raw;
        if (key == "similar_by_product") answer.similar = raw;
        if (key == "request") answer.request = raw;
        if (key == "latency_us") {
          MILLRACE_ASSIGN(answer.latency_us, json::double_of(raw));
        } else if (key == "served_us") {
          MILLRACE_ASSIGN(const auto time, json::time_of(raw, 1));
          answer.served = time.value_or(0);
        }
        return {};
      }));
  if (answer.id.empty()) return fail(Code::kInvalid, "must be there", "recommendation_id");
  return answer;
}

Status read_reason(ServedItem& item, EventBatch& arena) {
  if (!item.reason.starts_with('{')) return {};
  return json::each_member_of(item.reason, arena,
                              [&](std::string_view key, json::od::value& member) -> Status {
                                MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
                                if (key == "code") item.reason_code = text_or_nothing(raw, arena);
                                if (key == "text") item.reason_text = text_or_nothing(raw, arena);
                                if (key == "because") item.because = raw;
                                return {};
                              });
}

Result<ServedItem> read_served_item(std::string_view value, EventBatch& arena) {
  ServedItem item;
  MILLRACE_TRY(
      json::each_member_of(value, arena, [&](std::string_view key, json::od::value& member) -> Status {
        MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
        if (key == "id") item.id = text_or_nothing(raw, arena);
        if (key == "source") item.source = text_or_nothing(raw, arena);
        if (key == "reason") item.reason = raw;
        if (key == "features") item.features = raw;
        if (key == "score") {
          MILLRACE_ASSIGN(item.score, json::double_of(raw));
        } else if (key == "distance") {
          MILLRACE_ASSIGN(item.distance, json::double_of(raw));
        }
        return {};
      }));
  MILLRACE_TRY(read_reason(item, arena));
  return item;
}

Result<std::vector<ServedItem>> read_served_items(std::string_view array, EventBatch& arena) {
  std::vector<ServedItem> items;
  if (!array.starts_with('[')) return items;
  json::RawItems elements(array);
  while (elements.next()) {
    MILLRACE_ASSIGN(auto item, read_served_item(elements.value(), arena));
    items.push_back(item);
  }
  return items;
}

/// Read the lists of `similar_by_product`, one after the other.
Result<std::vector<ServedItem>> read_similar_items(std::string_view array, EventBatch& arena) {
  std::vector<ServedItem> all;
  if (!array.starts_with('[')) return all;
  json::RawItems products(array);
  while (products.next()) {
    std::string_view product, list;
    MILLRACE_TRY(json::each_member_of(products.value(), arena,
                                      [&](std::string_view key, json::od::value& member) -> Status {
                                        MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
                                        if (key == "product_code") product = text_or_nothing(raw, arena);
                                        if (key == "similar_items") list = raw;
                                        return {};
                                      }));
    MILLRACE_ASSIGN(auto items, read_served_items(list, arena));
    for (ServedItem& item : items) {
      item.similar_to = product;
      all.push_back(item);
    }
  }
  return all;
}

/// `position` counts from 1 in the item's list, `index` from 0 in all of the answer.
Status write_served_item(duck::TableAppender& row, const RecordPlace& place, const ServedAnswer& answer,
                         std::int32_t position, std::uint32_t index, const ServedItem& item) {
  row.date(answer.served).time(answer.served).text(answer.id).text(answer.kind);
  row.text(answer.user).text(answer.session).text(answer.placement).text(answer.model).text(answer.fallback);
  answer.latency_us ? row.int64(static_cast<std::int64_t>(*answer.latency_us)) : row.null();
  row.int32(position).text(item.id).real(item.score).text(item.source);
  row.text(item.reason_code).text(item.reason_text).text(item.because).text(answer.request);
  write_log_position(row, place.partition, place.offset, index);
  row.text(item.similar_to).real(item.distance).text(answer.models).text(item.features);
  return row.end_row();
}

void write_time_or_null(duck::TableAppender& row, TimeUs time) {
  time == 0 ? row.null() : row.time(time);
}

}  // namespace

Status ChangeSet::add(const RecordPlace& place, std::string_view value) {
  Change change;
  MILLRACE_TRY(read(arena_.keep(std::string(value).append(64, '\0')).substr(0, value.size()), change));
  change.partition = place.partition;
  change.offset = place.offset;
  change.time = place.time;
  auto& kept = changes_[change.id];
  change.deleted_time = change.deleted ? place.time : kept.deleted_time;
  kept = std::move(change);
  return {};
}

Status ChangeSet::read(std::string_view value, Change& change) {
  std::string_view op;
  MILLRACE_TRY(
      json::each_member_of(value, arena_, [&](std::string_view key, json::od::value& member) -> Status {
        MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
        if (key == "op") op = text_or_nothing(raw, arena_);
        if (key == "id") change.id = text_or_nothing(raw, arena_);
        if (key == "attributes") change.attributes = raw;
        return {};
      }));
  if (op != "put" && op != "delete") return fail(Code::kInvalid, "must be \"put\" or \"delete\"", "op");
  if (change.id.empty()) return fail(Code::kInvalid, "must be there", "id");
  change.deleted = op == "delete";
  return change.attributes.starts_with('{') ? read_attributes(change.attributes, change) : Status{};
}

Status ChangeSet::read_attributes(std::string_view attributes, Change& change) {
  return json::each_member_of(attributes, arena_,
                              [&](std::string_view key, json::od::value& member) -> Status {
                                MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
                                const auto text = [&] { return text_or_nothing(raw, arena_); };
                                if (key == "name") change.name = text();
                                if (key == "category") change.category = text();
                                if (key == "currency") change.currency = text();
                                if (key == "country") change.country = text();
                                if (key == "region") change.region = text();
                                if (key == "city") change.city = text();
                                if (key == "price")
                                  change.price = json::decimal_of(raw).value_or(std::nullopt);
                                if (key == "available") change.available = raw != "false";
                                return {};
                              });
}

Status ChangeSet::write(duck::Connection& connection) {
  if (changes_.empty()) return {};
  MILLRACE_TRY(write_deletes(connection));
  MILLRACE_ASSIGN(auto row,
                  duck::TableAppender::open(connection, table_ == Table::kItems ? "items" : "users"));
  for (const auto& [id, change] : changes_) {
    if (change.deleted) continue;
    MILLRACE_TRY(table_ == Table::kItems ? write_item(*row, change) : write_user(*row, change));
  }
  return row->flush();
}

Status ChangeSet::write_changed_ids(duck::Connection& connection) const {
  MILLRACE_TRY(
      connection.execute("CREATE OR REPLACE TEMP TABLE changed_ids (id VARCHAR, deleted_time TIMESTAMP)"));
  MILLRACE_ASSIGN(auto ids, duck::TableAppender::open(connection, "changed_ids"));
  for (const auto& [id, change] : changes_) {
    ids->text(id);
    change.deleted_time ? ids->time(*change.deleted_time) : ids->null();
    MILLRACE_TRY(ids->end_row());
  }
  return ids->flush();
}

/// Delete the rows of all changed ids, and remember when one was deleted: one pass over the tables, whatever
/// their number.
Status ChangeSet::write_deletes(duck::Connection& connection) const {
  MILLRACE_TRY(write_changed_ids(connection));
  const bool items = table_ == Table::kItems;
  MILLRACE_TRY(connection.execute(fmt::format("DELETE FROM {} WHERE {} IN (SELECT id FROM changed_ids)",
                                              items ? "items" : "users", items ? "item_id" : "user_id")));
  return connection.execute(fmt::format(
      "DELETE FROM _deleted WHERE log_topic = '{0}' AND id IN "
      "(SELECT id FROM changed_ids WHERE deleted_time IS NOT NULL);"
      "INSERT INTO _deleted SELECT '{0}', id, deleted_time FROM changed_ids WHERE deleted_time IS NOT NULL",
      items ? "items" : "users"));
}

Status ChangeSet::write_item(duck::TableAppender& row, const Change& change) const {
  row.text(change.id).text(change.name).text(change.category).text(category_top(change.category));
  row.decimal(change.price).text(change.currency).boolean(change.available).text(change.attributes);
  row.time(change.time);
  write_log_position(row, change.partition, change.offset, 0);
  return row.end_row();
}

Status ChangeSet::write_user(duck::TableAppender& row, const Change& change) const {
  row.text(change.id).text(change.country).text(change.region).text(change.city).text(change.attributes);
  row.time(change.time);
  write_log_position(row, change.partition, change.offset, 0);
  return row.end_row();
}

void ChangeSet::clear() {
  changes_.clear();
  arena_ = EventBatch();
}

Status append_recommendation(duck::TableAppender& row, const RecordPlace& place, std::string_view value) {
  EventBatch arena;
  MILLRACE_ASSIGN(auto answer, read_answer(value, arena));
  if (answer.served == 0) answer.served = place.time;
  MILLRACE_ASSIGN(auto items, read_served_items(answer.items, arena));
  MILLRACE_ASSIGN(const auto similar, read_similar_items(answer.similar, arena));
  items.insert(items.end(), similar.begin(), similar.end());
  if (items.empty()) return write_served_item(row, place, answer, 0, 0, ServedItem{});
  std::int32_t position = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (i > 0 && items[i].similar_to != items[i - 1].similar_to) position = 0;
    MILLRACE_TRY(write_served_item(row, place, answer, ++position, i, items[i]));
  }
  return {};
}

Status append_quarantine(duck::TableAppender& row, const RecordPlace& place,
                         const QuarantineRow& quarantined) {
  row.date(quarantined.received_time).time(quarantined.received_time);
  row.text(quarantined.stage).text(quarantined.code).text(quarantined.message).text(quarantined.where);
  row.text(quarantined.source).text(quarantined.codec).text(quarantined.ip);
  write_time_or_null(row, quarantined.first_attempt_time);
  write_time_or_null(row, quarantined.last_attempt_time);
  row.int64(static_cast<std::int64_t>(quarantined.events)).blob(quarantined.raw);
  write_log_position(row, place.partition, place.offset, 0);
  row.text(quarantined.message_id).text(quarantined.user_agent).text(quarantined.context);
  quarantined.sent_time ? row.time(*quarantined.sent_time) : row.null();
  return row.end_row();
}

Status append_decision(duck::TableAppender& row, const RecordPlace& place, std::string_view value) {
  EventBatch arena;
  std::string_view record, decision, note, mend, replayed_as;
  MILLRACE_TRY(
      json::each_member_of(value, arena, [&](std::string_view key, json::od::value& member) -> Status {
        MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
        const auto text = [&] { return text_or_nothing(raw, arena); };
        if (key == "record") record = text();
        if (key == "decision") decision = text();
        if (key == "note") note = text();
        if (key == "mend") mend = text();
        if (key == "replayed_as") replayed_as = text();
        return {};
      }));
  MILLRACE_ASSIGN(const RecordAddress of, parse_record_id(record));
  if (decision.empty()) return fail(Code::kInvalid, "must be there", "decision");
  row.date(place.time).time(place.time);
  row.text(of.partition.topic).int32(static_cast<std::int32_t>(of.partition.partition.value()));
  row.int64(static_cast<std::int64_t>(of.offset.value()));
  row.text(decision).text(note).text(mend).text(replayed_as);
  write_log_position(row, place.partition, place.offset, 0);
  return row.end_row();
}

}  // namespace millrace
