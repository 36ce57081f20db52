#include "event/contract_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/time.h"

namespace millrace {
namespace {

constexpr std::size_t kShownBytesMax = 40;
constexpr std::size_t kShownValuesMax = 8;
constexpr std::size_t kDateBytes = 10;
// A pattern that needs more memory than this for a text is as good as none: it does not match.
constexpr std::int64_t kPatternBytesMax = 1 << 20;

std::unique_ptr<re2::RE2> compile(const std::string& pattern) {
  if (pattern.empty()) return nullptr;
  auto compiled = compile_pattern(pattern);
  return compiled->ok() ? std::move(compiled) : nullptr;  // the reader of contracts has said so
}

bool matches(const re2::RE2& pattern, std::string_view text) {
  // Without the parts that PartialMatch would prepare to give.
  return pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::UNANCHORED,
                       nullptr, 0);
}

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return fmt::format("'{}'", text);
  std::size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("'{}…'", text.substr(0, end));
}

std::string shown(const ContractCell& cell) {
  switch (cell.kind) {
    case ContractCell::Kind::kTime:
      return shown(format_time(static_cast<TimeUs>(cell.number)));
    case ContractCell::Kind::kBoolean:
      return cell.number != 0 ? "true" : "false";
    case ContractCell::Kind::kNumber:
      return cell.text.empty() ? fmt::format("{}", cell.number)
                               : std::string(cell.text.substr(0, kShownBytesMax));
    case ContractCell::Kind::kArray:
      return "an array";
    case ContractCell::Kind::kObject:
      return "an object";
    default:
      return shown(cell.text);
  }
}

bool read_number(std::string_view text, double& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size() && std::isfinite(number);
}

/// HH:MM, with seconds and a fraction or without.
bool is_time_of_day(std::string_view text) {
  const auto digits = [&](std::size_t at, int below) {
    return at + 2 <= text.size() && text[at] >= '0' && text[at] <= '9' && text[at + 1] >= '0' &&
           text[at + 1] <= '9' && (text[at] - '0') * 10 + (text[at + 1] - '0') < below;
  };
  if (!digits(0, 24) || text.size() < 5 || text[2] != ':' || !digits(3, 60)) return false;
  if (text.size() == 5) return true;
  return text[5] == ':' && digits(6, 60) &&
         (text.size() == 8 || text[8] == '.' || text[8] == 'Z' || text[8] == '+');
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string listed(const std::vector<std::string>& values) {
  std::string out;
  for (std::size_t i = 0; i < std::min(values.size(), kShownValuesMax); ++i)
    out += (i > 0 ? ", " : "") + values[i];
  if (values.size() > kShownValuesMax) out += fmt::format(" (and {} more)", values.size() - kShownValuesMax);
  return out;
}

/// Return what rules compare: the text of a value that has none of its own is put into `made`.
std::string_view text_of(const ContractCell& cell, std::string& made) {
  using Kind = ContractCell::Kind;
  if (!cell.text.empty()) return cell.text;
  if (cell.kind == Kind::kBoolean) return cell.number != 0 ? "true" : "false";
  if (cell.kind == Kind::kNumber) return made = fmt::format("{}", cell.number);
  if (cell.kind == Kind::kTime) return made = format_time(static_cast<TimeUs>(cell.number));
  return cell.text;
}

void read_numbers(const std::vector<std::string>& texts, std::vector<double>& numbers) {
  for (const std::string& text : texts)
    if (double number = 0; read_number(text, number)) numbers.push_back(number);
  std::ranges::sort(numbers);
}

}  // namespace

std::unique_ptr<re2::RE2> compile_pattern(const std::string& pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kPatternBytesMax);
  return std::make_unique<re2::RE2>(pattern, options);
}

