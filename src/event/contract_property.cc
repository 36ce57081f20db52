#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <re2/re2.h>

#include "event/contract_reader.h"
#include "event/contract_value.h"

namespace millrace::contract {
namespace {

bool is_time_type(LogicalType type) {
  return type == LogicalType::kDate || type == LogicalType::kTimestamp;
}

bool is_number_type(LogicalType type) {
  return type == LogicalType::kNumber || type == LogicalType::kInteger;
}

/// Reads the options of one property.
class OptionReader {
 public:
  OptionReader(const YamlMap& map, ContractProperty& property) : map_(map), property_(property) {}

  void read() {
    auto& options = property_.options;
    bound("minimum", false, options.minimum);
    bound("exclusiveMinimum", true, options.minimum);
    bound("maximum", false, options.maximum);
    bound("exclusiveMaximum", true, options.maximum);
    multiple();
    count("minLength", LogicalType::kString, options.min_length);
    count("maxLength", LogicalType::kString, options.max_length);
    count("minItems", LogicalType::kArray, options.min_items);
    count("maxItems", LogicalType::kArray, options.max_items);
    count("minProperties", LogicalType::kObject, options.min_properties);
    count("maxProperties", LogicalType::kObject, options.max_properties);
    if (const auto value = option("uniqueItems", LogicalType::kArray)) value->read(options.unique_items);
    if (const auto value = option("pattern", LogicalType::kString)) {
      value->read(options.pattern);
      check_pattern(*value, options.pattern);
    }
    map_.optional("format", options.format);
    if (property_.type == LogicalType::kInteger) integer_format();
    const bool is_iso = options.format.empty() || options.format.starts_with("yyyy-MM-dd");
    if (is_time_type(property_.type) && !is_iso && (options.minimum || options.maximum))
      map_.error(fmt::format("bounds of dates and times need the format yyyy-MM-dd…, and '{}' has {}",
                             property_.name, options.format));
    pass_over(map_, {"timezone", "defaultTimezone"});
    if (property_.type == LogicalType::kObject) pass_over(map_, {"required"});
    ordered("minimum", "maximum", options.minimum, options.maximum);
    ordered("minLength", "maxLength", options.min_length, options.max_length);
    ordered("minItems", "maxItems", options.min_items, options.max_items);
    ordered("minProperties", "maxProperties", options.min_properties, options.max_properties);
  }

 private:
  std::optional<YamlValue> option(std::string_view key, LogicalType type) const {
    const auto value = map_.find(key);
    if (!value || property_.type == type) return value;
    value->error(fmt::format("{} is an option of logicalType {}, and '{}' is of {}", key,
                             logical_type_name(type), property_.name, logical_type_name(property_.type)));
    return std::nullopt;
  }

  void count(std::string_view key, LogicalType type, std::optional<std::uint64_t>& into) const {
    const auto value = option(key, type);
    if (!value) return;
    std::uint64_t number = 0;
    value->read(number, std::uint64_t{0}, std::uint64_t{1} << 40);
    into = number;
  }

  void bound(std::string_view key, bool exclusive, std::optional<ValueBound>& into) const {
    const auto value = map_.find(key);
    if (!value) return;
    ValueBound read{.exclusive = exclusive};
    if (is_number_type(property_.type)) {
      value->read(read.value);
      value->read(read.text);
    } else if (is_time_type(property_.type)) {
      value->read(read.text);
      const auto time = parse_time(read.text);
      if (!time) return value->error(time.error().message);
      read.value = static_cast<double>(*time);
    } else {
      return value->error(
          fmt::format("{} is an option of numbers, dates and timestamps, and '{}' is of logicalType {}", key,
                      property_.name, logical_type_name(property_.type)));
    }
    if (into)
      value->error(
          fmt::format("give either minimum or exclusiveMinimum, maximum or exclusiveMaximum; not both"));
    into = std::move(read);
  }

  void multiple() const {
    const auto value = map_.find("multipleOf");
    if (!value) return;
    std::string text;
    value->read(text);
    const auto number = Decimal::parse(text);
    if (!is_number_type(property_.type)) return value->error("multipleOf is an option of numbers");
    if (!number || number->units() <= 0)
      return value->error("multipleOf takes a number above 0 with four decimals at the most");
    property_.options.multiple_of = *number;
  }

