#include "server/contract_routes.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event/contract_report.h"
#include "server/json_text.h"
#include "server/parameters.h"
#include "warehouse/contract_rules.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

/// Hold a body against the contracts as the collector would.
Result<std::string> validate(const HttpRequest& request, std::string source, const BodyLimits& limits,
                             Env& env) {
  const QueryParameters& query = request.query();
  MILLRACE_TRY(refuse_unknown(query, {"codec", "source"}));
  BodyFacts facts;
  if (const auto said = query.get("source"); !said.empty()) source = said;
  facts.source = source;
  facts.received_time = env.now();
  CodecId codec = CodecId::kNative;
  if (const auto said = query.get("codec"); !said.empty()) {
    const auto known = codec_of(said);
    if (!known || *known == CodecId::kPubSub)
      return fail(Code::kInvalid, fmt::format("there is no codec named '{}'", said), "codec");
    codec = *known;
  }
  facts.may_be_cloud_events = codec == CodecId::kNative;
  ValidationReport report;
  const auto split = split_body(codec, request.body(), facts, limits, env);
  if (split)
    report.add(*split);
  else if (split.error().code == Code::kInvalid)
    report.add_refused(split.error());
  else
    return fail(split.error());
  return report.json();
}

Json json_of(const RuleResult& result) {
  Json one = {{"contract", result.contract},
              {"version", result.version},
              {"object", result.object},
              {"table", result.table},
              {"property", result.rule.property},
              {"rule", result.rule.name},
              {"metric", result.rule.metric},
              {"severity", result.rule.severity == RuleSeverity::kStop ? "stop" : "warn"},
              {"passed", result.passed},
              {"must", result.rule.must.text()},
              {"rows", result.rows},
              {"text", result.text()}};
  one["figure"] = result.figure ? Json(*result.figure) : Json();
  if (!result.error.empty()) one["error"] = result.error;
  one["samples"] = Json::array();
  for (const std::string& sample : result.samples)
    one["samples"].push_back(Json::parse(sample, nullptr, false));
  return one;
}

/// Judge the tables that a body names: {"table":"analytics.purchases"}, or all for "".
Result<std::string> check_data(const ContractTools& tools, std::string_view body) {
  std::string table;
  if (!body.empty()) {
    const Json asked = json_of_body(body);
    const bool fits = asked.is_object() && asked.size() <= 1 &&
                      (asked.empty() || (asked.contains("table") && asked["table"].is_string()));
    if (!fits)
      return fail(Code::kInvalid,
                  R"(send {"table":"analytics.purchases"}, or {} for all tables of contracts)");
    table = asked.value("table", "");
  }
  MILLRACE_ASSIGN(const auto results, check_tables(tools.warehouse, tools.contracts, table));
  if (results.empty() && !table.empty())
    return fail(Code::kNotFound, fmt::format("no contract that holds now speaks of a table '{}'", table),
                "table");
  Json list = Json::array();
  for (const RuleResult& result : results) list.push_back(json_of(result));
  const auto broken = std::ranges::count(results, false, &RuleResult::passed);
  const bool stops = std::ranges::any_of(results, &RuleResult::stops);
  return json_text(
      Json{{"valid", !stops}, {"rules", results.size()}, {"broken", broken}, {"results", std::move(list)}});
}

/// POST /v1/validate, as one who may collect.
void answer_validation(const ContractTools& tools, const AccessPolicy& access, const Exchange& exchange) {
  const Result<std::string> source = access.source_of(exchange.request);
  if (!source) return exchange.send(HttpResponse::error(401, "denied", source.error().message));
  Result<std::string> answer = validate(exchange.request, *source, tools.limits, tools.env);
  if (answer) return exchange.send(HttpResponse::json(200, *std::move(answer)));
  HttpResponse response = HttpResponse::from_error(answer.error());
  if (answer.error().code == Code::kOutOfRange) response.status = 413;
  exchange.send(std::move(response));
}

}  // namespace

void add_contract_routes(Router& router, const ContractTools& tools, WorkerPool& long_workers) {
  router.add("GET", "/v1/contracts", {Access::kRead, false}, [tools](const auto& exchange) {
    exchange->send(HttpResponse::json(200, contracts_json(tools.contracts, tools.env.now())));
  });
  router.add("POST", "/v1/contracts/check", {Access::kRead, false},
             [tools, &long_workers](const auto& exchange) {
               const Status queued = long_workers.submit([tools, exchange] {
                 Result<std::string> answer = check_data(tools, exchange->request.body());
                 if (!answer) return exchange->send_error(answer.error());
                 exchange->send(HttpResponse::json(200, *std::move(answer)));
               });
               if (!queued) exchange->send_error(queued.error());
             });
  const AccessPolicy& access = router.access();
  router.add("POST", "/v1/validate", {Access::kCollect, true},
             [tools, &access](const auto& exchange) { answer_validation(tools, access, *exchange); });
}

}  // namespace millrace
