#include "server/quarantine_routes.h"

#include <algorithm>
#include <array>
#include <memory>

#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/parameters.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kRecordsMax = 500;
constexpr std::size_t kMendBytesMax = 10'000;
constexpr std::size_t kNoteBytesMax = 2'000;

Status take_state(std::string_view text, QuarantineFilter& filter) {
  if (text != "all" && text != "waiting" && text != "replayed" && text != "dropped")
    return fail(Code::kInvalid, "is one of waiting, replayed, dropped, all", "state");
  filter.state = text == "all" ? "" : std::string(text);
  return {};
}

/// Fill a filter with what `get` gives for each name, "" for what was not said.
template <class Get>
Status take_filter(const Get& get, TimeUs now, QuarantineFilter& filter) {
  if (const std::string state(get("state")); !state.empty()) MILLRACE_TRY(take_state(state, filter));
  filter.stage = get("stage");
  filter.code = get("code");
  filter.source = get("source");
  filter.message = get("message");
  filter.text = get("q");
  MILLRACE_ASSIGN(filter.since, time_or_ago("since", get("since"), now));
  MILLRACE_ASSIGN(filter.until, time_or_ago("until", get("until"), now));
  return {};
}

constexpr std::array kFilterNames = {"state", "stage", "code", "source", "message", "q", "since", "until"};

Result<QuarantineFilter> filter_of(const QueryParameters& query, TimeUs now,
                                   const std::vector<std::string_view>& more) {
  std::vector<std::string_view> known(kFilterNames.begin(), kFilterNames.end());
  known.insert(known.end(), more.begin(), more.end());
  MILLRACE_TRY(refuse_unknown(query, known));
  QuarantineFilter filter;
  MILLRACE_TRY(take_filter([&](const char* name) { return query.get(name); }, now, filter));
  return filter;
}

Result<std::string> text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return fail(Code::kInvalid, "takes a text", name);
  return found->get<std::string>();
}

Status refuse_unknown_members(const Json& object, const std::vector<std::string_view>& known) {
  for (const auto& [name, value] : object.items())
    if (std::ranges::find(known, name) == known.end()) return fail(Code::kInvalid, "is not known here", name);
  return {};
}

Status take_records(const Json& records, QuarantineFilter& filter) {
  if (!records.is_array() || records.empty() || records.size() > kRecordsMax)
    return fail(Code::kInvalid, "takes 1 to 500 ids of records", "records");
  for (const Json& record : records) {
    if (!record.is_string()) return fail(Code::kInvalid, "takes 1 to 500 ids of records", "records");
    MILLRACE_ASSIGN(filter.records.emplace_back(), parse_record_id(record.get<std::string>()));
  }
  return {};
}

Status take_filter_object(const Json& object, TimeUs now, QuarantineFilter& filter) {
  if (!object.is_object()) return fail(Code::kInvalid, "takes an object", "filter");
  MILLRACE_TRY(refuse_unknown_members(object, {kFilterNames.begin(), kFilterNames.end()}));
  for (const auto& [name, value] : object.items())
    if (!value.is_string()) return fail(Code::kInvalid, "takes a text", name);
  return take_filter([&](const char* name) { return object.value(name, std::string()); }, now, filter);
}

/// {"records":[…]} or {"filter":{…}}, with "mend", "note", "limit", "cursor". Records that are named are
/// meant in any state; `otherwise` is the state that is meant else.
Result<QuarantineAction> action_of(std::string_view body, TimeUs now, std::string_view otherwise) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object())
    return fail(Code::kInvalid, R"(send {"records":["quarantine:0:17"]} or {"filter":{"code":"invalid"}})");
  MILLRACE_TRY(refuse_unknown_members(parsed, {"records", "filter", "mend", "note", "limit", "cursor"}));
  if (parsed.contains("records") == parsed.contains("filter"))
    return fail(Code::kInvalid, "give either records, or a filter; an empty one means all that wait");
  QuarantineAction action;
  action.filter.state = otherwise;
  if (parsed.contains("records")) {
    action.filter.state.clear();
    MILLRACE_TRY(take_records(parsed["records"], action.filter));
  } else {
    MILLRACE_TRY(take_filter_object(parsed["filter"], now, action.filter));
  }
  MILLRACE_ASSIGN(action.mend, text_member(parsed, "mend"));
  MILLRACE_ASSIGN(action.note, text_member(parsed, "note"));
  MILLRACE_ASSIGN(action.page.cursor, text_member(parsed, "cursor"));
  if (action.mend.size() > kMendBytesMax) return fail(Code::kInvalid, "is too long", "mend");
  if (action.note.size() > kNoteBytesMax) return fail(Code::kInvalid, "is too long", "note");
  const auto limit = parsed.value("limit", Json(kQuarantinePageMax));
  if (!limit.is_number_unsigned() || limit.get<std::size_t>() < 1 ||
      limit.get<std::size_t>() > kQuarantinePageMax)
    return fail(Code::kInvalid, "takes 1 to 500", "limit");
  action.page.limit = limit.get<std::size_t>();
  return action;
}