ValueCheck::ValueCheck(const ContractProperty& property, From from)
    : type_(property.type),
      from_(from),
      options_(property.options),
      pattern_(compile(property.options.pattern)) {
  is_bounded_ = options_.minimum || options_.maximum || options_.multiple_of || options_.min_length ||
                options_.max_length || pattern_ != nullptr;
  for (const QualityRule& said : property.quality) {
    const bool of_values = said.metric == QualityRule::Metric::kInvalidValues ||
                           said.metric == QualityRule::Metric::kMissingValues;
    if (!of_values || !said.forbids_any()) continue;
    Rule& rule = rules_.emplace_back();
    rule.warn = said.severity == RuleSeverity::kWarn;
    rule.pattern = compile(said.pattern);
    rule.valid = said.valid_values;
    rule.missing = said.missing_values;
    rule.said = said.valid_values.empty() ? "must look like " + said.pattern
                                          : "must be one of " + listed(said.valid_values);
    if (said.metric == QualityRule::Metric::kMissingValues) rule.said = "must not stand for no value";
    read_numbers(rule.valid, rule.valid_numbers);
    read_numbers(rule.missing, rule.missing_numbers);
    std::ranges::sort(rule.valid);
  }
  std::ranges::stable_partition(rules_, [](const Rule& rule) { return !rule.warn; });
  takes_any_text_ =
      (type_ == LogicalType::kString || type_ == LogicalType::kAny) && !is_bounded_ && rules_.empty();
}

ValueCheck::~ValueCheck() = default;
ValueCheck::ValueCheck(ValueCheck&&) noexcept = default;

bool ValueCheck::has_time_type(const ContractCell& cell, double& number) const {
  number = cell.number;
  if (cell.kind == ContractCell::Kind::kTime) return true;
  if (cell.kind != ContractCell::Kind::kText) return false;
  // Of a form of its own we know nothing: it is text.
  if (!options_.format.empty() && !options_.format.starts_with("yyyy-MM-dd")) return true;
  const auto time = parse_time(cell.text);
  if (time) number = static_cast<double>(*time);
  return time && (type_ == LogicalType::kTimestamp || cell.text.size() == kDateBytes);
}

/// Return whether the value has the type; `number` becomes what bounds are compared with.
bool ValueCheck::has_type(const ContractCell& cell, double& number) const {
  using Kind = ContractCell::Kind;
  const bool is_text = cell.kind == Kind::kText;
  const bool reads_text = is_text && from_ == From::kText;
  switch (type_) {
    case LogicalType::kAny:
      number = cell.number;
      if (cell.kind == Kind::kNumber && !cell.text.empty()) read_number(cell.text, number);
      return true;
    case LogicalType::kString:
      return is_text;
    case LogicalType::kNumber:
    case LogicalType::kInteger: {
      number = cell.number;
      bool is = cell.kind == Kind::kNumber;
      if ((is && !cell.text.empty()) || reads_text) is = read_number(cell.text, number);
      return is && (type_ == LogicalType::kNumber || std::trunc(number) == number);
    }
    case LogicalType::kBoolean:
      return cell.kind == Kind::kBoolean || (reads_text && (cell.text == "true" || cell.text == "false"));
    case LogicalType::kTime:
      return is_text && is_time_of_day(cell.text);
    case LogicalType::kDate:
    case LogicalType::kTimestamp:
      return has_time_type(cell, number);
    case LogicalType::kObject:
      return cell.kind == Kind::kObject;
    case LogicalType::kArray:
      return cell.kind == Kind::kArray;
  }
  return false;
}

ValueCheck::Fault ValueCheck::text_fault(std::string_view text) const {
  // A character has 1 to 4 bytes, so most texts need no counting.
  const auto& most = options_.max_length;
  const auto& least = options_.min_length;
  if (most && text.size() > *most && characters(text) > *most) return Fault::kMaxLength;
  if (least && text.size() < 4 * *least && characters(text) < *least) return Fault::kMinLength;
  return pattern_ && !matches(*pattern_, text) ? Fault::kPattern : Fault::kNone;
}

ValueCheck::Fault ValueCheck::number_fault(const ContractCell& cell, double number) const {
  const auto& minimum = options_.minimum;
  const auto& maximum = options_.maximum;
  if (minimum && (minimum->exclusive ? number <= minimum->value : number < minimum->value))
    return Fault::kMinimum;
  if (maximum && (maximum->exclusive ? number >= maximum->value : number > maximum->value))
    return Fault::kMaximum;
  return !options_.multiple_of || is_multiple(cell, number) ? Fault::kNone : Fault::kMultiple;
}

