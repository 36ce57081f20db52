#include "stream/quarantine_desk.h"

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "base/text.h"
#include "event/codec.h"
#include "event/contracts.h"
#include "event/json_read.h"
#include "event/partition_key.h"
#include "log/topics.h"
#include "stream/quarantine_query.h"
#include "warehouse/flow_expression.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kMendMax = 5 * kSecondUs;
constexpr DurationUs kPoll = 10 * kMillisecondUs;
constexpr std::size_t kPadding = 64;  // that decoders may read after a text
constexpr std::size_t kShownBytesMax = 64 << 10;

std::string text_or_note(std::string_view bytes) {
  if (!is_utf8(bytes)) return fmt::format("({} bytes, not text)", bytes.size());
  return std::string(bytes.substr(0, kShownBytesMax));
}

/// Append to one partition and return the first offset.
Result<Offset> append_records(EventLog& log, const TopicPartition& to, std::vector<NewRecord> records) {
  const auto promise = std::make_shared<std::promise<Result<Offset>>>();
  auto done = promise->get_future();
  log.append(to, std::move(records), [promise](const Result<Offset>& first) { promise->set_value(first); });
  return done.get();
}

/// Where everything of `topic` ends now.
Status add_ends(const EventLog& log, std::string_view topic, std::map<TopicPartition, Offset>& ends) {
  const auto topics = log.topics();
  const auto found = topics.find(std::string(topic));
  if (found == topics.end()) return {};
  for (std::uint32_t i = 0; i < found->second.partitions; ++i) {
    const TopicPartition partition{std::string(topic), PartitionId(i)};
    MILLRACE_ASSIGN(const PartitionStats stats, log.stats(partition));
    if (stats.end > stats.start) ends[partition] = stats.end;
  }
  return {};
}

bool is_past(const JobPosition& position, const std::map<TopicPartition, Offset>& ends) {
  return std::ranges::all_of(ends, [&](const auto& end) {
    const auto next = position.find(end.first);
    return next != position.end() && next->second >= end.second;
  });
}

}  // namespace

/// One of a page, on its way.
struct QuarantineDesk::Entry {
  RefusedEntry row;
  std::string value;       ///< its text, mended, with kPadding zero bytes after it
  std::string attributes;  ///< of the record it becomes
  std::string key;
  std::string message_id;  ///< given in the envelope
  std::uint32_t count = 1;
  TopicPartition to;
  std::vector<std::string> ids;  ///< of its events
  bool fits = false;             ///< can be appended
  QuarantineOutcome outcome;

  std::string_view text() const { return std::string_view(value).substr(0, value.size() - kPadding); }
  void set_text(std::string_view text) { value.assign(text).append(kPadding, '\0'); }
  void refuse(Error error) {
    fits = false;
    outcome.error = std::move(error);
  }
};

struct QuarantineDesk::Decision {
  std::string record;
  std::string_view decision, note, mend;
  std::string replayed_as;
};

QuarantineDesk::QuarantineDesk(Tools tools) : tools_(std::move(tools)) {
  // A failure leaves less to wait for; what reads the log would fail likewise.
  static_cast<void>(add_ends(tools_.log, kEventsTopic, begun_at_));
}

Result<std::string> QuarantineDesk::list(const QuarantineFilter& filter, const QuarantinePage& page) {
  return list_refused(tools_.queries, filter, page);
}

Result<std::string> QuarantineDesk::groups(const QuarantineFilter& filter) {
  return group_refused(tools_.queries, filter);
}

Result<std::vector<QuarantineDesk::Entry>> QuarantineDesk::entries(const QuarantineAction& action,
                                                                   std::string& cursor) {
  MILLRACE_ASSIGN(auto rows, read_refused(tools_.queries, action.filter, action.page, cursor));
  std::vector<Entry> entries;
  for (RefusedEntry& row : rows) {
    Entry& entry = entries.emplace_back();
    entry.row = std::move(row);
    entry.set_text(entry.row.raw);
    entry.outcome.record = entry.row.record;
    entry.fits = true;
  }
  return entries;
}

