#include <fmt/format.h>

#include "model/ranking_model.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

std::string_view solver_name(AlsSolver solver) {
  return solver == AlsSolver::kCholesky ? "cholesky" : "conjugate_gradient";
}

}  // namespace

Json to_json(const RankingSettings& s) {
  Json json{{"kind", ranking_kind_name(s.kind)}, {"half_life_us", s.half_life}, {"once", s.once}};
  switch (s.kind) {
    case RankingKind::kItemKnn:
      json["neighbours"] = s.item_knn.neighbours;
      json["damping"] = s.item_knn.damping;
      break;
    case RankingKind::kEase:
      json["regularization"] = s.ease.regularization;
      break;
    case RankingKind::kAls:
      json.update({{"factors", s.als.factors},
                   {"iterations", s.als.iterations},
                   {"unobserved_weight", s.als.unobserved_weight},
                   {"regularization", s.als.regularization},
                   {"frequency_exponent", s.als.frequency_exponent},
                   {"start_deviation", s.als.start_deviation},
                   {"solver", solver_name(s.als.solver)},
                   {"steps", s.als.steps},
                   {"tolerance", s.als.tolerance},
                   {"seed", s.als.seed}});
      break;
    case RankingKind::kSessionKnn:
      json.update({{"sessions_per_item", s.session_knn.sessions_per_item},
                   {"neighbours", s.session_knn.neighbours},
                   {"context_items", s.session_knn.context_items},
                   {"session_items", s.session_knn.session_items},
                   {"sessions", s.session_knn.sessions},
                   {"session_half_life_us", s.session_knn.half_life},
                   {"idf", s.session_knn.idf}});
      break;
    case RankingKind::kPopularity:
    case RankingKind::kCount:
      break;
  }
  return json;
}

Result<RankingSettings> ranking_settings_of(const Json& json) {
  try {
    RankingSettings s;
    const auto kind = ranking_kind(json.at("kind").get<std::string>());
    if (!kind) return fail(Code::kCorrupt, "there is no such kind of model: " + json.at("kind").dump());
    s.kind = *kind;
    const auto read = [&](const char* key, auto& into) { json.at(key).get_to(into); };
    read("half_life_us", s.half_life);
    read("once", s.once);
    if (s.kind == RankingKind::kItemKnn) {
      read("neighbours", s.item_knn.neighbours);
      read("damping", s.item_knn.damping);
    } else if (s.kind == RankingKind::kEase) {
      read("regularization", s.ease.regularization);
    } else if (s.kind == RankingKind::kAls) {
      read("factors", s.als.factors);
      read("iterations", s.als.iterations);
      read("unobserved_weight", s.als.unobserved_weight);
      read("regularization", s.als.regularization);
      read("frequency_exponent", s.als.frequency_exponent);
      read("start_deviation", s.als.start_deviation);
      s.als.solver = json.at("solver") == solver_name(AlsSolver::kCholesky) ? AlsSolver::kCholesky
                                                                            : AlsSolver::kConjugateGradient;
      read("steps", s.als.steps);
      read("tolerance", s.als.tolerance);
      read("seed", s.als.seed);
    } else if (s.kind == RankingKind::kSessionKnn) {
      read("sessions_per_item", s.session_knn.sessions_per_item);
      read("neighbours", s.session_knn.neighbours);
      read("context_items", s.session_knn.context_items);
      read("session_items", s.session_knn.session_items);
      read("sessions", s.session_knn.sessions);
      read("session_half_life_us", s.session_knn.half_life);
      read("idf", s.session_knn.idf);
    }
    return s;
  } catch (const Json::exception& error) {
    return fail(Code::kCorrupt, fmt::format("the settings cannot be read: {}", error.what()));
  }
}

}  // namespace millrace
