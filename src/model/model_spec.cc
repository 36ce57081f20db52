#include "model/model_spec.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/yaml.h"

namespace millrace {
namespace {

constexpr std::size_t kModelNameMax = 64;

/// What people did to items, each by how much it says: as the live recommender weighs it
/// (src/recommend/settings.h).
constexpr std::string_view kAllFeedback =
    "SELECT visitor, item_id, event_time, CASE type WHEN 'purchase' THEN 5 WHEN 'rating' THEN 4 WHEN "
    "'add_to_cart' THEN 3 "
    "WHEN 'read' THEN 2 ELSE 1 END AS weight FROM item_interactions "
    "WHERE type IN ('purchase', 'add_to_cart', 'read', 'item_view', 'activity') OR (type = 'rating' AND "
    "value >= 4)";

/// A setting that is a number, by its name in the file.
struct NumberSetting {
  std::string_view name;
  double min;
  double max;
  void (*set)(RankingSettings&, double);
};

template <class Number>
Number whole(double value) {
  return static_cast<Number>(std::llround(value));
}

const std::vector<NumberSetting>& number_settings(RankingKind kind) {
  using S = RankingSettings;
  static const std::vector<NumberSetting> none;
  static const std::vector<NumberSetting> item_knn = {
      {"neighbours", 1, 10'000, [](S& s, double v) { s.item_knn.neighbours = whole<std::size_t>(v); }},
      {"damping", 0, 1e6, [](S& s, double v) { s.item_knn.damping = v; }}};
  static const std::vector<NumberSetting> ease = {
      {"regularization", 1e-3, 1e9, [](S& s, double v) { s.ease.regularization = v; }}};
  static const std::vector<NumberSetting> als = {
      {"factors", 1, 1'024, [](S& s, double v) { s.als.factors = whole<std::size_t>(v); }},
      {"iterations", 1, 1'000, [](S& s, double v) { s.als.iterations = whole<int>(v); }},
      {"unobserved_weight", 0, 1e3, [](S& s, double v) { s.als.unobserved_weight = v; }},
      {"regularization", 1e-9, 1e6, [](S& s, double v) { s.als.regularization = v; }},
      {"frequency_exponent", 0, 2, [](S& s, double v) { s.als.frequency_exponent = v; }},
      {"tolerance", 0, 1, [](S& s, double v) { s.als.tolerance = v; }},
      {"seed", 0, 1e15, [](S& s, double v) { s.als.seed = whole<std::uint64_t>(v); }}};
  static const std::vector<NumberSetting> session_knn = {
      {"sessions_per_item", 1, 100'000,
       [](S& s, double v) { s.session_knn.sessions_per_item = whole<std::size_t>(v); }},
      {"neighbours", 1, 100'000, [](S& s, double v) { s.session_knn.neighbours = whole<std::size_t>(v); }},
      {"context_items", 1, 1'000,
       [](S& s, double v) { s.session_knn.context_items = whole<std::size_t>(v); }},
      {"idf", 0, 10, [](S& s, double v) { s.session_knn.idf = v; }}};
  switch (kind) {
    case RankingKind::kItemKnn:
      return item_knn;
    case RankingKind::kEase:
      return ease;
    case RankingKind::kAls:
      return als;
    case RankingKind::kSessionKnn:
      return session_knn;
    case RankingKind::kPopularity:
    case RankingKind::kCount:
      break;
  }
  return none;
}

class SpecReader {
 public:
  SpecReader(const YamlMap& root, ModelSpec& spec) : root_(root), spec_(spec) {}

  void read() {
    root_.optional("description", spec_.description);
    read_kind();
    read_feedback_source();
    read_settings();
    read_search();
    read_evaluation();
    const YamlMap gate = root_.map("gate");
    read_metric(gate, spec_.gate_metric);
    gate.optional("margin", spec_.gate_margin, 0.0, 1.0);
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
    map.required("from", spec_.from);
    map.optional("user", spec_.user);
    map.optional("item", spec_.item);
    map.optional("time", spec_.time);
    map.optional("weight", spec_.weight);
  }

  void read_settings() {
    const YamlMap map = root_.map("settings");
    map.optional_duration("half_life", spec_.settings.half_life);
    map.optional("once", spec_.settings.once);
    if (spec_.settings.kind == RankingKind::kSessionKnn)
      map.optional_duration("session_half_life", spec_.settings.session_knn.half_life);
    if (spec_.settings.kind == RankingKind::kAls)
      map.optional_choice(
          "solver", spec_.settings.als.solver,
          {{"conjugate_gradient", AlsSolver::kConjugateGradient}, {"cholesky", AlsSolver::kCholesky}});
    for (const NumberSetting& setting : number_settings(spec_.settings.kind))
      if (const auto value = map.find(setting.name)) {
        double number = std::nan("");
        value->read(number, setting.min, setting.max);
        if (!std::isnan(number)) setting.set(spec_.settings, number);
      }
  }

  /// {factors: [32, 64], regularization: {from: 0.001, to: 0.1}}
  void read_search() {
    const auto& known = number_settings(spec_.settings.kind);
    for (const auto& [name, value] : root_.map("search").entries()) {
      const auto setting = std::ranges::find(known, name, &NumberSetting::name);
      if (setting == known.end()) {
        RankingSettings none = spec_.settings;
        value.error(set_ranking_setting(none, name, 0).error().message);
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
    map.optional("n", evaluation.n, std::size_t{1}, std::size_t{1'000});
    map.optional("repeats", evaluation.repeats);
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

Status set_ranking_setting(RankingSettings& settings, std::string_view name, double value) {
  const auto& known = number_settings(settings.kind);
  const auto found = std::ranges::find(known, name, &NumberSetting::name);
  if (found != known.end()) {
    found->set(settings, std::clamp(value, found->min, found->max));
    return {};
  }
  std::vector<std::string> names;
  for (const NumberSetting& setting : known) names.emplace_back(setting.name);
  return fail(Code::kInvalid,
              names.empty() ? fmt::format("{} has no settings to search", ranking_kind_name(settings.kind))
                            : fmt::format("{} has no setting {} that is a number: it has {}",
                                          ranking_kind_name(settings.kind), name, fmt::join(names, ", ")));
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