/// What was decided, and what an earlier process appended, must be in the tables before they are asked.
Status QuarantineDesk::check_caught_up() const {
  auto ends = begun_at_;
  MILLRACE_TRY(add_ends(tools_.log, kDecisionsTopic, ends));
  const auto position = tools_.loaded();
  if (position && is_past(*position, ends)) return {};
  return fail(Code::kOverloaded,
              "the tables do not have all yet that was decided before; try again in a moment");
}

Status QuarantineDesk::mend(std::vector<Entry>& entries, const std::string& expression) const {
  if (expression.empty()) return {};
  const bool sees_raw = expression.find("raw") != std::string::npos;
  MILLRACE_ASSIGN(const auto function, FlowExpression::open(expression));
  std::vector<ExpressionRow> rows;
  std::vector<std::string> attributes;
  attributes.reserve(entries.size());
  for (const Entry& entry : entries) {
    const auto& row = entry.row;
    attributes.push_back(Json{
        {"raw", is_utf8(entry.text()) ? std::string(entry.text()) : std::string()},
        {"stage", row.stage},
        {"code", row.code},
        {"message", row.message},
        {"where", row.where},
        {"source", row.source},
        {"codec", row.codec},
        {"message_id",
         row.message_id}}.dump(-1, ' ', false, Json::error_handler_t::replace));
    rows.push_back({entry.text(), {}, row.received_time, attributes.back()});
  }
  MILLRACE_ASSIGN(const auto mended, function->apply(rows, kMendMax));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    if (!entry.fits) continue;
    if (!sees_raw && !json::check_json(entry.text())) {
      // A patch of nothing is the patch: it would make an event of its own.
      entry.refuse({Code::kInvalid, "is no JSON, so data is NULL: mend attributes->>'raw'", ""});
    } else if (!mended[i]) {
      entry.refuse(Error(mended[i].error()).with_context("the mend"));
    } else if (!*mended[i]) {
      entry.refuse(
          {Code::kInvalid, "the mend gives NULL for it; give data, or coalesce(…, data), to keep it", ""});
    } else {
      entry.set_text(**mended[i]);
    }
  }
  return {};
}

namespace {

/// Say what else to do about a record that cannot be appended from here.
Error no_way_back(const RefusedEntry& row) {
  if (row.stage == "ingest")
    return {Code::kInvalid,
            "a row of a file: mend the file and ingest it again, which takes the place of what came of it",
            ""};
  if (row.stage == "transform")
    return {Code::kInvalid,
            "a message of the topic that 'where' names: publish it mended with millrace topic publish", ""};
  return {Code::kInvalid, fmt::format("a record of {}: send it again, mended", row.place.partition.topic),
          ""};
}

bool is_event(const RefusedEntry& row) {
  const auto& topic = row.place.partition.topic;
  const bool came_as_event = topic == kEventsTopic || (topic == kQuarantineTopic && row.stage != "transform");
  return came_as_event && codec_of(row.codec).has_value();
}

/// A record comes back only as it would be let in now.
Status check_contracts(const Contracts* contracts, const std::vector<Event>& events) {
  ContractNotes notes;
  if (contracts == nullptr) return {};
  for (const Event& event : events) MILLRACE_TRY(contracts->check(event, notes));
  return {};
}

}  // namespace

