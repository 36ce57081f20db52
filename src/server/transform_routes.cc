#include "server/transform_routes.h"

#include <stop_token>

#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/stream_beat.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Status read_time(const Json& body, const char* name, std::optional<TimeUs>& into) {
  const auto found = body.find(name);
  if (found == body.end()) return {};
  if (!found->is_string()) return fail(Code::kInvalid, "must be a time as text, such as 2026-01-31", name);
  MILLRACE_ASSIGN(into, parse_time(found->get<std::string>()));
  return {};
}

Result<TransformRunRequest> run_request_of(std::string_view body) {
  TransformRunRequest request;
  if (body.empty()) return request;
  const Json parsed = json_of_body(body);
  if (!parsed.is_object()) return fail(Code::kInvalid, R"(send {"select":["visits+"]}, or {} for all)");
  for (const auto& [name, value] : parsed.items()) {
    if (name == "select" && value.is_array()) {
      for (const Json& one : value) {
        if (!one.is_string()) return fail(Code::kInvalid, "must be an array of names", name);
        request.select.push_back(one.get<std::string>());
      }
    } else if (name == "full" && value.is_boolean()) {
      request.full = value.get<bool>();
    } else if (name != "from" && name != "to") {
      return fail(Code::kInvalid,
                  "the members are select, an array of names; full, true or false; from and to, times", name);
    }
  }
  MILLRACE_TRY(read_time(parsed, "from", request.range.from));
  MILLRACE_TRY(read_time(parsed, "to", request.range.to));
  return request;
}

std::string_view state_name(TransformOutcome::State state) {
  switch (state) {
    case TransformOutcome::State::kDone:
      return "done";
    case TransformOutcome::State::kFailed:
      return "failed";
    case TransformOutcome::State::kSkipped:
      return "skipped";
  }
  return "";
}

double seconds_of(DurationUs duration) {
  return static_cast<double>(duration) / kSecondUs;
}

Json json_of(const TransformRunResult& result) {
  Json transforms = Json::array();
  for (const auto& one : result.transforms) {
    Json entry = {{"name", one.name},
                  {"state", state_name(one.state)},
                  {"intervals", one.intervals},
                  {"rows", one.rows},
                  {"seconds", seconds_of(one.duration)}};
    if (!one.error.empty()) entry["error"] = one.error;
    transforms.push_back(std::move(entry));
  }
  return {{"transforms", std::move(transforms)}, {"notes", result.notes}};
}

/// One line of how it stands: what it holds is up to date, or why not.
std::string_view state_of(const TransformState& state) {
  if (!state.record || !state.record->run_time) return state.record ? "failed" : "never run";
  if (!state.record->error.empty()) return "failed";
  if (state.changed) return "changed";
  return state.record->stale > 0 ? "stale" : "done";
}

Json json_of(const TransformState& state) {
  Json entry = {{"name", state.name},
                {"description", state.description},
                {"table", std::string(kTransformSchema) + "." + state.name},
                {"interval_seconds", state.interval / kSecondUs},
                {"needs", state.needs},
                {"version", state.version},
                {"state", state_of(state)}};
  if (!state.record) return entry;
  const auto& record = *state.record;
  if (record.run_time) {
    entry["rows"] = record.rows;
    entry["last_run"] = format_time(*record.run_time);
    entry["seconds"] = seconds_of(record.duration);
  }
  if (state.interval > 0) {
    entry["filled"] = record.filled;
    entry["stale"] = record.stale;
  }
  if (record.filled_from) entry["filled_from"] = format_time(*record.filled_from);
  if (record.filled_to) entry["filled_to"] = format_time(*record.filled_to);
  if (!record.error.empty()) entry["error"] = record.error;
  return entry;
}

void send_list(Transforms& transforms, const Exchange& exchange) {
  const auto states = transforms.list();
  if (!states) return exchange.send_error(states.error());
  Json list = Json::array();
  for (const auto& state : *states) list.push_back(json_of(state));
  exchange.send(HttpResponse::json(200, json_text({{"transforms", std::move(list)}})));
}

void send_page(Transforms& transforms, const Exchange& exchange) {
  auto page = transforms.page();
  if (!page) return exchange.send_error(page.error());
  exchange.send(HttpResponse{.status = 200,
                             .content_type = "text/markdown; charset=utf-8",
                             .body = *std::move(page),
                             .headers = {}});
}

void run_transforms(Transforms& transforms, const TransformRunRequest& request,
                    const std::shared_ptr<ResponseStream>& stream) {
  std::stop_source stop;
  stream->on_close([stop]() mutable { stop.request_stop(); });
  const auto result = [&] {
    StreamBeat beat(stream);
    const auto show = [&](const TransformProgress& progress) {
      beat.say(json_text({{"progress",
                           {{"name", progress.name},
                            {"intervals_done", progress.intervals_done},
                            {"intervals_total", progress.intervals_total}}}}) +
               "\n");
    };
    return transforms.run(request, show, stop.get_token());
  }();
  stream->write(
      (result
           ? json_text({{"result", json_of(*result)}})
           : json_text({{"error",
                         {{"code", code_name(result.error().code)}, {"message", result.error().text()}}}})) +
      "\n");
  stream->end();
}

}  // namespace

void add_transform_routes(Router& router, Transforms& transforms, WorkerPool& long_workers,
                          WorkerPool& workers) {
  const RouteRule rule{Access::kAdmin, false};
  router.add("POST", "/v1/transforms/run", rule, [&](const std::shared_ptr<Exchange>& exchange) {
    auto request = run_request_of(exchange->request.body());
    if (!request) return exchange->send_error(request.error());
    const Status queued = long_workers.submit([&transforms, exchange, request = *std::move(request)] {
      run_transforms(transforms, request, exchange->start_stream("application/x-ndjson"));
    });
    if (!queued)
      exchange->send_error(
          {Code::kOverloaded,
           "as many ingests, replays and runs as may are waiting; try again when one is done", ""});
  });
  const auto quickly = [&](void (*answer)(Transforms&, const Exchange&)) {
    return [&transforms, &workers, answer](const std::shared_ptr<Exchange>& exchange) {
      const Status queued =
          workers.submit([&transforms, answer, exchange] { answer(transforms, *exchange); });
      if (!queued) exchange->send_error(queued.error());
    };
  };
  router.add("GET", "/v1/transforms", rule, quickly(send_list));
  router.add("GET", "/v1/transforms/page", rule, quickly(send_page));
}

}  // namespace millrace
