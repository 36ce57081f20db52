#include "server/query_routes.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct SqlRequest {
  std::string query;
  QueryLimits limits;
};

Result<SqlRequest> sql_request_of(std::string_view body) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object() || !parsed.contains("query") || !parsed["query"].is_string())
    return fail(Code::kInvalid, R"(send {"query":"SELECT …"})");
  SqlRequest request;
  request.query = parsed["query"].get<std::string>();
  const auto limit = [&](const char* name, std::int64_t most) {
    const auto found = parsed.find(name);
    return found != parsed.end() && found->is_number_integer()
               ? std::clamp<std::int64_t>(found->get<std::int64_t>(), 1, most)
               : most;
  };
  request.limits.rows_max =
      static_cast<std::size_t>(limit("rows_max", static_cast<std::int64_t>(request.limits.rows_max) * 10));
  request.limits.time_max = limit("timeout_ms", request.limits.time_max / kMillisecondUs) * kMillisecondUs;
  return request;
}

}  // namespace

void add_query_routes(Router& router, QueryService& queries, WorkerPool& workers) {
  router.add("POST", "/v1/sql", {Access::kRead, false}, [&](const std::shared_ptr<Exchange>& exchange) {
    Result<SqlRequest> request = sql_request_of(exchange->request.body());
    if (!request) return exchange->send_error(request.error());
    Status queued = workers.submit([&queries, exchange, request = *std::move(request)] {
      Result<std::string> result = queries.run(request.query, request.limits);
      if (!result) return exchange->send_error(result.error());
      exchange->send(HttpResponse::json(200, *std::move(result)));
    });
    if (!queued) exchange->send_error(queued.error());
  });
}

}  // namespace millrace
