#include "model/ranking_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace millrace {
namespace {

using Json = nlohmann::json;
using S = RankingSettings;

constexpr std::array<std::string_view, static_cast<std::size_t>(RankingKind::kCount)> kKindNames = {
    "popularity", "item_knn", "ease", "als", "session_knn", "two_tower", "imported"};

/// The setting `member` of the part `part` of the settings.
template <auto part, auto member>
constexpr RankingNumber number(std::string_view name, double min, double max) {
  using Number = std::remove_cvref_t<decltype(std::declval<S&>().*part.*member)>;
  return {name, min, max, [](const S& s) { return static_cast<double>(s.*part.*member); },
          [](S& s, double value) {
            if constexpr (std::is_integral_v<Number>)
              s.*part.*member = static_cast<Number>(std::llround(value));
            else
              s.*part.*member = value;
          }};
}

constexpr std::array kPopularityNumbers = {
    RankingNumber{"segment_damping", 0, 1e9, [](const S& s) { return s.segment_damping; },
                  [](S& s, double value) { s.segment_damping = value; }}};

constexpr double kSeedMax = 1e15;  ///< a double tells whole numbers up to there apart

constexpr std::array kItemKnnNumbers = {
    number<&S::item_knn, &ItemKnnSettings::neighbours>("neighbours", 1, 10'000),
    number<&S::item_knn, &ItemKnnSettings::damping>("damping", 0, 1e6)};

constexpr std::array kEaseNumbers = {
    number<&S::ease, &EaseSettings::regularization>("regularization", 1e-3, 1e9)};

constexpr std::array kAlsNumbers = {
    number<&S::als, &AlsSettings::factors>("factors", 1, 1'024),
    number<&S::als, &AlsSettings::iterations>("iterations", 1, 1'000),
    number<&S::als, &AlsSettings::unobserved_weight>("unobserved_weight", 0, 1e3),
    number<&S::als, &AlsSettings::regularization>("regularization", 1e-9, 1e6),
    number<&S::als, &AlsSettings::frequency_exponent>("frequency_exponent", 0, 2),
    number<&S::als, &AlsSettings::start_deviation>("start_deviation", 1e-6, 10),
    number<&S::als, &AlsSettings::steps>("steps", 1, 100),
    number<&S::als, &AlsSettings::tolerance>("tolerance", 0, 1),
    number<&S::als, &AlsSettings::seed>("seed", 0, kSeedMax)};

constexpr std::array kSessionKnnNumbers = {
    number<&S::session_knn, &SessionKnnSettings::sessions_per_item>("sessions_per_item", 1, 100'000),
    number<&S::session_knn, &SessionKnnSettings::neighbours>("neighbours", 1, 100'000),
    number<&S::session_knn, &SessionKnnSettings::context_items>("context_items", 1, 1'000),
    number<&S::session_knn, &SessionKnnSettings::session_items>("session_items", 1, 10'000),
    number<&S::session_knn, &SessionKnnSettings::sessions>("sessions", 1, 1e9),
    number<&S::session_knn, &SessionKnnSettings::idf>("idf", 0, 10)};

/// Those of the towers' shape, which lies a step deeper.
template <auto member>
constexpr RankingNumber shape_number(std::string_view name, double min, double max) {
  return {
      name, min, max, [](const S& s) { return static_cast<double>(s.two_tower.shape.*member); },
      [](S& s, double value) { s.two_tower.shape.*member = static_cast<std::size_t>(std::llround(value)); }};
}

constexpr std::array kTwoTowerNumbers = {
    shape_number<&TowerShape::dimensions>("dimensions", 1, 1'024),
    shape_number<&TowerShape::category_dimensions>("category_dimensions", 1, 256),
    shape_number<&TowerShape::text_dimensions>("text_dimensions", 1, 256),
    number<&S::two_tower, &TwoTowerSettings::batch>("batch", 2, 8'192),
    number<&S::two_tower, &TwoTowerSettings::epochs>("epochs", 1, 10'000),
    number<&S::two_tower, &TwoTowerSettings::learning_rate>("learning_rate", 1e-9, 1),
    number<&S::two_tower, &TwoTowerSettings::weight_decay>("weight_decay", 0, 1e3),
    number<&S::two_tower, &TwoTowerSettings::temperature>("temperature", 1e-3, 1e3),
    number<&S::two_tower, &TwoTowerSettings::held_out>("held_out", 0, 0.5),
    number<&S::two_tower, &TwoTowerSettings::patience>("patience", 1, 1'000),
    number<&S::two_tower, &TwoTowerSettings::seed>("seed", 0, kSeedMax)};

std::string_view solver_name(AlsSolver solver) {
  return solver == AlsSolver::kCholesky ? "cholesky" : "conjugate_gradient";
}

Json number_json(const RankingNumber& setting, const S& s) {
  const double value = setting.get(s);
  return value == std::floor(value) && std::abs(value) <= kSeedMax ? Json(std::llround(value)) : Json(value);
}

void two_tower_to_json(const TwoTowerSettings& s, Json& json) {
  json["goal"] = s.goal == TwoTowerGoal::kRatings ? "ratings" : "choices";
  json["hidden"] = s.shape.hidden;
  json["normalized"] = s.shape.normalized;
  json["rating_min"] = s.rating_min ? Json(*s.rating_min) : Json();
  json["rating_max"] = s.rating_max ? Json(*s.rating_max) : Json();
}

void two_tower_from_json(const Json& json, TwoTowerSettings& s) {
  s.goal = json.at("goal") == "ratings" ? TwoTowerGoal::kRatings : TwoTowerGoal::kChoices;
  json.at("hidden").get_to(s.shape.hidden);
  json.at("normalized").get_to(s.shape.normalized);
  if (!json.at("rating_min").is_null()) s.rating_min = json["rating_min"].get<double>();
  if (!json.at("rating_max").is_null()) s.rating_max = json["rating_max"].get<double>();
}

}  // namespace

std::string_view ranking_kind_name(RankingKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::optional<RankingKind> ranking_kind(std::string_view name) {
  const auto found = std::ranges::find(kKindNames, name);
  if (found == kKindNames.end()) return std::nullopt;
  return static_cast<RankingKind>(found - kKindNames.begin());
}

std::span<const RankingNumber> ranking_numbers(RankingKind kind) {
  switch (kind) {
    case RankingKind::kItemKnn:
      return kItemKnnNumbers;
    case RankingKind::kEase:
      return kEaseNumbers;
    case RankingKind::kAls:
      return kAlsNumbers;
    case RankingKind::kSessionKnn:
      return kSessionKnnNumbers;
    case RankingKind::kTwoTower:
      return kTwoTowerNumbers;
    case RankingKind::kPopularity:
      return kPopularityNumbers;
    case RankingKind::kImported:
    case RankingKind::kCount:
      break;
  }
  return {};
}

Status set_ranking_number(RankingSettings& settings, std::string_view name, double value) {
  const auto known = ranking_numbers(settings.kind);
  const auto found = std::ranges::find(known, name, &RankingNumber::name);
  if (found != known.end()) {
    found->set(settings, std::clamp(value, found->min, found->max));
    return {};
  }
  std::vector<std::string_view> names;
  for (const RankingNumber& setting : known) names.push_back(setting.name);
  return fail(Code::kInvalid,
              names.empty() ? fmt::format("{} has no settings to search", ranking_kind_name(settings.kind))
                            : fmt::format("{} has no setting {} that is a number: it has {}",
                                          ranking_kind_name(settings.kind), name, fmt::join(names, ", ")));
}

Json to_json(const RankingSettings& s) {
  Json json{{"kind", ranking_kind_name(s.kind)}, {"half_life_us", s.half_life}, {"once", s.once}};
  for (const RankingNumber& setting : ranking_numbers(s.kind)) json[setting.name] = number_json(setting, s);
  if (s.window > 0) json["window_us"] = s.window;
  if (!s.segment.empty()) json["segment"] = s.segment;
  if (s.kind == RankingKind::kAls) json["solver"] = solver_name(s.als.solver);
  if (s.kind == RankingKind::kSessionKnn) json["session_half_life_us"] = s.session_knn.half_life;
  if (s.kind == RankingKind::kTwoTower) two_tower_to_json(s.two_tower, json);
  return json;
}

Result<RankingSettings> ranking_settings_of(const Json& json) {
  try {
    RankingSettings s;
    const auto kind = ranking_kind(json.at("kind").get<std::string>());
    if (!kind) return fail(Code::kCorrupt, "there is no such kind of model: " + json.at("kind").dump());
    s.kind = *kind;
    json.at("half_life_us").get_to(s.half_life);
    json.at("once").get_to(s.once);
    s.window = json.value("window_us", s.window);
    s.segment = json.value("segment", s.segment);
    for (const RankingNumber& setting : ranking_numbers(s.kind)) {
      if (s.kind == RankingKind::kPopularity && !json.contains(setting.name))
        continue;  // of an older version
      const auto value = json.at(setting.name).get<double>();
      if (!(value >= setting.min && value <= setting.max))
        return fail(Code::kCorrupt, fmt::format("the setting {} is {}", setting.name, value));
      setting.set(s, value);
    }
    if (s.kind == RankingKind::kAls)
      s.als.solver = json.at("solver") == solver_name(AlsSolver::kCholesky) ? AlsSolver::kCholesky
                                                                            : AlsSolver::kConjugateGradient;
    if (s.kind == RankingKind::kSessionKnn) json.at("session_half_life_us").get_to(s.session_knn.half_life);
    if (s.kind == RankingKind::kTwoTower) two_tower_from_json(json, s.two_tower);
    return s;
  } catch (const Json::exception& error) {
    return fail(Code::kCorrupt, fmt::format("the settings cannot be read: {}", error.what()));
  }
}

}  // namespace millrace
