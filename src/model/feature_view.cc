#include "model/feature_view.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/yaml.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

constexpr std::size_t kNameMax = 60;
constexpr std::size_t kFeaturesMax = 200;
constexpr std::size_t kEntitiesMax = 4;
constexpr DurationUs kWindowMax = 366 * kDayUs;
constexpr DurationUs kRefreshDefault = kMinuteUs;
constexpr std::array kSlices = {kDayUs, kHourUs, 10 * kMinuteUs, kMinuteUs, 10 * kSecondUs, kSecondUs};
constexpr DurationUs kSlicesMin = 24;
/// What addresses of HTTP and the response mean by themselves.
constexpr std::array<std::string_view, 2> kTaken = {"online", "parity"};

constexpr const char* kNameRule = "small letters, digits and '_', a letter first, at most 60";
constexpr const char* kValueRule =
    "is count, sum(COLUMN), min(COLUMN), max(COLUMN), last(COLUMN) or distinct(COLUMN)";

constexpr std::array<std::pair<std::string_view, FlowMeasure>, 6> kMeasures = {
    {{"count", FlowMeasure::kCount},
     {"sum", FlowMeasure::kSum},
     {"min", FlowMeasure::kMin},
     {"max", FlowMeasure::kMax},
     {"last", FlowMeasure::kLast},
     {"distinct", FlowMeasure::kDistinct}}};

/// Reads one file; every mistake is noted where it stands.
class Reader {
 public:
  Reader(const YamlMap& root, FeatureView& view) : root_(root), view_(view) {}

  void read() {
    root_.required("owner", view_.owner);
    root_.required("description", view_.description);
    root_.optional_duration("max_age", view_.max_age, kSecondUs);
    read_source();
    read_entities();
    const YamlMap features = root_.map("features");
    for (const auto& [name, value] : features.entries()) read_feature(name, value);
    if (view_.features.empty()) root_.error("name at least one feature under features");
    if (view_.features.size() > kFeaturesMax)
      root_.error(fmt::format("has {} features; {} are the most", view_.features.size(), kFeaturesMax));
    find_horizon();
  }

 private:
  void read_source() {
    const bool table = root_.optional("from", view_.from);
    FlowTable flow = FlowTable::kEvents;
    if (root_.optional_choice("flow", flow,
                              {{"events", FlowTable::kEvents},
                               {"item_interactions", FlowTable::kItemInteractions},
                               {"order_lines", FlowTable::kOrderLines}}))
      view_.flow = flow;
    if (table == view_.flow.has_value())
      root_.error(
          "give either from: a table or SELECT, or flow: events, item_interactions or order_lines, whose "
          "rows "
          "are followed as they come");
    if (view_.flow) return;
    root_.optional("time", view_.time);
    root_.optional("known", view_.known);
    if (!view_.known.empty() && view_.time.empty()) root_.error("known needs time: since when a row holds");
    if (view_.max_age > 0 && view_.time.empty()) root_.error("max_age needs time: since when a row holds");
    view_.refresh = kRefreshDefault;
    root_.optional_duration("refresh", view_.refresh, kSecondUs, kDayUs);
  }

  /// `visitor`, [visitor, item_id], or {customer_id: user_id}: its name, and the column of the source.
  void read_entities() {
    const auto value = root_.find("entity");
    if (!value) return root_.missing("entity");
    if (value->is_map()) {
      for (const auto& [name, column] : value->map().entries()) {
        std::string text;
        column.read(text);
        add_entity(name, text, column);
      }
    } else {
      std::vector<std::string> names;
      value->read(names);
      for (const std::string& name : names) add_entity(name, name, *value);
    }
    if (view_.entities.empty() || view_.entities.size() > kEntitiesMax)
      value->error(fmt::format("takes 1 to {} columns", kEntitiesMax));
  }

  void add_entity(const std::string& name, const std::string& column, const YamlValue& at) {
    FeatureView::Entity& entity = view_.entities.emplace_back();
    entity.name = name;
    entity.column = sql_identifier(column);
    if (view_.flow) entity.flow = column_of(column, at);
    if (entity.flow != nullptr && entity.flow->type != FeatureType::kVarchar)
      at.error(fmt::format("{} is no text: entities of the flow are known by text", column));
  }

  const FlowColumn* column_of(const std::string& name, const YamlValue& at) {
    const FlowColumn* column = find_flow_column(*view_.flow, name);
    if (column != nullptr) return column;
    const auto names = flow_column_names(*view_.flow);
    const std::string nearest = nearest_name(name, names);
    at.error(fmt::format("{} has no column {} to follow{}", flow_table_name(*view_.flow), name,
                         nearest.empty() ? fmt::format("; it has {}", fmt::join(names, ", "))
                                         : "; did you mean " + nearest + "?"));
    return nullptr;
  }

  void read_feature(const std::string& name, const YamlValue& value) {
    if (!is_snake_case(name, kNameMax))
      value.error(fmt::format("a feature's name is of {}, not '{}'", kNameRule, name));
    if (view_.find(name) != nullptr || is_entity(name))
      value.error(fmt::format("there is a feature or entity {} already", name));
    const YamlMap map = value.map();
    Feature& feature = view_.features.emplace_back();
    feature.name = name;
    map.required("description", feature.description);
    if (view_.flow) return read_flow(map, feature);
    feature.expression = sql_identifier(name);
    map.optional("value", feature.expression);
    const auto type = map.find("type");
    if (!type) return map.missing("type");
    type->read_choice(feature.type, {{"BIGINT", FeatureType::kBigint},
                                     {"DOUBLE", FeatureType::kDouble},
                                     {"DECIMAL", FeatureType::kDecimal},
                                     {"BOOLEAN", FeatureType::kBoolean},
                                     {"VARCHAR", FeatureType::kVarchar},
                                     {"TIMESTAMP", FeatureType::kTimestamp}});
  }

