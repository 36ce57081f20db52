#include "stream/quarantine_query.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr QueryLimits kListLimits{.rows_max = kQuarantinePageMax + 1, .time_max = 10 * kSecondUs};
constexpr QueryLimits kReadLimits{
    .rows_max = kQuarantinePageMax + 1, .bytes_max = 64u << 20, .time_max = 10 * kSecondUs};
constexpr std::size_t kGroupsMax = 200;
constexpr std::size_t kIdsBytesMax = 50'000;  // of one query, which takes 100,000

/// Newest first, each in one place only.
constexpr std::string_view kOrder = "received_time DESC, log_topic DESC, log_partition DESC, log_offset DESC";

void add_equal(std::string& where, std::string_view column, std::string_view value) {
  if (!value.empty()) where += fmt::format(" AND {} = {}", column, sql_literal(value));
}

std::string contains(std::string_view column, std::string_view text) {
  return fmt::format("contains(lower({}), lower({}))", column, sql_literal(text));
}

/// "RECEIVED_US@TOPIC:PARTITION:OFFSET" of the last row that was given.
Result<std::string> cursor_condition(std::string_view cursor) {
  if (cursor.empty()) return std::string();
  const std::size_t at = std::min(cursor.find('@'), cursor.size());
  const std::string_view time = cursor.substr(0, at);
  const auto address = parse_record_id(cursor.substr(std::min(at + 1, cursor.size())));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!address || time.empty() || !std::ranges::all_of(time.substr(time.starts_with('-') ? 1 : 0), is_digit))
    return fail(Code::kInvalid, "takes what an earlier answer gave", "cursor");
  return fmt::format(
      " AND (received_time, log_topic, log_partition, log_offset) < "
      "(make_timestamp({}), {}, {}, {})",
      time, sql_literal(address->partition.topic), address->partition.partition.value(),
      address->offset.value());
}

/// The condition of a filter, always true for one that says nothing.
std::string condition(const QuarantineFilter& filter) {
  std::string where = "true";
  add_equal(where, "state", filter.state);
  add_equal(where, "stage", filter.stage);
  add_equal(where, "code", filter.code);
  add_equal(where, "source", filter.source);
  add_equal(where, "message", filter.message);
  if (!filter.text.empty())
    where += fmt::format(" AND ({} OR {} OR {} OR {})", contains("coalesce(message, '')", filter.text),
                         contains("coalesce(where_, '')", filter.text),
                         contains("coalesce(message_id, '')", filter.text),
                         contains("coalesce(TRY(decode(raw)), '')", filter.text));
  if (filter.since) where += fmt::format(" AND received_time >= make_timestamp({})", *filter.since);
  if (filter.until) where += fmt::format(" AND received_time < make_timestamp({})", *filter.until);
  if (!filter.records.empty()) {
    std::string places;
    for (const RecordAddress& record : filter.records)
      places += fmt::format("{}({}, {}, {})", places.empty() ? "" : ", ", sql_literal(record.partition.topic),
                            record.partition.partition.value(), record.offset.value());
    where += fmt::format(" AND (log_topic, log_partition, log_offset) IN ({})", places);
  }
  return where;
}

Result<std::string> page_query(std::string_view columns, const QuarantineFilter& filter,
                               const QuarantinePage& page) {
  MILLRACE_ASSIGN(const std::string after, cursor_condition(page.cursor));
  return fmt::format("SELECT {} FROM quarantine_desk WHERE {}{} ORDER BY {} LIMIT {}", columns,
                     condition(filter), after, kOrder, std::min(page.limit, kQuarantinePageMax) + 1);
}

std::string text_at(const Json& row, std::size_t column) {
  return row[column].is_string() ? row[column].get<std::string>() : std::string();
}

/// Cut a page that has one row more than was asked for, or was cut already; return where the next begins.
std::string cut_page(Json& answer, std::size_t limit, std::size_t time_column) {
  Json& rows = answer["rows"];
  const bool more = rows.size() > limit || answer["truncated"] == true;
  while (rows.size() > limit) rows.erase(rows.size() - 1);
  if (!more || rows.empty()) return "";
  return fmt::format("{}@{}", rows.back()[time_column].get<TimeUs>(), text_at(rows.back(), 0));
}

}  // namespace

