#include "warehouse/aggregation.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "base/text.h"
#include "log/topics.h"
#include "warehouse/space_saving.h"

namespace millrace {
namespace {

constexpr DurationUs kWindowMax = 366 * kDayUs;
constexpr DurationUs kPanesMax = 1000;  ///< of a sliding window
constexpr std::size_t kNameMax = 60;

/// Columns that every aggregation may have besides those it names.
constexpr std::array<std::string_view, 7> kOwnColumns = {
    "window_start", "window_end", "visit_id", "start_time", "end_time", "final", "tier"};

constexpr const char* kNameRule = "a name is of lower-case letters, digits and _, at most 60, a letter first";

struct KindName {
  std::string_view name;
  Measure::Kind kind;
};
constexpr std::array kKinds = {
    KindName{"count", Measure::Kind::kCount}, KindName{"sum", Measure::Kind::kSum},
    KindName{"min", Measure::Kind::kMin},     KindName{"max", Measure::Kind::kMax},
    KindName{"first", Measure::Kind::kFirst}, KindName{"distinct", Measure::Kind::kDistinct},
    KindName{"top", Measure::Kind::kTop}};

constexpr const char* kMeasureRule =
    "a measure is count, count(CONDITION), sum(X), min(X), max(X), first(X), distinct(X) or top(X, K)";

std::string_view trim(std::string_view text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

/// Take ", K" off the end of the arguments of top.
Status take_k(Measure& measure) {
  const auto comma = measure.expression.rfind(',');
  const auto number = comma == std::string::npos
                          ? std::string_view()
                          : trim(std::string_view(measure.expression).substr(comma + 1));
  const bool digits = !number.empty() && number.size() <= 4 &&
                      std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
  const auto k = digits ? std::stoul(std::string(number)) : 0;
  if (k < 1 || k > SpaceSaving::kTopMax) {
    return fail(Code::kInvalid,
                fmt::format("top takes an expression and how many, from 1 to {}: top(page_path, 10)",
                            SpaceSaving::kTopMax));
  }
  measure.k = static_cast<std::uint32_t>(k);
  measure.expression = trim(measure.expression.substr(0, comma));
  return {};
}

/// Read "sum(amount)".
Result<Measure> parse_measure(std::string_view text) {
  text = trim(text);
  Measure measure;
  const auto open = text.find('(');
  const auto word = trim(text.substr(0, open));
  const auto kind = std::ranges::find(kKinds, word, &KindName::name);
  if (kind == kKinds.end()) return fail(Code::kInvalid, kMeasureRule);
  measure.kind = kind->kind;
  if (open == std::string_view::npos) {
    if (measure.kind != Measure::Kind::kCount) return fail(Code::kInvalid, kMeasureRule);
    return measure;
  }
  if (text.back() != ')') return fail(Code::kInvalid, kMeasureRule);
  measure.expression = trim(text.substr(open + 1, text.size() - open - 2));
  if (measure.expression == "*" && measure.kind == Measure::Kind::kCount) measure.expression.clear();
  if (measure.expression.empty() && measure.kind != Measure::Kind::kCount)
    return fail(Code::kInvalid, kMeasureRule);
  if (measure.kind == Measure::Kind::kTop) MILLRACE_TRY(take_k(measure));
  return measure;
}

}  // namespace

Result<AggregationSource> AggregationSource::parse(const AggregationFile& file) {
  MILLRACE_ASSIGN(auto yaml, YamlDocument::parse(file.text, file.path));
  AggregationSource source(std::move(yaml));
  source.aggregation_.name = file.path.stem().string();
  if (file.path.extension() == ".yml") source.yaml_.root().error("is called .yml: rename it to .yaml");
  source.read();
  return source;
}

void AggregationSource::read() {
  const auto root = yaml_.root();
  if (!is_snake_case(aggregation_.name, kNameMax)) {
    root.error(fmt::format("the file's name is the table's: {}, not '{}'", kNameRule, aggregation_.name));
  }
  root.required("from", aggregation_.from);
  root.optional("filter", aggregation_.filter);
  aggregation_.filter = trim(aggregation_.filter);
  read_window();
  read_keys();
  read_measures();
  DurationUs lateness = 0;
  if (root.optional_duration("lateness", lateness, 0, kWindowMax)) {
    aggregation_.lateness = lateness;
    if (aggregation_.window.kind == AggregationWindow::Kind::kVisit)
      error_at("lateness", "a visit has no end to be late for: leave lateness out");
  }
  read_publish();
  if (columns_.size() > kColumnsMax) {
    root.error(fmt::format("has {} keys and measures; {} are the most", columns_.size(), kColumnsMax));
  }
}

/// `1m`, `visit`, {fixed: 1d, offset: 5h} or {sliding: 1h, every: 5m}.
void AggregationSource::read_window() {
  auto& window = aggregation_.window;
  const auto value = yaml_.root().find("window");
  if (!value) return yaml_.root().missing("window");
  if (!value->is_map()) {
    std::string text;
    if (value->is_text()) value->read(text);
    if (text == "visit")
      window.kind = AggregationWindow::Kind::kVisit;
    else
      value->read_duration(window.size, kSecondUs, kWindowMax);
    window.period = window.size;
    return;
  }
  const auto map = value->map();
  const bool fixed = map.optional_duration("fixed", window.size, kSecondUs, kWindowMax);
  const bool sliding = map.optional_duration("sliding", window.size, kSecondUs, kWindowMax);
  if (fixed == sliding) map.error("give either fixed: SIZE, or sliding: SIZE with every: PERIOD");
  window.period = window.size;
  if (sliding) {
    window.kind = AggregationWindow::Kind::kSliding;
    if (!map.optional_duration("every", window.period, kSecondUs, kWindowMax)) map.missing("every");
    if (window.period > 0 && (window.size % window.period != 0 || window.size / window.period > kPanesMax))
      map.error(fmt::format("a sliding window's size is 1 to {} times its period", kPanesMax));
  }
  map.optional_duration("offset", window.offset, 0, kWindowMax);
}

bool AggregationSource::take_column_name(const std::string& name, const YamlValue& at) {
  const auto known = [&](const auto& column) { return column.first == name; };
  if (!is_snake_case(name, kNameMax)) {
    at.error(fmt::format("{}, not '{}'", kNameRule, name));
  } else if (std::ranges::find(kOwnColumns, name) != kOwnColumns.end()) {
    at.error(fmt::format("{} is a column that aggregations have by themselves: choose another name", name));
  } else if (std::ranges::any_of(columns_, known)) {
    at.error(fmt::format("there is a key {} already", name));
  } else {
    columns_.emplace_back(name, at);
    return true;
  }
  return false;
}

void AggregationSource::read_keys() {
  for (const auto& [name, value] : yaml_.root().map("keys").entries()) {
    std::string expression;
    value.read(expression);
    if (take_column_name(name, value)) aggregation_.keys.push_back({name, std::string(trim(expression))});
  }
}

void AggregationSource::read_measures() {
  const auto root = yaml_.root();
  if (!root.find("measures")) return root.missing("measures");
  for (const auto& [name, value] : root.map("measures").entries()) {
    std::string text;
    value.read(text);
    auto measure = parse_measure(text);
    if (!measure) {
      value.error(measure.error().message);
    } else if (take_column_name(name, value)) {
      measure->name = name;
      aggregation_.measures.push_back(*std::move(measure));
    }
  }
  if (root.map("measures").entries().empty())
    error_at("measures", "name at least one measure, such as views: count");
}

void AggregationSource::read_publish() {
  auto& topic = aggregation_.publish;
  if (!yaml_.root().optional("publish", topic)) return;
  if (!is_log_name(topic)) {
    error_at("publish", "takes the name of a topic: letters, digits, '.', '_' and '-', at most 128");
  } else if (is_reserved_topic(topic)) {
    error_at("publish", topic + " is Millrace's own: publish to a topic of your own");
  } else if (aggregation_.window.kind == AggregationWindow::Kind::kVisit) {
    error_at("publish",
             "visits cannot be published, since a visit has no end that is known: take a window "
             "of a fixed size, such as 1m");
  }
}

void AggregationSource::error_at(std::string_view key, std::string message) const {
  if (const auto value = yaml_.root().find(key)) return value->error(std::move(message));
  yaml_.root().error(std::move(message));
}

void AggregationSource::error_in_column(std::string_view column, std::string message) const {
  for (const auto& [name, value] : columns_) {
    if (name == column) return value.error(std::move(message));
  }
  yaml_.root().error(std::move(message));
}

}  // namespace millrace
