#include "source/row_values.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Number>
Result<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size()) return number;
  return fail(Code::kInvalid, fmt::format("'{}' is not a number", text.substr(0, 64)));
}

Status set(std::string_view text, std::string_view& into) {
  into = text;
  return {};
}

Status set(std::string_view text, std::optional<Decimal>& into) {
  MILLRACE_ASSIGN(into, Decimal::parse(text));
  return {};
}

template <class Number>
Status set(std::string_view text, std::optional<Number>& into) {
  MILLRACE_ASSIGN(into, parse_number<Number>(text));
  return {};
}

bool compares(std::string_view text, const Condition& condition) {
  const auto number = Decimal::parse(text);
  if (!number) return false;
  return condition.test == Condition::Test::kBelow ? *number < condition.number : *number > condition.number;
}

}  // namespace

Result<std::size_t> ColumnFinder::find(const std::string& name, const std::string& where) const {
  if (name.empty()) return kNoColumn;
  const auto found = std::ranges::find(columns_, name);
  if (found != columns_.end()) return static_cast<std::size_t>(found - columns_.begin());
  if (!complete_) return kNoColumn;
  const auto nearest = nearest_name(name, columns_);
  return fail(Code::kInvalid,
              nearest.empty() ? fmt::format("the file has no column '{}'", name)
                              : fmt::format("the file has no column '{}'; did you mean '{}'?", name, nearest),
              where);
}

std::string_view RowValues::cell(std::size_t column) const {
  return column < row_->cells.size() ? trimmed(row_->cells[column].text) : std::string_view();
}

std::string_view RowValues::value(const ValueRule& rule, std::size_t column) {
  std::string_view text = rule.column.empty() ? std::string_view(rule.constant) : cell(column);
  if (!rule.values.empty() || rule.otherwise) {
    const auto found = rule.values.find(text);
    if (found != rule.values.end()) {
      text = found->second;
    } else if (rule.otherwise) {
      text = *rule.otherwise;
    }
  }
  if (rule.prefix.empty() || text.empty()) return text;
  return made_.emplace_back(rule.prefix).append(text);
}

bool RowValues::meets(const Condition& condition, std::size_t column) const {
  const auto text = cell(column);
  const auto is = [&](const std::string& each) { return text == each; };
  switch (condition.test) {
    case Condition::Test::kIs:
      return std::ranges::any_of(condition.texts, is);
    case Condition::Test::kIsNot:
      return std::ranges::none_of(condition.texts, is);
    case Condition::Test::kStartsWith:
      return std::ranges::any_of(condition.texts, [&](const auto& each) { return text.starts_with(each); });
    case Condition::Test::kBelow:
    case Condition::Test::kAbove:
      return compares(text, condition);
    case Condition::Test::kEmpty:
      return text.empty() == condition.empty;
  }
  return false;
}

template <class Object>
Status RowValues::fill(const MemberRule<Object>& rule, std::size_t column, Object& into) {
  const auto text = value(rule.value, column);
  if (text.empty()) return {};
  auto status = std::visit([&](auto member) { return set(text, into.*member); }, rule.member);
  if (status) return {};
  auto error = std::move(status).error();
  if (!rule.value.column.empty())
    error.message = fmt::format("column '{}': {}", rule.value.column, error.message);
  return fail(std::move(error));
}

template Status RowValues::fill(const MemberRule<Event>&, std::size_t, Event&);
template Status RowValues::fill(const MemberRule<EventOrder>&, std::size_t, EventOrder&);
template Status RowValues::fill(const MemberRule<EventItem>&, std::size_t, EventItem&);

}  // namespace millrace
