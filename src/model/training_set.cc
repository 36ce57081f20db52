#include "model/training_set.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "base/yaml.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

constexpr std::size_t kSetNameMax = 64;

/// Folders of the lake: letters, digits, '_', '-', '.', '=' and slashes between; not a zone of ours.
bool is_lake_path(std::string_view path) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '=' || c == '/';
  };
  return !path.empty() && path.front() != '/' && path.back() != '/' && path.find("//") == path.npos &&
         std::ranges::all_of(path, fits);
}

/// Reads one file; every mistake is noted where it stands.
class SetReader {
 public:
  SetReader(const YamlMap& root, TrainingSet& set, std::span<const FeatureView> views)
      : root_(root), set_(set), views_(views) {}

  void read() {
    root_.optional("description", set_.description);
    read_labels();
    read_features();
    read_split();
    root_.optional("partitions", set_.partitions);
    read_path();
  }

 private:
  void read_labels() {
    const YamlMap labels = root_.map("labels");
    labels.required("from", set_.labels);
    labels.optional("key", set_.key);
    labels.optional("time", set_.time);
    if (set_.key.empty()) labels.error("give key: the columns that say what a label is about");
  }

  /// A list of names of views and of their features, or a map.
  void read_features() {
    const auto value = root_.find("features");
    if (!value) return;
    if (value->is_map()) {
      for (const auto& [name, feature] : value->map().entries()) read_feature(name, feature.map());
      return;
    }
    for (const YamlValue& one : value->list()) {
      std::string text;
      one.read(text);
      const auto colon = text.find(':');
      const FeatureView* view = view_of(text.substr(0, colon), one);
      if (view == nullptr) continue;
      std::vector<std::string> on;
      for (const auto& entity : view->entities) on.push_back(entity.name);
      std::vector<std::pair<std::string, std::string>> columns;
      if (colon == text.npos)
        columns = all_of(*view);
      else if (is_feature(*view, text.substr(colon + 1), one))
        columns.emplace_back(text.substr(colon + 1), text.substr(colon + 1));
      add_view(*view, view->name, on, columns, root_);
    }
  }

  const FeatureView* view_of(const std::string& name, const YamlValue& at) const {
    const auto view = find_view(views_, name);
    if (view) return *view;
    at.error(view.error().message);
    return nullptr;
  }

