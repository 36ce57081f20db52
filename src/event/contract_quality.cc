#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "event/contract_reader.h"

namespace millrace {
namespace {

using Metric = QualityRule::Metric;

constexpr std::array<std::string_view, 7> kMetricNames = {
    "nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount", "freshness", "sql"};

constexpr std::pair<std::string_view, RuleOperator::Kind> kOperators[] = {
    {"mustBe", RuleOperator::Kind::kBe},
    {"mustNotBe", RuleOperator::Kind::kNotBe},
    {"mustBeGreaterThan", RuleOperator::Kind::kGreater},
    {"mustBeGreaterOrEqualTo", RuleOperator::Kind::kGreaterOrEqual},
    {"mustBeLessThan", RuleOperator::Kind::kLess},
    {"mustBeLessOrEqualTo", RuleOperator::Kind::kLessOrEqual},
    {"mustBeBetween", RuleOperator::Kind::kBetween},
    {"mustNotBeBetween", RuleOperator::Kind::kNotBetween}};

/// Reads one entry of `quality`.
class RuleReader {
 public:
  RuleReader(const YamlMap& map, const ContractProperty* property) : map_(map), property_(property) {}

  /// Return nothing for entries that no machine judges, and for those with mistakes.
  std::optional<QualityRule> read() {
    contract::pass_over(map_, {"authoritativeDefinitions", "businessImpact", "customProperties", "method",
                               "schedule", "scheduler", "tags", "name", "id", "description", "type", "rule"});
    rule_.where = map_.where();
    map_.optional("description", rule_.description);
    map_.optional("dimension", rule_.dimension);
    if (!map_.optional("id", rule_.name)) map_.optional("name", rule_.name);
    read_severity();
    std::string type = "library";
    map_.optional("type", type);
    if (type == "text" || type == "custom") {
      contract::pass_over(map_, {"engine", "implementation"});
      return std::nullopt;
    }
    if (type != "library" && type != "sql")
      map_.error(fmt::format("the type of a rule is library, sql, text or custom, not '{}'", type));
    if (type == "sql")
      read_sql();
    else
      read_metric();
    read_unit();
    read_operator();
    return std::move(rule_);
  }

 private:
  void read_severity() {
    if (const auto value = map_.find("severity"))
      value->read_choice(rule_.severity, {{"stop", RuleSeverity::kStop},
                                          {"error", RuleSeverity::kStop},
                                          {"critical", RuleSeverity::kStop},
                                          {"high", RuleSeverity::kStop},
                                          {"warn", RuleSeverity::kWarn},
                                          {"warning", RuleSeverity::kWarn},
                                          {"medium", RuleSeverity::kWarn},
                                          {"low", RuleSeverity::kWarn},
                                          {"info", RuleSeverity::kWarn}});
  }

  void read_sql() {
    rule_.metric = Metric::kSql;
    map_.required("query", rule_.query);
    if (property_ == nullptr && rule_.query.find("{property}") != std::string::npos)
      map_.error("says {property}, but is a rule of the whole object");
  }

  void read_metric() {
    const auto value = map_.find("metric");
    if (!value) return map_.missing("metric");
    value->read_choice(rule_.metric, {{"nullValues", Metric::kNullValues},
                                      {"missingValues", Metric::kMissingValues},
                                      {"invalidValues", Metric::kInvalidValues},
                                      {"duplicateValues", Metric::kDuplicateValues},
                                      {"rowCount", Metric::kRowCount}});
    read_arguments();
    const bool of_object = rule_.metric == Metric::kRowCount;
    const bool of_both = rule_.metric == Metric::kDuplicateValues;
    if (property_ != nullptr && of_object) value->error("is a metric of a whole object, not of a property");
    if (property_ == nullptr && !of_object && !of_both)
      value->error("is a metric of a property, not of a whole object");
    if (property_ == nullptr && of_both && rule_.properties.empty())
      map_.error("needs arguments.properties: the columns that are unique together");
  }

  void read_arguments() {
    const auto given = map_.find("arguments");
    if (rule_.metric == Metric::kInvalidValues && !given)
      return map_.error("needs arguments: validValues, or a pattern");
    if (!given) return;
    const YamlMap arguments = given->map();
    if (rule_.metric == Metric::kInvalidValues) read_valid(arguments);
    if (rule_.metric == Metric::kMissingValues) read_missing(arguments);
    if (rule_.metric == Metric::kDuplicateValues) arguments.optional("properties", rule_.properties);
  }

  void read_valid(const YamlMap& arguments) {
    const bool has_values = arguments.optional("validValues", rule_.valid_values);
    if (has_values && rule_.valid_values.empty())
      arguments.error("contradicts itself: validValues is empty, so no value can fit");
    std::set<std::string_view> seen;
    for (const std::string& value : rule_.valid_values)
      if (!seen.insert(value).second) arguments.error(fmt::format("validValues has '{}' twice", value));
    if (const auto pattern = arguments.find("pattern")) {
      pattern->read(rule_.pattern);
      contract::check_pattern(*pattern, rule_.pattern);
    } else if (!has_values) {
      arguments.error("needs validValues, or a pattern");
    }
  }