/// Decode each as it would come now, and find where it goes.
Status QuarantineDesk::make_ready(std::vector<Entry>& entries) const {
  const auto partitions = tools_.log.topics().at(std::string(kEventsTopic)).partitions;
  for (Entry& entry : entries) {
    if (!entry.fits) continue;
    const RefusedEntry& row = entry.row;
    if (!is_event(row)) {
      entry.refuse(no_way_back(row));
      continue;
    }
    entry.message_id = row.message_id.empty() ? row.record : row.message_id;
    Envelope envelope{.codec = *codec_of(row.codec),
                      .source = row.source,
                      .received_time = row.received_time,
                      .sent_time = row.sent_time,
                      .ip = row.ip,
                      .user_agent = row.user_agent,
                      .message_id = entry.message_id,
                      .context = row.context};
    EventBatch batch;
    if (const Status decoded = decode_record(envelope, entry.text(), batch); !decoded) {
      entry.refuse(decoded.error());
      continue;
    }
    if (batch.events.empty()) {
      entry.refuse({Code::kInvalid, "holds no event", ""});
      continue;
    }
    if (const Status fits = check_contracts(tools_.contracts, batch.events); !fits) {
      entry.refuse(fits.error());
      continue;
    }
    encode_envelope(envelope, entry.attributes);
    entry.key = partition_key(batch.events.front());
    entry.to = {std::string(kEventsTopic),
                EventLog::partition_for(entry.key, partitions, row.place.offset.value())};
    entry.count = static_cast<std::uint32_t>(batch.events.size());
    for (const Event& event : batch.events) entry.ids.emplace_back(event.message_id);
  }
  return {};
}

/// Find those whose events are in the tables already.
Status QuarantineDesk::find_known(std::vector<Entry>& entries) const {
  std::map<std::string, std::vector<std::string_view>> by_source;
  for (const Entry& entry : entries) {
    if (!entry.fits) continue;
    auto& ids = by_source[entry.row.source];
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.end());
  }
  for (const auto& [source, ids] : by_source) {
    MILLRACE_ASSIGN(const auto known, find_events(tools_.queries, source, ids));
    for (Entry& entry : entries) {
      if (!entry.fits || entry.row.source != source) continue;
      const auto there = [&](const std::string& id) { return known.contains(id); };
      if (std::ranges::none_of(entry.ids, there)) continue;
      if (!std::ranges::all_of(entry.ids, there)) {
        entry.refuse({Code::kExists, "some of its events are in the tables already", ""});
        continue;
      }
      entry.fits = false;
      entry.outcome.replayed_as = known.at(entry.ids.front());
    }
  }
  return {};
}

/// Of several with the same ids in one action the first goes.
Status QuarantineDesk::append(std::vector<Entry>& entries) {
  std::map<TopicPartition, std::vector<Entry*>> by_partition;
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (Entry& entry : entries) {
    if (!entry.fits) continue;
    if (!seen.insert({entry.row.source, entry.ids.front()}).second) {
      entry.refuse(
          {Code::kExists, "another of these records has the same message id; replay it by itself", ""});
      continue;
    }
    by_partition[entry.to].push_back(&entry);
  }
  for (const auto& [partition, group] : by_partition) {
    std::vector<NewRecord> records;
    for (const Entry* entry : group)
      records.push_back({entry->key, entry->attributes, entry->text(), tools_.env.now(), entry->count});
    MILLRACE_ASSIGN(const Offset first, append_records(tools_.log, partition, std::move(records)));
    for (std::size_t i = 0; i < group.size(); ++i)
      group[i]->outcome.replayed_as = record_id(partition, first + i);
  }
  return {};
}

/// Log what was decided, and wait until the tables have it.
Status QuarantineDesk::decide(const std::vector<Decision>& decisions) {
  if (decisions.empty()) return {};
  std::vector<std::string> values;
  std::vector<NewRecord> records;
  values.reserve(decisions.size());
  for (const Decision& decision : decisions) {
    values.push_back(Json{{"record", decision.record},
                          {"decision", decision.decision},
                          {"note", decision.note},
                          {"mend", decision.mend},
                          {"replayed_as", decision.replayed_as}}
                         .dump(-1, ' ', false, Json::error_handler_t::replace));
    records.push_back({.key = decision.record, .value = values.back(), .time = tools_.env.now()});
  }
  const TopicPartition to{std::string(kDecisionsTopic), PartitionId(0)};
  MILLRACE_ASSIGN(const Offset first, append_records(tools_.log, to, std::move(records)));
  const std::map<TopicPartition, Offset> end{{to, first + decisions.size()}};
  for (const DurationUs until = tools_.env.steady_now() + tools_.wait_max; tools_.env.steady_now() < until;) {
    const auto position = tools_.loaded();
    if (position && is_past(*position, end)) break;
    tools_.env.sleep_for(kPoll);
  }
  return {};
}