  static bool is_feature(const FeatureView& view, const std::string& name, const YamlValue& at) {
    if (view.find(name) != nullptr) return true;
    std::vector<std::string> names;
    for (const Feature& feature : view.features) names.push_back(feature.name);
    const std::string nearest = nearest_name(name, names);
    at.error(fmt::format("{} has no feature {}{}", view.name, name,
                         nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    return false;
  }

  static std::vector<std::pair<std::string, std::string>> all_of(const FeatureView& view) {
    std::vector<std::pair<std::string, std::string>> columns;
    for (const Feature& feature : view.features) columns.emplace_back(feature.name, feature.name);
    return columns;
  }

  void add_view(const FeatureView& view, const std::string& name, const std::vector<std::string>& on,
                const std::vector<std::pair<std::string, std::string>>& columns, const YamlMap& at) {
    TrainingFeature& feature = set_.features.emplace_back(feature_of_view(view, on, columns));
    feature.name = name;
    set_.views[view.name] = view.text;
    check_feature(feature, at);
  }

  /// {view: NAME, on: {LABEL_COLUMN: ENTITY}, columns: [feature]}
  void read_view(const std::string& name, const YamlMap& map, const YamlValue& at) {
    std::string text;
    at.read(text);
    const FeatureView* view = view_of(text, at);
    std::vector<std::pair<std::string, std::string>> on, columns;
    if (const auto value = map.find("on")) read_names(*value, on);
    const auto listed = map.find("columns");
    if (listed) read_names(*listed, columns);
    if (view == nullptr) return;
    std::vector<std::string> label_columns;
    for (const auto& entity : view->entities) {
      const auto named = std::ranges::find(on, entity.name, [](const auto& pair) { return pair.second; });
      label_columns.push_back(named == on.end() ? entity.name : named->first);
    }
    for (const auto& [label, entity] : on)
      if (std::ranges::none_of(view->entities, [&](const auto& known) { return known.name == entity; }))
        map.error(fmt::format("on: {} has no entity {}", view->name, entity));
    if (listed)
      std::erase_if(columns, [&](const auto& column) { return !is_feature(*view, column.second, *listed); });
    else
      columns = all_of(*view);
    add_view(*view, name, label_columns, columns, map);
  }

  void read_feature(const std::string& name, const YamlMap& map) {
    if (const auto view = map.find("view")) return read_view(name, map, *view);
    TrainingFeature& feature = set_.features.emplace_back();
    feature.name = name;
    map.required("from", feature.from);
    map.optional("time", feature.time);
    map.optional("known", feature.known);
    if (!feature.known.empty() && feature.time.empty()) map.error("known needs time: since when a row holds");
    read_pairs(map, "on", feature.on, false);
    read_pairs(map, "columns", feature.columns, true);
    check_feature(feature, map);
  }

  void check_feature(const TrainingFeature& feature, const YamlMap& map) {
    if (feature.has_time() && set_.time.empty())
      map.error("has a time, but the labels have none to compare it with: give labels.time");
    for (const auto& [column, expression] : feature.columns) {
      const std::string name = to_lower(column);
      if (std::ranges::count(columns_, name) > 0)
        map.error(
            fmt::format("another feature has a column {}; name one otherwise: {{NAME: {}}}", column, column));
      else if (name.starts_with('_') || name == "split")
        map.error(
            fmt::format("a column cannot be called {}; name it otherwise: {{NAME: {}}}", column, column));
      columns_.push_back(name);
    }
  }

  /// `[a, b]`, a name, or {a: x, b: y}.
  static void read_pairs(const YamlMap& map, std::string_view key,
                         std::vector<std::pair<std::string, std::string>>& pairs, bool expressions) {
    const auto value = map.find(key);
    if (!value) return map.missing(key);
    const bool is_map = value->is_map();
    read_names(*value, pairs);
    for (auto& [name, text] : pairs)
      if (!is_map || !expressions) text = sql_identifier(text);
    if (pairs.empty()) value->error("names no column");
  }

  static void read_names(const YamlValue& value, std::vector<std::pair<std::string, std::string>>& pairs) {
    if (value.is_map()) {
      for (const auto& [name, other] : value.map().entries()) {
        std::string text;
        other.read(text);
        pairs.emplace_back(name, text);
      }
    } else {
      std::vector<std::string> names;
      value.read(names);
      for (const auto& name : names) pairs.emplace_back(name, name);
    }
  }

  void read_split() {
    const auto split = root_.find("split");
    if (!split) return;
    const YamlMap map = split->map();
    map.required("test", set_.test, 0.001, 0.999);
    set_.split_by = set_.time.empty() ? set_.key.empty() ? "" : set_.key.front() : "time";
    map.optional("by", set_.split_by);
    map.optional("seed", set_.seed);
    if (set_.split_by == "time" && set_.time.empty())
      map.error("the labels have no time: split by a column, such as " +
                (set_.key.empty() ? "" : set_.key.front()));
  }

  void read_path() {
    const auto path = root_.find("path");
    if (!path) return;
    path->read(set_.path);
    constexpr std::string_view kOurs[] = {"raw", "curated", "training_sets"};
    const std::string first = set_.path.substr(0, set_.path.find('/'));
    if (!is_lake_path(set_.path) || std::ranges::find(kOurs, first) != std::end(kOurs))
      path->error(
          "takes folders of letters, digits, '_', '-' and '=', such as ratings_ml_training; raw, curated and "
          "training_sets are Millrace's own");
  }

  const YamlMap root_;
  TrainingSet& set_;
  const std::span<const FeatureView> views_;
  std::vector<std::string> columns_;  ///< of features, in small letters
};

}  // namespace

TrainingFeature feature_of_view(const FeatureView& view, const std::vector<std::string>& on,
                                const std::vector<std::pair<std::string, std::string>>& columns) {
  TrainingFeature feature{.name = view.name,
                          .from = view.from,
                          .on = {},
                          .time = view.time,
                          .known = view.known,
                          .columns = columns,
                          .flow = view.flow ? std::make_shared<const FeatureView>(view) : nullptr,
                          .max_age = view.max_age,
                          .with_time = view.max_age > 0};
  for (std::size_t i = 0; i < on.size(); ++i) feature.on.emplace_back(on[i], view.entities[i].column);
  if (view.flow) return feature;
  for (auto& [name, expression] : feature.columns) {
    const Feature& one = *view.find(expression);
    expression = fmt::format("CAST(({}) AS {})", one.expression, feature_type_sql(one.type));
  }
  return feature;
}

Result<TrainingSet> parse_training_set(std::string_view text, const Path& path,
                                       std::span<const FeatureView> views) {
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text, path));
  TrainingSet set;
  set.name = path.stem().string();
  set.text = text;
  if (!is_snake_case(set.name, kSetNameMax))
    yaml.root().error(
        fmt::format("the file's name is the set's: small letters, digits and '_', not '{}'", set.name));
  SetReader(yaml.root(), set, views).read();
  MILLRACE_TRY(yaml.finish());
  return set;
}

Result<TrainingSet> find_training_set(ProjectTrainingSets project, std::string_view name) {
  std::vector<std::string> names;
  for (TrainingSet& set : project.sets) {
    if (set.name == name) return std::move(set);
    names.push_back(set.name);
  }
  for (auto& [broken, problem] : project.problems) {
    if (broken == name) return fail(std::move(problem));
    names.push_back(broken);
  }
  const std::string nearest = nearest_name(name, names);
  return fail(Code::kNotFound, fmt::format("the project has no training_sets/{}.yaml{}", name,
                                           nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

}  // namespace millrace