/// By its digits, where they have at most four decimals; else as near as a double tells.
bool ValueCheck::is_multiple(const ContractCell& cell, double number) const {
  const std::string text = cell.text.empty() ? fmt::format("{}", number) : std::string(cell.text);
  const std::size_t point = std::min(text.find('.'), text.size());
  const bool is_plain = text.find_first_not_of("-0123456789.") == std::string::npos;
  if (is_plain && point < text.size() && text.find_last_not_of('0') > point + 4) return false;
  if (const auto exact = Decimal::parse(text); is_plain && exact)
    return exact->units() % options_.multiple_of->units() == 0;
  std::int64_t whole = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), whole);
  const auto units = options_.multiple_of->units();
  if (problem == std::errc() && end == text.data() + text.size() && units % Decimal::kScale == 0)
    return whole % (units / Decimal::kScale) == 0;
  return std::fmod(number, options_.multiple_of->to_double()) == 0;
}

/// `number` is given for a value that is compared as one.
bool ValueCheck::fits(const Rule& rule, std::string_view text, const double* number) {
  const auto as_view = [](const std::string& value) { return std::string_view(value); };
  if (rule.pattern && !matches(*rule.pattern, text)) return false;
  if (number != nullptr)
    return (rule.valid.empty() || std::ranges::binary_search(rule.valid_numbers, *number)) &&
           !std::ranges::binary_search(rule.missing_numbers, *number);
  return (rule.valid.empty() || std::ranges::binary_search(rule.valid, text, {}, as_view)) &&
         std::ranges::find(rule.missing, text, as_view) == rule.missing.end();
}

ValueCheck::Finding ValueCheck::find_fault(const ContractCell& cell) const {
  double number = 0;
  if (!has_type(cell, number)) return {Fault::kType};
  const bool is_text =
      type_ == LogicalType::kString || type_ == LogicalType::kAny || type_ == LogicalType::kTime;
  if (is_bounded_)
    if (const Fault fault = is_text ? text_fault(cell.text) : number_fault(cell, number);
        fault != Fault::kNone)
      return {fault};
  if (rules_.empty()) return {};
  std::string made;
  const std::string_view text = text_of(cell, made);
  const bool by_number =
      is_number() || (type_ == LogicalType::kAny && cell.kind == ContractCell::Kind::kNumber);
  for (const Rule& rule : rules_)
    if (!fits(rule, text, by_number ? &number : nullptr)) return {Fault::kRule, &rule};
  return {};
}

std::string ValueCheck::must(const Finding& found) const {
  static constexpr std::array<std::string_view, 10> kTypes = {"",
                                                              "must be text",
                                                              "must be a date such as 2026-01-31",
                                                              "must be a time such as 2026-01-31T09:30:00Z",
                                                              "must be a time of day such as 09:30:00",
                                                              "must be a number",
                                                              "must be a whole number",
                                                              "must be an object",
                                                              "must be an array",
                                                              "must be true or false"};
  switch (found.fault) {
    case Fault::kNone:
      return "";
    case Fault::kType:
      return std::string(kTypes[static_cast<std::size_t>(type_)]);
    case Fault::kMinLength:
      return fmt::format("must have at least {} characters", *options_.min_length);
    case Fault::kMaxLength:
      return fmt::format("must have at most {} characters", *options_.max_length);
    case Fault::kPattern:
      return "must look like " + options_.pattern;
    case Fault::kMinimum:
      return fmt::format("must be {} {}", options_.minimum->exclusive ? "above" : "at least",
                         options_.minimum->text);
    case Fault::kMaximum:
      return fmt::format("must be {} {}", options_.maximum->exclusive ? "below" : "at most",
                         options_.maximum->text);
    case Fault::kMultiple:
      return "must be a multiple of " + options_.multiple_of->text();
    case Fault::kRule:
      return found.rule->said;
  }
  return "";
}

Misfit ValueCheck::tell(const Finding& found, const ContractCell& cell) const {
  const auto kind = found.fault == Fault::kType ? Misfit::Kind::kRetyped : Misfit::Kind::kValue;
  return {kind, fmt::format("{}, not {}", must(found), shown(cell)),
          found.rule != nullptr && found.rule->warn};
}

}  // namespace millrace