  bool is_entity(std::string_view name) const {
    return std::ranges::any_of(view_.entities, [&](const auto& entity) { return entity.name == name; });
  }

  void read_flow(const YamlMap& map, Feature& feature) {
    if (const auto value = map.find("value"))
      read_measure(*value, feature);
    else
      map.missing("value");
    for (const auto& [name, value] : map.map("where").entries()) {
      FlowCondition condition{column_of(name, value), {}};
      value.read(condition.values);
      if (condition.values.empty()) value.error("names no value, so no row would count");
      if (condition.column == nullptr) continue;
      if (condition.column->type != FeatureType::kVarchar) value.error(name + " is no text to compare with");
      feature.flow.where.push_back(std::move(condition));
    }
    if (!map.optional_duration("window", feature.flow.window, kSecondUs, kWindowMax)) return;
    if (const auto slice = slice_of(feature.flow.window))
      feature.flow.slice = *slice;
    else
      map.error(
          "a window is made of 24 slices or more, of 1s, 10s, 1m, 10m, 1h or 1d: take 1m, 15m, 1h, 7d …");
  }

  void read_measure(const YamlValue& value, Feature& feature) {
    std::string text;
    value.read(text);
    const auto open = text.find('(');
    const auto measure = std::ranges::find(kMeasures, std::string_view(text).substr(0, open),
                                           [](const auto& known) { return known.first; });
    if (measure == kMeasures.end() || (open == text.npos) != (text == "count") ||
        (open != text.npos && text.back() != ')'))
      return value.error(fmt::format("{}, not '{}'", kValueRule, text));
    feature.flow.measure = measure->second;
    if (open == text.npos) return;
    const std::string name = text.substr(open + 1, text.size() - open - 2);
    feature.flow.column = column_of(name, value);
    if (feature.flow.column == nullptr) return;
    const FeatureType type = feature.flow.column->type;
    if (measure->second == FlowMeasure::kSum && type != FeatureType::kDecimal && type != FeatureType::kDouble)
      value.error(name + " is no number");
    if (measure->second == FlowMeasure::kDistinct && type != FeatureType::kVarchar)
      value.error(name + " is no text: different values are counted of text");
    feature.type = type_of(measure->second, type);
  }

  static FeatureType type_of(FlowMeasure measure, FeatureType column) {
    if (measure == FlowMeasure::kCount || measure == FlowMeasure::kDistinct) return FeatureType::kBigint;
    return measure == FlowMeasure::kSum ? FeatureType::kDecimal : column;
  }

  void find_horizon() {
    if (!view_.flow) return;
    for (const Feature& feature : view_.features) {
      if (feature.flow.window == 0) {
        view_.horizon = view_.horizon_slice = 0;
        return;
      }
      if (feature.flow.window < view_.horizon) continue;
      view_.horizon = feature.flow.window;
      view_.horizon_slice = feature.flow.slice;
    }
  }

  const YamlMap root_;
  FeatureView& view_;
};

}  // namespace

std::optional<DurationUs> slice_of(DurationUs window) {
  for (const DurationUs slice : kSlices)
    if (window % slice == 0 && window / slice >= kSlicesMin) return slice;
  return std::nullopt;
}

std::string flow_text(const FlowAggregate& flow) {
  const auto measure =
      std::ranges::find(kMeasures, flow.measure, [](const auto& known) { return known.second; });
  std::string out(measure->first);
  if (flow.column != nullptr) out += fmt::format("({})", flow.column->name);
  for (std::size_t i = 0; i < flow.where.size(); ++i)
    out += fmt::format("{} {} in [{}]", i == 0 ? " where" : " and", flow.where[i].column->name,
                       fmt::join(flow.where[i].values, ", "));
  return out;
}

const Feature* FeatureView::find(std::string_view feature) const {
  const auto found = std::ranges::find(features, feature, &Feature::name);
  return found == features.end() ? nullptr : &*found;
}

Result<FeatureView> parse_feature_view(std::string_view text, const Path& path) {
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text, path));
  FeatureView view;
  view.name = path.stem().string();
  view.path = path.string();
  view.text = text;
  if (!is_snake_case(view.name, kNameMax) || std::ranges::find(kTaken, view.name) != kTaken.end())
    yaml.root().error(fmt::format("the file's name is the view's: {}, not '{}'", kNameRule, view.name));
  Reader(yaml.root(), view).read();
  MILLRACE_TRY(yaml.finish());
  return view;
}

Result<const FeatureView*> find_view(std::span<const FeatureView> views, std::string_view name) {
  std::vector<std::string> names;
  for (const FeatureView& view : views) {
    if (view.name == name) return &view;
    names.push_back(view.name);
  }
  const std::string nearest = nearest_name(name, names);
  return fail(Code::kNotFound,
              nearest.empty()
                  ? fmt::format("the project has no features/{}.yaml; it has {}", name,
                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")))
                  : fmt::format("the project has no features/{}.yaml; did you mean {}?", name, nearest));
}

}  // namespace millrace
