#include "model/model_spec.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/yaml.h"

namespace millrace {
namespace {

constexpr std::size_t kModelNameMax = 64;
constexpr DurationUs kCheckEvery = kHourUs;  ///< of models trained again on drift
constexpr std::size_t kLayerMax = 4'096;     ///< outputs of a hidden layer
constexpr std::size_t kHiddenMax = 16;       ///< layers
constexpr std::size_t kServedLengthMax = 1'000;

/// What people did to items, each by how much it says: as the live recommender weighs it
/// (src/recommend/settings.h).
constexpr std::string_view kAllFeedback =
    "SELECT visitor, item_id, event_time, CASE type WHEN 'purchase' THEN 5 WHEN 'rating' THEN 4 WHEN "
    "'add_to_cart' THEN 3 "
    "WHEN 'read' THEN 2 ELSE 1 END AS weight FROM item_interactions "
    "WHERE type IN ('purchase', 'add_to_cart', 'read', 'item_view', 'activity') OR (type = 'rating' AND "
    "value >= 4)";

class SpecReader {
 public:
  SpecReader(const YamlMap& root, ModelSpec& spec) : root_(root), spec_(spec) {}

  void read() {
    root_.optional("description", spec_.description);
    read_kind();
    read_feedback_source();
    if (spec_.settings.kind == RankingKind::kPopularity)
      root_.map("settings").optional("segment", spec_.settings.segment);
    if (spec_.reads_features()) {
      read_features("users", spec_.users);
      read_features("items", spec_.items);
    }
    if (!spec_.settings.segment.empty() && spec_.users.from.empty() && spec_.users.columns.empty())
      spec_.users.columns.push_back({spec_.settings.segment, ColumnKind::kCategory});
    read_settings();
    read_search();
    read_evaluation();
    const YamlMap gate = root_.map("gate");
    read_metric(gate, spec_.gate_metric);
    gate.optional("margin", spec_.gate_margin, 0.0, 1.0);
    read_retrain();
  }

 private:
  void read_kind() {
    std::string name;
    root_.required("kind", name);
    std::vector<std::string> names;
    for (std::size_t k = 0; k < static_cast<std::size_t>(RankingKind::kCount); ++k)
      names.emplace_back(ranking_kind_name(static_cast<RankingKind>(k)));
    if (const auto kind = ranking_kind(name))
      spec_.settings.kind = *kind;
    else if (!name.empty())
      root_.find("kind")->error(
          fmt::format("there is no kind {}: take one of {}", name, fmt::join(names, ", ")));
  }

  void read_feedback_source() {
    const auto source = root_.find("interactions");
    if (!source) {
      spec_.from = kAllFeedback;
      spec_.weight = "weight";
      return;
    }
    const YamlMap map = source->map();
    if (map.optional("training_set", spec_.training_set)) {
      if (map.find("from")) map.error("give from or training_set, not both");
    } else {
      map.required("from", spec_.from);
    }
    map.optional("user", spec_.user);
    map.optional("item", spec_.item);
    map.optional("time", spec_.time);
    map.optional("weight", spec_.weight);
    if (spec_.settings.kind == RankingKind::kTwoTower && map.optional("label", spec_.label))
      spec_.settings.two_tower.goal = TwoTowerGoal::kRatings;
  }

  /// {from: items, id: item_id, features: [category, price, {name: title, kind: text}]}
  void read_features(std::string_view whose, FeatureSource& into) {
    const auto source = root_.find(whose);
    if (!source) return;
    const YamlMap map = source->map();
    map.optional("from", into.from);
    map.optional("id", into.id);
    if (into.from.empty() && !into.id.empty())
      map.error("id is a column of from; without from, features are columns of the interactions");
    for (const YamlValue& one : map.list("features")) {
      FeatureSourceColumn& column = into.columns.emplace_back();
      if (one.is_text()) {
        one.read(column.name);
        continue;
      }
      const YamlMap named = one.map();
      named.required("name", column.name);
      ColumnKind kind{};
      if (named.optional_choice("kind", kind,
                                {{"number", ColumnKind::kNumber},
                                 {"category", ColumnKind::kCategory},
                                 {"text", ColumnKind::kText}}))
        column.kind = kind;
    }
  }

