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
  return fail(Code::kInvalid, not_a_number(text));
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

/// Return what seems to separate the columns of a header that was read as a single one, or NUL.
char likely_delimiter(const std::vector<std::string>& columns) {
  if (columns.size() != 1) return '\0';
  std::ptrdiff_t most = 0;
  char likely = '\0';
  for (const char c : {';', '\t', '|', ','}) {
    const auto count = std::ranges::count(columns.front(), c);
    if (count > most) likely = c;
    most = std::max(most, count);
  }
  return likely;
}

/// "mapping.yaml:12" → 12; 0 without a line.
int line_of(std::string_view where) {
  const auto digits = where.substr(std::min(where.rfind(':') + 1, where.size()));
  return parse_number<int>(digits).value_or(0);
}

bool compares(std::string_view text, const Condition& condition) {
  const auto number = Decimal::parse(text);
  if (!number) return false;
  return condition.test == Condition::Test::kBelow ? *number < condition.number : *number > condition.number;
}

}  // namespace

std::size_t ColumnFinder::find(const std::string& name, const std::string& where) {
  if (name.empty()) return kNoColumn;
  const auto found = std::ranges::find(columns_, name);
  if (found != columns_.end()) return static_cast<std::size_t>(found - columns_.begin());
  if (!complete_) return kNoColumn;
  Error error{Code::kInvalid, fmt::format("the file has no column '{}'", name), where};
  if (const auto nearest = nearest_name(name, columns_); !nearest.empty())
    error.message += fmt::format("; did you mean '{}'?", nearest);
  if (std::ranges::find(missing_, error) == missing_.end()) missing_.push_back(std::move(error));
  return kNoColumn;
}

Status ColumnFinder::finish() {
  if (missing_.empty()) return {};
  if (const char delimiter = likely_delimiter(columns_); delimiter != '\0') {
    return fail(
        Code::kInvalid,
        fmt::format("the first line of the file is one column, '{}'; its columns seem to be separated "
                    "by {}: write  delimiter: {}  into the mapping (--map)",
                    columns_.front().substr(0, kShownBytesMax), delimiter == '\t' ? "tabs" : "this sign",
                    delimiter == '\t' ? "tab" : fmt::format("\"{}\"", delimiter)));
  }
  // In the order of the file: the rules are read section by section.
  std::ranges::stable_sort(missing_, {}, [](const Error& error) { return line_of(error.where); });
  Error all = missing_.front();
  for (std::size_t i = 1; i < missing_.size(); ++i) all.message += "\n" + missing_[i].text();
  return fail(std::move(all));
}

std::string_view RowValues::cell(std::size_t column) const {
  return column < row_->cells.size() ? trimmed(row_->cells[column].text) : std::string_view();
}

std::size_t RowValues::join(std::vector<std::size_t> columns, std::string_view separator) {
  joined_.push_back({std::move(columns), std::string(separator)});
  return kFirstJoined + joined_.size() - 1;
}

std::string_view RowValues::joined(const Joined& joined) {
  auto& text = made_.emplace_back();
  for (std::size_t i = 0; i < joined.columns.size(); ++i) {
    const auto part = cell(joined.columns[i]);
    if (part.empty()) return {};
    if (i > 0) text += joined.separator;
    text += part;
  }
  return text;
}

std::string_view RowValues::value(const ValueRule& rule, std::size_t column) {
  std::string_view text = rule.constant;
  if (!rule.more_columns.empty()) {
    text = joined(joined_.at(column - kFirstJoined));
  } else if (!rule.column.empty()) {
    text = cell(column);
  }
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