Json json_of(const QuarantineOutcome& outcome) {
  Json json = {{"record", outcome.record}};
  if (outcome.before) json["before"] = *outcome.before;
  if (outcome.after) json["after"] = *outcome.after;
  if (!outcome.replayed_as.empty()) json["replayed_as"] = outcome.replayed_as;
  if (outcome.error)
    json["error"] = {{"code", code_name(outcome.error->code)}, {"message", outcome.error->text()}};
  return json;
}

std::string json_of(const QuarantineResult& result) {
  Json outcomes = Json::array();
  for (const auto& outcome : result.outcomes) outcomes.push_back(json_of(outcome));
  const Json cursor = result.cursor.empty() ? Json() : Json(result.cursor);
  return json_text(Json{{"done", result.done},
                        {"failed", result.failed},
                        {"outcomes", std::move(outcomes)},
                        {"cursor", cursor}});
}

/// Answer with what `work` gives, on a worker.
template <class Work>
void answer(WorkerPool& workers, const std::shared_ptr<Exchange>& exchange, Work work) {
  Status queued = workers.submit([exchange, work = std::move(work)] {
    Result<std::string> text = work();
    if (!text) return exchange->send_error(text.error());
    exchange->send(HttpResponse::json(200, *std::move(text)));
  });
  if (!queued) exchange->send_error(queued.error());
}

}  // namespace

void add_quarantine_routes(Router& router, QuarantineDesk& desk, Env& env, WorkerPool& workers) {
  const auto read = [&](const char* path, auto give) {
    router.add("GET", path, {Access::kRead, false}, [&, give](const std::shared_ptr<Exchange>& exchange) {
      answer(workers, exchange, [&, give, exchange] { return give(exchange->request.query()); });
    });
  };
  read("/v1/quarantine", [&](const QueryParameters& query) -> Result<std::string> {
    MILLRACE_ASSIGN(const auto filter, filter_of(query, env.now(), {"limit", "cursor"}));
    MILLRACE_ASSIGN(const auto limit, query.integer("limit", 100, 1, kQuarantinePageMax));
    return desk.list(filter, {static_cast<std::size_t>(limit), std::string(query.get("cursor"))});
  });
  read("/v1/quarantine/groups", [&](const QueryParameters& query) -> Result<std::string> {
    MILLRACE_ASSIGN(const auto filter, filter_of(query, env.now(), {}));
    return desk.groups(filter);
  });
  using Act = Result<QuarantineResult> (QuarantineDesk::*)(const QuarantineAction&);
  const auto act = [&](const char* path, Act method, const char* state) {
    router.add("POST", path, {Access::kRead, false},
               [&, method, state](const std::shared_ptr<Exchange>& exchange) {
                 answer(workers, exchange, [&, method, state, exchange]() -> Result<std::string> {
                   MILLRACE_ASSIGN(const auto action, action_of(exchange->request.body(), env.now(), state));
                   MILLRACE_ASSIGN(const auto result, (desk.*method)(action));
                   return json_of(result);
                 });
               });
  };
  act("/v1/quarantine/try", &QuarantineDesk::try_out, "waiting");
  act("/v1/quarantine/replay", &QuarantineDesk::replay, "waiting");
  act("/v1/quarantine/drop", &QuarantineDesk::drop, "waiting");
  act("/v1/quarantine/reopen", &QuarantineDesk::reopen, "dropped");
}

}  // namespace millrace