  void read_settings() {
    const YamlMap map = root_.map("settings");
    map.optional_duration("half_life", spec_.settings.half_life);
    map.optional_duration("window", spec_.settings.window);
    map.optional("once", spec_.settings.once);
    if (spec_.settings.kind == RankingKind::kSessionKnn)
      map.optional_duration("session_half_life", spec_.settings.session_knn.half_life);
    if (spec_.settings.kind == RankingKind::kAls)
      map.optional_choice(
          "solver", spec_.settings.als.solver,
          {{"conjugate_gradient", AlsSolver::kConjugateGradient}, {"cholesky", AlsSolver::kCholesky}});
    if (spec_.settings.kind == RankingKind::kTwoTower) read_two_tower(map, spec_.settings.two_tower);
    for (const RankingNumber& setting : ranking_numbers(spec_.settings.kind))
      if (const auto value = map.find(setting.name)) {
        double number = std::nan("");
        value->read(number, setting.min, setting.max);
        if (!std::isnan(number)) setting.set(spec_.settings, number);
      }
  }

  static void read_two_tower(const YamlMap& map, TwoTowerSettings& into) {
    if (const auto hidden = map.find("hidden")) {
      std::vector<std::size_t> layers;
      if (hidden->is_list())
        for (const YamlValue& one : hidden->list())
          one.read(layers.emplace_back(1), std::size_t{1}, kLayerMax);
      else
        hidden->read(layers.emplace_back(1), std::size_t{1}, kLayerMax);
      if (layers.size() > kHiddenMax) hidden->error(fmt::format("take {} layers at the most", kHiddenMax));
      into.shape.hidden = std::move(layers);
    }
    map.optional("normalized", into.shape.normalized);
    double limit = 0;
    if (map.optional("rating_min", limit)) into.rating_min = limit;
    if (map.optional("rating_max", limit)) into.rating_max = limit;
  }

  /// {factors: [32, 64], regularization: {from: 0.001, to: 0.1}}
  void read_search() {
    const auto known = ranking_numbers(spec_.settings.kind);
    for (const auto& [name, value] : root_.map("search").entries()) {
      const auto setting = std::ranges::find(known, name, &RankingNumber::name);
      if (setting == known.end()) {
        RankingSettings none = spec_.settings;
        value.error(set_ranking_number(none, name, 0).error().message);
        continue;
      }
      SearchSpec search{.setting = name, .choices = {}};
      if (value.is_list()) {
        for (const YamlValue& one : value.list())
          one.read(search.choices.emplace_back(setting->min), setting->min, setting->max);
        if (search.choices.empty()) value.error("give at least one value to try");
      } else {
        value.map().required("from", search.from, std::max(setting->min, 1e-12), setting->max);
        value.map().required("to", search.to, std::max(setting->min, 1e-12), setting->max);
        if (search.to < search.from) value.error("to must not be below from");
      }
      spec_.search.push_back(std::move(search));
    }
  }

  void read_evaluation() {
    const YamlMap map = root_.map("evaluate");
    EvaluationSpec& evaluation = spec_.evaluation;
    map.optional_choice("split", evaluation.split,
                        {{"time", EvaluationSpec::Split::kTime},
                         {"last", EvaluationSpec::Split::kLast},
                         {"people", EvaluationSpec::Split::kPeople}});
    map.optional("test", evaluation.test_share, 0.001, 0.9);
    if (const auto n = map.find("n")) read_lengths(*n);
    map.optional("repeats", evaluation.repeats);
  }

  /// A length, or several: the gate goes by the first.
  void read_lengths(const YamlValue& value) {
    EvaluationSpec& evaluation = spec_.evaluation;
    const auto read = [](const YamlValue& from, std::size_t& into) {
      from.read(into, std::size_t{1}, kServedLengthMax);
    };
    if (!value.is_list()) return read(value, evaluation.n);
    const auto lengths = value.list();
    if (lengths.empty()) value.error("give at least one length");
    for (std::size_t k = 0; k < lengths.size(); ++k)
      read(lengths[k], k == 0 ? evaluation.n : evaluation.further_n.emplace_back(1));
  }

