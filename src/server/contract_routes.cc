#include "server/contract_routes.h"

#include <fmt/format.h>

#include "event/contract_report.h"
#include "server/parameters.h"

namespace millrace {
namespace {

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

}  // namespace

void add_contract_routes(Router& router, const Contracts& contracts, BodyLimits limits, Env& env) {
  router.add("GET", "/v1/contracts", {Access::kRead, false}, [&contracts, &env](const auto& exchange) {
    exchange->send(HttpResponse::json(200, contracts_json(contracts, env.now())));
  });
  const AccessPolicy& access = router.access();
  router.add("POST", "/v1/validate", {Access::kCollect, true}, [&access, &env, limits](const auto& exchange) {
    const Result<std::string> source = access.source_of(exchange->request);
    if (!source) return exchange->send(HttpResponse::error(401, "denied", source.error().message));
    Result<std::string> answer = validate(exchange->request, *source, limits, env);
    if (answer) return exchange->send(HttpResponse::json(200, *std::move(answer)));
    HttpResponse response = HttpResponse::from_error(answer.error());
    if (answer.error().code == Code::kOutOfRange) response.status = 413;
    exchange->send(std::move(response));
  });
}

}  // namespace millrace
