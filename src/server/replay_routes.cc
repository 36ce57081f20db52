#include "server/replay_routes.h"

#include <stop_token>

#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using nlohmann::json;

Result<ReplayRequest> parse_request(std::string_view body) {
  const json parsed = json::parse(body, nullptr, false);
  const auto text = [&](const char* name, const char* otherwise) {
    const auto found = parsed.find(name);
    return found == parsed.end() ? otherwise : found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!parsed.is_object()) return fail(Code::kInvalid, R"(send {"from":"lake","into":"replay_june"})");
  ReplayRequest request;
  MILLRACE_ASSIGN(request.from, parse_replay_from(text("from", "lake")));
  request.job = text("job", "load");
  request.into = text("into", "");
  return request;
}

void run_replay(Replays& replays, const ReplayRequest& request,
                const std::shared_ptr<ResponseStream>& stream) {
  const auto write = [&](const char* name, const json& value) {
    stream->write(json{{name, value}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
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
    write("result", {{"records", result->records}, {"rows", result->rows}, {"into", request.into}});
  } else {
    write("error", {{"code", code_name(result.error().code)}, {"message", result.error().text()}});
  }
  stream->end();
}

}  // namespace

void add_replay_routes(Router& router, Replays& replays, WorkerPool& workers) {
  router.add("POST", "/v1/replays", {Access::kAdmin, false}, [&](const std::shared_ptr<Exchange>& exchange) {
    Result<ReplayRequest> request = parse_request(exchange->request.body());
    if (!request) return exchange->send_error(request.error());
    const Status queued = workers.submit([&replays, exchange, request = *std::move(request)] {
      run_replay(replays, request, exchange->start_stream("application/x-ndjson"));
    });
    if (!queued)
      exchange->send_error({Code::kOverloaded,
                            "as many ingests and replays as may are waiting; try again when one is done",
                            ""});
  });
}

}  // namespace millrace