  /// i8 … i64, u8 … u64: bounds that a format gives, where none are given.
  void integer_format() const {
    const std::string& format = property_.options.format;
    int bits = 0;
    if (format.size() < 2 || (format[0] != 'i' && format[0] != 'u')) return;
    const auto [end, problem] = std::from_chars(format.data() + 1, format.data() + format.size(), bits);
    if (problem != std::errc() || end != format.data() + format.size() || bits < 8 || bits > 64) return;
    const bool is_signed = format[0] == 'i';
    // Beyond 53 bits a double is too coarse to tell the last number that fits from the first that does not.
    const int exponent = is_signed ? bits - 1 : bits;
    const double top = std::ldexp(1.0, exponent) - (exponent > 53 ? 0 : 1);
    auto& options = property_.options;
    if (!options.maximum) options.maximum = {top, fmt::format("{:.0f}", top), false};
    if (!options.minimum) {
      const double bottom = is_signed ? -std::ldexp(1.0, bits - 1) : 0;
      options.minimum = {bottom, fmt::format("{:.0f}", bottom), false};
    }
  }

  template <class T>
  void ordered(std::string_view low, std::string_view high, const std::optional<T>& least,
               const std::optional<T>& most) const {
    if (!least || !most) return;
    bool holds = false;
    std::string texts;
    if constexpr (std::is_same_v<T, ValueBound>) {
      holds = least->exclusive || most->exclusive ? least->value < most->value : least->value <= most->value;
      texts = fmt::format("{} {} is above {} {}", low, least->text, high, most->text);
    } else {
      holds = *least <= *most;
      texts = fmt::format("{} {} is above {} {}", low, *least, high, *most);
    }
    if (!holds)
      map_.error(fmt::format("contradicts itself: {}, so no value of '{}' can fit", texts, property_.name));
  }

  const YamlMap map_;
  ContractProperty& property_;
};

}  // namespace

void check_pattern(const YamlValue& value, const std::string& pattern) {
  const auto compiled = compile_pattern(pattern);
  if (!compiled->ok())
    value.error(
        fmt::format("'{}' is no regular expression that can be used: {} (RE2 has no look-around and no back "
                    "references, and a pattern may take up 1 MB)",
                    pattern, compiled->error()));
}

void read_options(const YamlMap& map, ContractProperty& property) {
  if (const auto options = map.find("logicalTypeOptions")) OptionReader(options->map(), property).read();
}

std::string misfit(const ContractProperty& property, const std::string& value) {
  ValueCheck check(property, ValueCheck::From::kText);
  const auto wrong = check.misfit({ContractCell::Kind::kText, value});
  return wrong ? wrong->message : "";
}

void check_property(const ContractProperty& property, const std::vector<YamlValue>& examples,
                    const YamlMap& map) {
  for (const YamlValue& example : examples) {
    if (!example.is_text() || property.type == LogicalType::kObject || property.type == LogicalType::kArray)
      continue;
    std::string text;
    example.read(text);
    if (const auto why = misfit(property, text); !why.empty())
      example.error(fmt::format("contradicts itself: the example '{}' of '{}' {}", text, property.name, why));
  }
  for (const QualityRule& rule : property.quality) {
    for (const std::string& value : rule.valid_values)
      if (const auto why = misfit(property, value); !why.empty())
        map.error(
            fmt::format("contradicts itself: the valid value '{}' of '{}' {}", value, property.name, why));
    const bool wants_nulls = rule.metric == QualityRule::Metric::kNullValues && !rule.must.holds(0);
    if (wants_nulls && (property.required || property.primary_key))
      map.error(fmt::format("contradicts itself: '{}' is required, and its nullValues {}", property.name,
                            rule.must.text()));
    const bool wants_repeats = rule.metric == QualityRule::Metric::kDuplicateValues && !rule.must.holds(0);
    if (wants_repeats && (property.unique || property.primary_key))
      map.error(fmt::format("contradicts itself: '{}' is unique, and its duplicateValues {}", property.name,
                            rule.must.text()));
  }
}

}  // namespace millrace::contract
