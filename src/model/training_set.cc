#include "model/training_set.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/yaml.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

constexpr std::size_t kNameMax = 64;

bool is_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kNameMax && name.front() >= 'a' && std::ranges::all_of(name, fits);
}

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
class Reader {
 public:
  Reader(const YamlMap& root, TrainingSet& set) : root_(root), set_(set) {}

  void read() {
    root_.optional("description", set_.description);
    read_labels();
    for (const auto& [name, value] : root_.map("features").entries()) read_feature(name, value.map());
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

  void read_feature(const std::string& name, const YamlMap& map) {
    TrainingFeature& feature = set_.features.emplace_back();
    feature.name = name;
    map.required("from", feature.from);
    map.optional("time", feature.time);
    map.optional("known", feature.known);
    if (!feature.known.empty() && feature.time.empty()) map.error("known needs time: since when a row holds");
    if (!feature.time.empty() && set_.time.empty())
      map.error("has a time, but the labels have none to compare it with: give labels.time");
    read_pairs(map, "on", feature.on, false);
    read_pairs(map, "columns", feature.columns, true);
    for (const auto& [column, expression] : feature.columns)
      if (std::ranges::count(columns_, column) > 0)
        map.error(
            fmt::format("another feature has a column {}; name one otherwise: {{NAME: {}}}", column, column));
      else
        columns_.push_back(column);
  }

  /// `[a, b]`, a name, or {a: x, b: y}.
  static void read_pairs(const YamlMap& map, std::string_view key,
                         std::vector<std::pair<std::string, std::string>>& pairs, bool expressions) {
    const auto value = map.find(key);
    if (!value) return map.missing(key);
    if (value->is_map()) {
      for (const auto& [name, other] : value->map().entries()) {
        std::string text;
        other.read(text);
        pairs.emplace_back(name, expressions ? text : sql_identifier(text));
      }
    } else {
      std::vector<std::string> names;
      value->read(names);
      for (const auto& name : names) pairs.emplace_back(name, sql_identifier(name));
    }
    if (pairs.empty()) value->error("names no column");
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
  std::vector<std::string> columns_;
};

}  // namespace

Result<TrainingSet> parse_training_set(std::string_view text, const Path& path) {
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text, path));
  TrainingSet set;
  set.name = path.stem().string();
  set.text = text;
  if (!is_name(set.name))
    yaml.root().error(
        fmt::format("the file's name is the set's: small letters, digits and '_', not '{}'", set.name));
  Reader(yaml.root(), set).read();
  MILLRACE_TRY(yaml.finish());
  return set;
}

}  // namespace millrace