  /// {every: 7d, on_drift: {worse: 0.02, moved: 0.25}, at_most_every: 6h, check_every: 1h}
  void read_retrain() {
    const YamlMap map = root_.map("retrain");
    RetrainSpec& retrain = spec_.retrain;
    map.optional_duration("every", retrain.every, kSecondUs);
    map.optional_duration("at_most_every", retrain.at_most_every, kSecondUs);
    const bool looks = map.optional_duration("check_every", retrain.check_every, kSecondUs);
    const auto drift = map.find("on_drift");
    if (drift && drift->is_map()) {
      retrain.on_drift = true;
      drift->map().optional("worse", retrain.limits.worse, 0.0, 1'000.0);
      drift->map().optional("moved", retrain.limits.moved, 0.0, 100.0);
    } else if (drift) {
      drift->read(retrain.on_drift);
    }
    if (retrain.on_drift && !looks) retrain.check_every = kCheckEvery;
    if (spec_.settings.kind == RankingKind::kImported && (retrain.every > 0 || retrain.on_drift))
      map.error(
          "its vectors are made elsewhere, so it cannot be trained here; check_every alone looks at it");
    if (spec_.time == kNoTime && (retrain.on_drift || looks))
      map.error("without times of the interactions nobody can say what is new: drift cannot be seen");
  }

  static void read_metric(const YamlMap& map, Metric& into) {
    map.optional_choice("metric", into,
                        {{"ndcg", Metric::kNdcg},
                         {"recall", Metric::kRecall},
                         {"precision", Metric::kPrecision},
                         {"hit_rate", Metric::kHitRate},
                         {"mrr", Metric::kMrr},
                         {"map", Metric::kMap}});
  }

  const YamlMap& root_;
  ModelSpec& spec_;
};

}  // namespace

std::string to_text(const RetrainSpec& spec) {
  std::vector<std::string> parts;
  if (spec.every > 0) parts.push_back("every " + duration_text(spec.every));
  if (spec.on_drift) parts.push_back("on drift, at most every " + duration_text(spec.at_most_every));
  if (spec.check_every > 0) parts.push_back("looked at every " + duration_text(spec.check_every));
  return parts.empty() ? "only when asked" : fmt::format("{}", fmt::join(parts, "; "));
}

std::string duration_text(DurationUs duration) {
  for (const auto& [unit, name] : {std::pair(kDayUs, "d"), std::pair(kHourUs, "h"), std::pair(kMinuteUs, "m"),
                                   std::pair(kSecondUs, "s")})
    if (duration >= unit && duration % unit == 0) return fmt::format("{}{}", duration / unit, name);
  return fmt::format("{}ms", duration / kMillisecondUs);
}

Result<ModelSpec> find_model_spec(ProjectModels models, std::string_view name) {
  std::vector<std::string> names;
  for (ModelSpec& spec : models.specs) {
    if (spec.name == name) return std::move(spec);
    names.push_back(spec.name);
  }
  for (auto& [broken, problem] : models.problems) {
    if (broken == name) return fail(std::move(problem));
    names.push_back(broken);
  }
  if (names.empty())
    return fail(Code::kNotFound,
                fmt::format("the server knows no models: it needs a project with models/{}.yaml "
                            "(millrace up --project DIR)",
                            name));
  const std::string nearest = nearest_name(name, names);
  return fail(Code::kNotFound, fmt::format("the project has no models/{}.yaml{}", name,
                                           nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

bool same_data(const ModelSpec& a, const ModelSpec& b) {
  const auto data = [](const ModelSpec& spec) {
    return std::tie(spec.from, spec.training_set, spec.user, spec.item, spec.time, spec.weight, spec.label,
                    spec.users, spec.items);
  };
  return data(a) == data(b);
}

Result<ModelSpec> parse_model_spec(std::string_view text, const Path& path) {
  MILLRACE_ASSIGN(const auto yaml, YamlDocument::parse(text, path));
  ModelSpec spec;
  spec.name = path.stem().string();
  spec.text = text;
  if (!is_snake_case(spec.name, kModelNameMax))
    return fail(Code::kInvalid,
                "a model's name is its file's: lower-case letters, digits and _, such as for_you.yaml",
                path.string());
  const YamlMap root = yaml.root();
  SpecReader(root, spec).read();
  MILLRACE_TRY(yaml.finish());
  return spec;
}

}  // namespace millrace
