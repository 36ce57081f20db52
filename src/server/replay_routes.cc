#include "server/replay_routes.h"

#include <stop_token>

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Result<ReplayRequest> replay_request_of(std::string_view body) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object()) return fail(Code::kInvalid, R"(send {"from":"lake","into":"replay_june"})");
  const auto text = [&](const char* name) {
    const auto found = parsed.find(name);
    return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (const auto& [name, value] : parsed.items()) {
    const bool known = name == "from" || name == "to" || name == "job" || name == "into";
    if (!known || !value.is_string())
      return fail(Code::kInvalid, "the members are from, to, job and into, each a text", name);
  }
  ReplayRequest request;
  if (parsed.contains("from")) MILLRACE_TRY(read_replay_from(text("from"), request));
  if (parsed.contains("to")) MILLRACE_TRY(read_replay_to(text("to"), request));
  if (parsed.contains("job")) request.job = text("job");
  request.into = text("into");
  return request;
}

Json json_of(const ReplayEntry& entry) {
  Json position = Json::object();
  for (const auto& [partition, next] : entry.schema.next)
    position[partition.topic + "/" + std::to_string(partition.partition.value())] = next.value();
  return {{"schema", entry.schema.name},
          {"from", entry.schema.origin},
          {"rows", entry.schema.rows},
          {"running", entry.running},
          {"position", std::move(position)}};
}

void send_list(Replays& replays, const Exchange& exchange) {
  const auto entries = replays.list();
  if (!entries) return exchange.send_error(entries.error());
  Json list = Json::array();
  for (const auto& entry : *entries) list.push_back(json_of(entry));
  exchange.send(HttpResponse::json(200, Json{{"replays", std::move(list)}}.dump()));
}

void drop(Replays& replays, const Exchange& exchange) {
  const auto& schema = exchange.path_values.front();
  const Status dropped = replays.drop(schema);
  if (!dropped) return exchange.send_error(dropped.error());
  exchange.send(HttpResponse::json(200, Json{{"dropped", schema}}.dump()));
}

void run_replay(Replays& replays, const ReplayRequest& request,
                const std::shared_ptr<ResponseStream>& stream) {
  const auto write = [&](const char* name, const Json& value) {
    stream->write(json_text({{name, value}}) + "\n");
  };
  std::stop_source stop;
  stream->on_close([stop]() mutable { stop.request_stop(); });
  const auto show = [&](const ReplayProgress& progress) {
    write("progress", {{"offsets_done", progress.offsets_done},
                       {"offsets_total", progress.offsets_total},
                       {"records", progress.records},
                       {"records_per_second", progress.records_per_second}});
  };
  const Result<ReplayResult> result = replays.run(request, show, stop.get_token());
  if (result) {
    write("result", {{"records", result->records},
                     {"rows", result->rows},
                     {"replaced", result->replaced},
                     {"files", result->files},
                     {"into", request.into}});
  } else {
    write("error", {{"code", code_name(result.error().code)}, {"message", result.error().text()}});
  }
  stream->end();
}

}  // namespace

void add_replay_routes(Router& router, Replays& replays, WorkerPool& long_workers, WorkerPool& workers) {
  const RouteRule rule{Access::kAdmin, false};
  router.add("POST", "/v1/replays", rule, [&](const std::shared_ptr<Exchange>& exchange) {
    Result<ReplayRequest> request = replay_request_of(exchange->request.body());
    if (!request) return exchange->send_error(request.error());
    const Status queued = long_workers.submit([&replays, exchange, request = *std::move(request)] {
      run_replay(replays, request, exchange->start_stream("application/x-ndjson"));
    });
    if (!queued)
      exchange->send_error({Code::kOverloaded,
                            "as many ingests and replays as may are waiting; try again when one is done",
                            ""});
  });
  const auto quickly = [&](void (*answer)(Replays&, const Exchange&)) {
    return [&replays, &workers, answer](const std::shared_ptr<Exchange>& exchange) {
      const Status queued = workers.submit([&replays, answer, exchange] { answer(replays, *exchange); });
      if (!queued) exchange->send_error(queued.error());
    };
  };
  router.add("GET", "/v1/replays", rule, quickly(send_list));
  router.add("DELETE", "/v1/replays/{schema}", rule, quickly(drop));
}

}  // namespace millrace
