#include "server/extract_routes.h"

#include <stop_token>

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Result<ExtractRequest> parse_request(std::string_view body) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object() || !parsed.contains("source"))
    return fail(Code::kInvalid, R"(send {"source":"shop","tables":["orders"],"incremental":true})");
  for (const auto& [name, value] : parsed.items())
    if (name != "source" && name != "tables" && name != "incremental" && name != "restart")
      return fail(Code::kInvalid, "the members are source, tables, incremental and restart", name);
  ExtractRequest request;
  try {
    request.source = parsed["source"].get<std::string>();
    request.tables = parsed.value("tables", std::vector<std::string>());
    request.incremental = parsed.value("incremental", false);
    request.restart = parsed.value("restart", false);
  } catch (const Json::exception&) {
    return fail(Code::kInvalid, "a member has the wrong type");
  }
  return request;
}

const char* mode_name(ExtractMode mode) {
  switch (mode) {
    case ExtractMode::kSnapshot:
      return "snapshot";
    case ExtractMode::kResumed:
      return "resumed";
    case ExtractMode::kChanges:
      return "changes";
  }
  return "";
}

Json result_json(const ExtractResult& result) {
  Json tables = Json::array();
  for (const ExtractTableResult& table : result.tables)
    tables.push_back({{"table", table.table},
                      {"mode", mode_name(table.mode)},
                      {"rows", table.rows},
                      {"rejected", table.rejected},
                      {"error", table.error ? Json(table.error->text()) : Json()}});
  return {{"rows", result.rows},
          {"bytes", result.bytes},
          {"position", result.position},
          {"failed_tables", result.failed_tables()},
          {"tables", std::move(tables)}};
}

Json progress_json(const ExtractProgress& progress) {
  return {{"table", progress.table},
          {"rows", progress.rows},
          {"rows_total", progress.rows_total},
          {"bytes", progress.bytes},
          {"rows_per_second", progress.rows_per_second},
          {"loading", progress.loading}};
}

Json table_json(const std::string& name, const SourceTableState& state) {
  Json out = {{"table", name}};
  if (state.published) {
    out["rows"] = state.published->rows;
    out["rejected"] = state.published->rejected;
    out["cursor"] = state.published->cursor;
    out["position"] = state.published->position;
    out["loaded_time"] = format_time(state.published->loaded_time);
  }
  if (state.filling) out["unfinished_rows"] = state.filling->rows;
  return out;
}

const char* state_name(FollowStatus::State state) {
  switch (state) {
    case FollowStatus::State::kStarting:
      return "starting";
    case FollowStatus::State::kSnapshot:
      return "snapshot";
    case FollowStatus::State::kStreaming:
      return "streaming";
    case FollowStatus::State::kWaiting:
      return "waiting";
    case FollowStatus::State::kStopped:
      return "stopped";
  }
  return "";
}

Json follow_json(const FollowStatus& status) {
  Json out = {{"state", state_name(status.state)},
              {"position", status.position},
              {"idle", status.idle},
              {"error", status.error ? Json(status.error->text()) : Json()},
              {"problems", status.problems}};
  if (status.commit_time != 0) out["commit_time"] = format_time(status.commit_time);
  if (status.seen_time != 0) out["seen_time"] = format_time(status.seen_time);
  if (status.failing_since != 0) out["failing_since"] = format_time(status.failing_since);
  return out;
}

void send_list(const SourceTools& tools, const Exchange& exchange) {
  Json sources = Json::array();
  for (const Extracts::Entry& entry : tools.extracts.list()) {
    Json tables = Json::array();
    for (const auto& [name, state] : entry.tables) tables.push_back(table_json(name, state));
    sources.push_back({{"source", entry.source},
                       {"kind", "mysql"},
                       {"address", entry.address},
                       {"running", entry.running},
                       {"tables", std::move(tables)}});
    if (const auto status = tools.changes.status(entry.source))
      sources.back()["follow"] = follow_json(*status);
  }
  for (const HttpStreams::Entry& entry : tools.apis.list())
    sources.push_back({{"source", entry.source},
                       {"kind", "http"},
                       {"address", entry.address},
                       {"running", false},
                       {"tables", Json::array()},
                       {"follow", follow_json(entry.follow)}});
  const Json answer = {{"sources", std::move(sources)}};
  exchange.send(HttpResponse::json(200, json_text(answer)));
}

void run_extract(Extracts& extracts, const ExtractRequest& request,
                 const std::shared_ptr<ResponseStream>& stream) {
  const auto write = [&](const char* name, const Json& value) {
    stream->write(json_text({{name, value}}) + "\n");
  };
  std::stop_source stop;
  stream->on_close([stop]() mutable { stop.request_stop(); });
  const auto show = [&](const ExtractProgress& progress) { write("progress", progress_json(progress)); };
  const Result<ExtractResult> result = extracts.run(request, show, stop.get_token());
  if (result) {
    write("result", result_json(*result));
  } else {
    write("error", {{"code", code_name(result.error().code)}, {"message", result.error().text()}});
  }
  stream->end();
}

}  // namespace

void add_extract_routes(Router& router, const SourceTools& tools, WorkerPool& long_workers,
                        WorkerPool& workers) {
  const RouteRule rule{Access::kAdmin, false};
  router.add("POST", "/v1/extracts", rule,
             [&long_workers, &extracts = tools.extracts](const std::shared_ptr<Exchange>& exchange) {
               Result<ExtractRequest> request = parse_request(exchange->request.body());
               if (!request) return exchange->send_error(request.error());
               const Status queued =
                   long_workers.submit([&extracts, exchange, request = *std::move(request)] {
                     run_extract(extracts, request, exchange->start_stream("application/x-ndjson"));
                   });
               if (!queued)
                 exchange->send_error(
                     {Code::kOverloaded,
                      "as many ingests, replays and extractions as may are waiting; try again when one is "
                      "done",
                      ""});
             });
  router.add("GET", "/v1/extracts", rule, [tools, &workers](const std::shared_ptr<Exchange>& exchange) {
    const Status queued = workers.submit([tools, exchange] { send_list(tools, *exchange); });
    if (!queued) exchange->send_error(queued.error());
  });
}

}  // namespace millrace