/// Count what came of each, and of those that were named and are not there.
void QuarantineDesk::finish(const QuarantineAction& action, std::vector<Entry>& entries,
                            QuarantineResult& result) {
  std::set<RecordAddress> missing(action.filter.records.begin(), action.filter.records.end());
  for (Entry& entry : entries) {
    missing.erase(entry.row.place);
    ++(entry.outcome.error ? result.failed : result.done);
    result.outcomes.push_back(std::move(entry.outcome));
  }
  if (!result.cursor.empty() || !action.page.cursor.empty()) return;  // others may be on other pages
  for (const RecordAddress& record : missing) {
    ++result.failed;
    result.outcomes.push_back(
        {.record = record_id(record.partition, record.offset),
         .error = Error{Code::kNotFound, "is not in the quarantine in that state", ""}});
  }
}

Result<QuarantineResult> QuarantineDesk::try_out(const QuarantineAction& action) {
  QuarantineResult result;
  MILLRACE_ASSIGN(auto page, entries(action, result.cursor));
  for (Entry& entry : page) entry.outcome.before = text_or_note(entry.text());
  MILLRACE_TRY(mend(page, action.mend));
  for (Entry& entry : page)
    if (entry.fits) entry.outcome.after = text_or_note(entry.text());
  MILLRACE_TRY(make_ready(page));
  MILLRACE_TRY(find_known(page));
  finish(action, page, result);
  return result;
}

Result<QuarantineResult> QuarantineDesk::replay(const QuarantineAction& action) {
  const std::lock_guard lock(mutex_);
  MILLRACE_TRY(check_caught_up());
  QuarantineResult result;
  MILLRACE_ASSIGN(auto page, entries(action, result.cursor));
  for (Entry& entry : page)
    if (entry.row.state == "replayed") entry.refuse({Code::kExists, "was replayed before", ""});
  MILLRACE_TRY(mend(page, action.mend));
  MILLRACE_TRY(make_ready(page));
  MILLRACE_TRY(find_known(page));
  MILLRACE_TRY(append(page));
  std::vector<Decision> decisions;
  for (Entry& entry : page) {
    if (!entry.outcome.error)
      decisions.push_back(
          {entry.row.record, "replayed", action.note, action.mend, entry.outcome.replayed_as});
  }
  MILLRACE_TRY(decide(decisions));
  finish(action, page, result);
  if (!page.empty())
    log_info("quarantine", "replayed records",
             {field("done", result.done), field("stay", result.failed), field("note", action.note)});
  return result;
}

/// Note the same about all, without touching them.
Result<QuarantineResult> QuarantineDesk::close(const QuarantineAction& action, std::string_view decision) {
  const std::lock_guard lock(mutex_);
  MILLRACE_TRY(check_caught_up());
  QuarantineResult result;
  MILLRACE_ASSIGN(auto page, entries(action, result.cursor));
  std::vector<Decision> decisions;
  for (Entry& entry : page) {
    if (entry.row.state == "replayed") entry.refuse({Code::kExists, "was replayed before", ""});
    if (!entry.outcome.error) decisions.push_back({entry.row.record, decision, action.note, {}, {}});
  }
  MILLRACE_TRY(decide(decisions));
  finish(action, page, result);
  return result;
}

Result<QuarantineResult> QuarantineDesk::drop(const QuarantineAction& action) {
  if (action.note.empty()) return fail(Code::kInvalid, "say why, for those who look later: give a note");
  return close(action, "dropped");
}

Result<QuarantineResult> QuarantineDesk::reopen(const QuarantineAction& action) {
  return close(action, "reopened");
}

}  // namespace millrace
