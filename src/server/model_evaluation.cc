#include "server/model_evaluation.h"

#include <charconv>

#include <fmt/format.h>

#include "model/evaluation_page.h"

namespace millrace {

Result<std::optional<RetrainSettings>> read_evaluation_query(const QueryParameters& query,
                                                             EvaluationSpec& spec) {
  if (const auto unknown = query.unknown({"n", "retrain", "first"}))
    return fail(Code::kInvalid, fmt::format("{} is not known here: n, retrain, first are", *unknown));
  if (const std::string_view n = query.get("n"); !n.empty()) {
    EvaluationOptions options;
    MILLRACE_TRY(set_list_lengths(options, n));
    spec.n = options.n;
    spec.further_n = std::move(options.further_n);
  }
  double first_share = RetrainSettings{}.first_share;
  if (const std::string_view first = query.get("first"); !first.empty()) {
    const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), first_share);
    if (error != std::errc{} || end != first.data() + first.size())
      return fail(Code::kInvalid, "first is a share of the interactions, such as 0.5");
  }
  const std::string_view cadences = query.get("retrain");
  if (cadences.empty()) return std::optional<RetrainSettings>();
  MILLRACE_ASSIGN(RetrainSettings settings, retrain_settings(cadences, first_share));
  return std::optional(std::move(settings));
}

HttpResponse evaluation_response(const nlohmann::json& evaluation, std::string_view title) {
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = evaluation_page(evaluation, title);
  response.headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'self'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}};
  return response;
}

}  // namespace millrace