  void read_missing(const YamlMap& arguments) {
    for (const YamlValue& value : arguments.list("missingValues")) {
      if (!value.is_text()) {
        rule_.null_is_missing = true;  // YAML's null
        continue;
      }
      value.read(rule_.missing_values.emplace_back());
    }
  }

  void read_unit() {
    if (const auto value = map_.find("unit"))
      value->read_choice(rule_.percent, {{"rows", false}, {"percent", true}});
    if (rule_.percent && rule_.metric == Metric::kRowCount) map_.error("a row count has no percents");
  }

  void read_operator() {
    int given = 0;
    for (const auto& [word, kind] : kOperators) {
      const auto value = map_.find(word);
      if (!value) continue;
      ++given;
      rule_.must.kind = kind;
      const bool two = kind == RuleOperator::Kind::kBetween || kind == RuleOperator::Kind::kNotBetween;
      if (two) {
        read_range(*value);
      } else {
        value->read(rule_.must.first);
      }
    }
    if (given == 0) map_.error("says no figure: give mustBe, mustBeLessThan, …");
    if (given > 1) map_.error("gives more than one of mustBe, mustBeLessThan, …: make two rules of it");
    if (given == 1) check_reach();
  }

  void read_range(const YamlValue& value) {
    const auto numbers = value.list();
    if (numbers.size() != 2) return value.error("takes two numbers, [1, 10]");
    numbers[0].read(rule_.must.first);
    numbers[1].read(rule_.must.second);
    if (rule_.must.first >= rule_.must.second)
      value.error(fmt::format("contradicts itself: nothing lies between {} and {}", rule_.must.first,
                              rule_.must.second));
  }

  /// A count is not negative, and percents end at 100.
  void check_reach() {
    if (rule_.metric == Metric::kSql) return;
    using Kind = RuleOperator::Kind;
    const auto& must = rule_.must;
    const double top = rule_.percent ? 100 : 1e18;
    const bool below = (must.kind == Kind::kLess && must.first <= 0) ||
                       (must.kind == Kind::kLessOrEqual && must.first < 0) ||
                       (must.kind == Kind::kBetween && must.second <= 0) ||
                       (must.kind == Kind::kBe && must.first < 0);
    const bool above = (must.kind == Kind::kGreater && must.first >= top) ||
                       (must.kind == Kind::kGreaterOrEqual && must.first > top) ||
                       (must.kind == Kind::kBetween && must.first >= top) ||
                       (must.kind == Kind::kBe && must.first > top);
    if (below || above)
      map_.error(fmt::format("contradicts itself: {}, which no {} can be", must.text(),
                             rule_.percent ? "percentage" : "count"));
  }

  const YamlMap map_;
  const ContractProperty* const property_;
  QualityRule rule_;
};

}  // namespace

std::string_view rule_metric_name(Metric metric) {
  return kMetricNames[static_cast<std::size_t>(metric)];
}

bool RuleOperator::holds(double figure) const {
  switch (kind) {
    case Kind::kBe:
      return figure == first;
    case Kind::kNotBe:
      return figure != first;
    case Kind::kGreater:
      return figure > first;
    case Kind::kGreaterOrEqual:
      return figure >= first;
    case Kind::kLess:
      return figure < first;
    case Kind::kLessOrEqual:
      return figure <= first;
    case Kind::kBetween:  // the standard: greater than the one and less than the other
      return figure > first && figure < second;
    case Kind::kNotBetween:
      return figure <= first || figure >= second;
  }
  return false;
}

std::string RuleOperator::text() const {
  switch (kind) {
    case Kind::kBe:
      return fmt::format("must be {}", first);
    case Kind::kNotBe:
      return fmt::format("must not be {}", first);
    case Kind::kGreater:
      return fmt::format("must be greater than {}", first);
    case Kind::kGreaterOrEqual:
      return fmt::format("must be {} or more", first);
    case Kind::kLess:
      return fmt::format("must be less than {}", first);
    case Kind::kLessOrEqual:
      return fmt::format("must be {} or less", first);
    case Kind::kBetween:
      return fmt::format("must be between {} and {}", first, second);
    case Kind::kNotBetween:
      return fmt::format("must not be between {} and {}", first, second);
  }
  return "";
}

void contract::read_quality(const YamlMap& map, const ContractProperty* property,
                            std::vector<QualityRule>& rules) {
  std::set<std::string> names;
  for (const YamlValue& value : map.list("quality")) {
    const YamlMap entry = value.map();
    auto rule = RuleReader(entry, property).read();
    if (!rule) continue;
    if (rule->name.empty()) {
      std::string name(rule_metric_name(rule->metric));
      if (property != nullptr) name += ":" + property->name;
      rule->name = name;
      for (int number = 2; names.contains(rule->name); ++number)
        rule->name = fmt::format("{}#{}", name, number);
    }
    if (!names.insert(rule->name).second)
      entry.error(fmt::format("two rules here are called '{}'", rule->name));
    rules.push_back(*std::move(rule));
  }
}

}  // namespace millrace