Result<std::string> list_refused(QueryService& queries, const QuarantineFilter& filter,
                                 const QuarantinePage& page) {
  MILLRACE_ASSIGN(
      const std::string query,
      page_query(
          "record, epoch_us(received_time) AS received_us, state, received_time, stage, code, message, "
          "where_ AS \"where\", source, codec, message_id, events, octet_length(raw) AS bytes, "
          "decided_time, note, mend, replayed_as",
          filter, page));
  MILLRACE_ASSIGN(const std::string text, queries.run(query, kListLimits));
  Json answer = Json::parse(text);
  const std::string cursor = cut_page(answer, page.limit, 1);
  answer["columns"].erase(1);
  for (Json& row : answer["rows"]) row.erase(1);
  answer.erase("truncated");
  answer["cursor"] = cursor.empty() ? Json() : Json(cursor);
  return answer.dump();
}

Result<std::string> group_refused(QueryService& queries, const QuarantineFilter& filter) {
  return queries.run(
      fmt::format("SELECT stage, code, message, source, count(*) AS records, sum(events)::BIGINT AS events, "
                  "min(received_time) AS oldest, max(received_time) AS newest, "
                  "arg_max(record, received_time) AS record FROM quarantine_desk WHERE {} "
                  "GROUP BY stage, code, message, source ORDER BY newest DESC LIMIT {}",
                  condition(filter), kGroupsMax),
      kListLimits);
}

Result<std::vector<RefusedEntry>> read_refused(QueryService& queries, const QuarantineFilter& filter,
                                               const QuarantinePage& page, std::string& cursor) {
  MILLRACE_ASSIGN(const std::string query,
                  page_query("record, epoch_us(received_time), state, stage, code, message, where_, source, "
                             "codec, ip, message_id, user_agent, context, epoch_us(sent_time), raw",
                             filter, page));
  MILLRACE_ASSIGN(const std::string text, queries.run(query, kReadLimits));
  Json answer = Json::parse(text);
  cursor = cut_page(answer, page.limit, 1);
  std::vector<RefusedEntry> entries;
  for (const Json& row : answer["rows"]) {
    RefusedEntry& entry = entries.emplace_back();
    std::string* const texts[] = {&entry.state,      &entry.stage,      &entry.code,   &entry.message,
                                  &entry.where,      &entry.source,     &entry.codec,  &entry.ip,
                                  &entry.message_id, &entry.user_agent, &entry.context};
    for (std::size_t i = 0; i < std::size(texts); ++i) *texts[i] = text_at(row, i + 2);
    entry.record = text_at(row, 0);
    entry.received_time = row[1].get<TimeUs>();
    if (row[13].is_number_integer()) entry.sent_time = row[13].get<TimeUs>();
    MILLRACE_ASSIGN(entry.raw, base64_decode(text_at(row, 14)));
    MILLRACE_ASSIGN(entry.place, parse_record_id(entry.record));
  }
  return entries;
}

Result<std::map<std::string, std::string>> find_events(QueryService& queries, std::string_view source,
                                                       const std::vector<std::string_view>& message_ids) {
  std::map<std::string, std::string> found;
  for (auto next = message_ids.begin(); next != message_ids.end();) {
    std::string ids;
    std::size_t count = 0;
    for (; next != message_ids.end() && ids.size() < kIdsBytesMax; ++next, ++count)
      ids += (ids.empty() ? "" : ", ") + sql_literal(*next);
    MILLRACE_ASSIGN(
        const std::string text,
        queries.run(fmt::format("SELECT message_id, any_value(concat(log_topic, ':', log_partition, "
                                "':', log_offset)) FROM events WHERE source = {} AND message_id IN "
                                "({}) GROUP BY ALL",
                                sql_literal(source), ids),
                    {.rows_max = count + 1, .time_max = 30 * kSecondUs}));
    const Json answer = Json::parse(text);
    for (const Json& row : answer["rows"]) found[text_at(row, 0)] = text_at(row, 1);
  }
  return found;
}

}  // namespace millrace
