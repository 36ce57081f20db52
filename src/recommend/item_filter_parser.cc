#include "recommend/item_filter_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

using Field = FilterClause::Field;
using Comparison = FilterClause::Comparison;
using Operand = FilterClause::Operand;

constexpr DurationUs kFromNowMax = 36'525 * kDayUs;  ///< a hundred years

constexpr std::string_view kForms =
    "write category:Garden/Tools, price<50, brand:Acme|Bosch, has:image or !seen";

struct FieldName {
  std::string_view name;
  Field field;
};
constexpr std::array kFields = {
    FieldName{"has", Field::kHas},         FieldName{"category", Field::kCategory},
    FieldName{"country", Field::kCountry}, FieldName{"id", Field::kId},
    FieldName{"name", Field::kName},       FieldName{"currency", Field::kCurrency},
    FieldName{"price", Field::kPrice},     FieldName{"published", Field::kPublished},
    FieldName{"expires", Field::kExpires},
};

struct StateName {
  std::string_view name;
  ItemState state;
};
constexpr std::array kStates = {
    StateName{"seen", ItemState::kSeen},         StateName{"bought", ItemState::kBought},
    StateName{"read", ItemState::kRead},         StateName{"cart", ItemState::kCart},
    StateName{"disliked", ItemState::kDisliked}, StateName{"hidden", ItemState::kHidden},
    StateName{"expired", ItemState::kExpired},   StateName{"available", ItemState::kAvailable},
};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view without_blanks_behind(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Return the number of the character at byte `at`, from 1, counting in UTF-8.
std::size_t character_at(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  return 1 + static_cast<std::size_t>(std::ranges::count_if(
                 before, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string quoted_for_people(std::string_view text) {
  return fmt::format("'{}'{}", without_controls(text.substr(0, kShownBytesMax)),
                     text.size() > kShownBytesMax ? "…" : "");
}

/// A value and where it begins.
struct Operandum {
  std::string text;
  std::size_t at = 0;
};

class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}

  Result<std::vector<FilterClause>> parse();

 private:
  Result<FilterClause> clause();
  Status name();
  Status state(FilterClause& clause) const;
  Status operation(FilterClause& clause);
  Status values();
  Status value();
  Result<std::string> quoted();

  Status compile(FilterClause& clause) const;
  Status compile_equal(FilterClause& clause) const;
  Status compile_truth(FilterClause& clause, ItemState of) const;
  Status compile_order(FilterClause& clause) const;
  Status compile_price(FilterClause& clause) const;
  Status compile_time(FilterClause& clause) const;
  Result<bool> compile_from_now(FilterClause& clause) const;

  bool done() const { return at_ == text_.size(); }
  bool next_is(char c) const { return !done() && text_[at_] == c; }
  void skip_blanks() {
    while (!done() && is_blank(text_[at_])) ++at_;
  }
  std::unexpected<Error> error(std::size_t at, std::string_view what) const {
    return fail(Code::kInvalid,
                fmt::format("clause {}, character {}: {}", number_, character_at(text_, at), what), "filter");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t number_ = 1;       ///< of the clause
  std::size_t values_read_ = 0;  ///< in all clauses
  // Of the clause being read:
  std::string name_;
  std::size_t name_at_ = 0;
  bool name_quoted_ = false;  ///< then it is an attribute, whatever it says
  std::vector<Operandum> values_;
};

Result<std::vector<FilterClause>> FilterParser::parse() {
  if (text_.size() > ItemFilter::kTextBytesMax) {
    return fail(Code::kInvalid,
                fmt::format("is {} bytes long; at most {}", text_.size(), ItemFilter::kTextBytesMax),
                "filter");
  }
  const auto control = std::ranges::find_if(
      text_, [](char c) { return !is_blank(c) && (static_cast<unsigned char>(c) < ' ' || c == '\x7f'); });
  if (control != text_.end())
    return error(static_cast<std::size_t>(control - text_.begin()), "a control character may not stand here");
  std::vector<FilterClause> clauses;
  skip_blanks();
  if (done()) return clauses;
  for (;; ++number_) {
    if (clauses.size() == ItemFilter::kClausesMax)
      return error(at_, fmt::format("there may be {} clauses at most", ItemFilter::kClausesMax));
    MILLRACE_ASSIGN(FilterClause read, clause());
    clauses.push_back(std::move(read));
    if (done()) return clauses;
    ++at_;  // the comma
  }
}

/// Read one clause up to the comma behind it, or the end.
Result<FilterClause> FilterParser::clause() {
  FilterClause clause;
  skip_blanks();
  clause.begin = at_;
  if (next_is('!')) {
    clause.negated = true;
    ++at_;
    skip_blanks();
  }
  values_.clear();
  MILLRACE_TRY(name());
  if (done() || next_is(',')) {
    MILLRACE_TRY(state(clause));
  } else {
    MILLRACE_TRY(operation(clause));
    MILLRACE_TRY(values());
    MILLRACE_TRY(compile(clause));
  }
  clause.end = clause.begin + without_blanks_behind(text_.substr(clause.begin, at_ - clause.begin)).size();
  return clause;
}

Status FilterParser::name() {
  name_at_ = at_;
  name_quoted_ = next_is('"');
  if (name_quoted_) {
    MILLRACE_ASSIGN(name_, quoted());
  } else {
    at_ = std::min(text_.find_first_of(":<>=,|!\"", at_), text_.size());
    name_ = without_blanks_behind(text_.substr(name_at_, at_ - name_at_));
  }
  skip_blanks();
  if (!name_.empty() && name_.size() <= ItemAttributes::kNameBytesMax) return {};
  if (!name_.empty())
    return error(name_at_, fmt::format("a name has {} bytes at most", ItemAttributes::kNameBytesMax));
  if (done() || next_is(',')) return error(name_at_, fmt::format("a clause is empty; {}", kForms));
  if (next_is('!')) return error(at_, "one ! is enough");
  return error(name_at_, fmt::format("a name must stand before {}; {}",
                                     quoted_for_people(text_.substr(at_, 1)), kForms));
}

/// Read a clause that is a name alone.
Status FilterParser::state(FilterClause& clause) const {
  const auto known = std::ranges::find(kStates, name_, &StateName::name);
  if (known != kStates.end() && !name_quoted_) {
    clause.field = Field::kState;
    clause.state = known->state;
    return {};
  }
  std::vector<std::string> names;
  std::string listed;
  for (const StateName& each : kStates) {
    names.emplace_back(each.name);
    listed += fmt::format("{}{}", listed.empty() ? "" : ", ", each.name);
  }
  const std::string nearest = nearest_name(name_, names);
  return error(name_at_, fmt::format("{} has none of : < > behind it; alone may stand {}{}; {}",
                                     quoted_for_people(name_), listed,
                                     nearest.empty() ? "" : ": did you mean " + nearest + "?", kForms));
}

Status FilterParser::operation(FilterClause& clause) {
  const char first = text_[at_];
  if (first == '|') return error(at_, "| stands between values, not between clauses");
  if (first == '!' || first == '=') {
    return error(at_, fmt::format("equal is written {0}:…, not equal !{0}:…",
                                  without_controls(std::string_view(name_).substr(0, kShownBytesMax))));
  }
  if (first != ':' && first != '<' && first != '>')
    return error(at_, fmt::format("one of : < <= > >= must stand behind {}", quoted_for_people(name_)));
  ++at_;
  if (first == ':') return {};
  const bool or_equal = next_is('=');
  if (or_equal) ++at_;
  if (first == '<') clause.comparison = or_equal ? Comparison::kLessEqual : Comparison::kLess;
  if (first == '>') clause.comparison = or_equal ? Comparison::kGreaterEqual : Comparison::kGreater;
  return {};
}

/// Read the values between bars, up to the comma behind them, or the end.
Status FilterParser::values() {
  for (;;) {
    skip_blanks();
    if (++values_read_ > ItemFilter::kValuesMax)
      return error(at_, fmt::format("there may be {} values at most", ItemFilter::kValuesMax));
    MILLRACE_TRY(value());
    if (done() || next_is(',')) return {};
    ++at_;  // the bar
  }
}

Status FilterParser::value() {
  Operandum value{.at = at_};
  if (next_is('"')) {
    MILLRACE_ASSIGN(value.text, quoted());
    skip_blanks();
    if (!done() && !next_is(',') && !next_is('|'))
      return error(
          at_, "a comma, a bar or the end must follow the closing quote; a quote inside is written twice");
  } else {
    at_ = std::min(text_.find_first_of(",|", at_), text_.size());
    value.text = without_blanks_behind(text_.substr(value.at, at_ - value.at));
    if (value.text.empty())
      return error(value.at, fmt::format("{} has no value here; {}", quoted_for_people(name_), kForms));
  }
  values_.push_back(std::move(value));
  return {};
}

/// Read from a quote to the one that closes it; two in a row stand for one.
Result<std::string> FilterParser::quoted() {
  const std::size_t begin = at_++;
  std::string out;
  for (;;) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) return error(begin, "this quote is not closed");
    out.append(text_, at_, quote - at_);
    at_ = quote + 1;
    if (!next_is('"')) return out;
    out += '"';
    ++at_;
  }
}

Status FilterParser::compile(FilterClause& clause) const {
  const auto field = std::ranges::find(kFields, name_, &FieldName::name);
  if (field != kFields.end() && !name_quoted_) clause.field = field->field;
  const bool ordered = clause.comparison != Comparison::kIs;
  if (ordered && values_.size() > 1) return error(values_[1].at, "only : takes several values");
  if (clause.field != Field::kHas) clause.names.emplace_back(name_);
  if (!name_quoted_ && name_ == "available") return compile_truth(clause, ItemState::kAvailable);
  if (!name_quoted_ && name_ == "hidden") return compile_truth(clause, ItemState::kHidden);
  switch (clause.field) {
    case Field::kPrice:
      return compile_price(clause);
    case Field::kPublished:
    case Field::kExpires:
      if (!ordered) return error(name_at_, fmt::format("{} is compared by <, <=, > or >=", name_));
      return compile_time(clause);
    case Field::kAttribute:
      return ordered ? compile_order(clause) : compile_equal(clause);
    default:
      if (ordered) return error(name_at_, fmt::format("{} is followed by :", name_));
      return compile_equal(clause);
  }
}

Status FilterParser::compile_equal(FilterClause& clause) const {
  for (const Operandum& value : values_) {
    if (clause.field == Field::kHas) {
      clause.names.emplace_back(value.text);
      continue;
    }
    clause.values.push_back(value.text);
    if (const auto number = number_in(value.text)) clause.numbers.push_back(*number);
  }
  std::ranges::sort(clause.values);
  const auto same = std::ranges::unique(clause.values);
  clause.values.erase(same.begin(), same.end());
  std::ranges::sort(clause.numbers);
  return {};
}

/// `available:true` says the same as `available`, `available:false` as `!available`.
Status FilterParser::compile_truth(FilterClause& clause, ItemState of) const {
  if (clause.comparison != Comparison::kIs || values_.size() > 1 ||
      (values_.front().text != "true" && values_.front().text != "false")) {
    return error(values_.front().at, fmt::format("{} is :true or :false", name_));
  }
  clause.field = Field::kState;
  clause.names.clear();
  clause.state = of;
  if (values_.front().text == "false") clause.negated = !clause.negated;
  return {};
}

Status FilterParser::compile_price(FilterClause& clause) const {
  for (const Operandum& value : values_) {
    const auto price = Decimal::parse(value.text);
    if (!price) return error(value.at, fmt::format("price needs a number: {}", price.error().message));
    clause.prices.push_back(*price);
  }
  std::ranges::sort(clause.prices);
  return {};
}

/// Read "-7d", "+3d" or "3d"; false when it is none of them.
Result<bool> FilterParser::compile_from_now(FilterClause& clause) const {
  std::string_view text = values_.front().text;
  const bool past = text.starts_with('-');
  if (past || text.starts_with('+')) text.remove_prefix(1);
  const auto length = parse_duration(text);
  if (!length) return false;
  if (*length < 0 || *length > kFromNowMax)
    return error(values_.front().at, fmt::format("{} is more than a hundred years", values_.front().text));
  clause.operand = Operand::kFromNow;
  clause.time = past ? -*length : *length;
  return true;
}

Status FilterParser::compile_time(FilterClause& clause) const {
  MILLRACE_ASSIGN(const bool from_now, compile_from_now(clause));
  if (from_now) return {};
  const auto time = parse_time(values_.front().text);
  if (!time) {
    return error(values_.front().at,
                 fmt::format("{} needs a time such as 2026-01-01, or one from now such as -7d or 3d, not {}",
                             name_, quoted_for_people(values_.front().text)));
  }
  clause.operand = Operand::kTime;
  clause.time = *time;
  return {};
}

/// An attribute of any kind: what it is compared with says which kind is meant.
Status FilterParser::compile_order(FilterClause& clause) const {
  const std::string& text = values_.front().text;
  if (const auto number = number_in(text)) {
    clause.number = *number;
    return {};
  }
  double number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc::result_out_of_range)
    return error(values_.front().at, fmt::format("{} is too large or too small", quoted_for_people(text)));
  MILLRACE_ASSIGN(const bool from_now, compile_from_now(clause));
  if (from_now) return {};
  if (const auto time = parse_time(text)) {
    clause.operand = Operand::kTime;
    clause.time = *time;
    return {};
  }
  return error(
      values_.front().at,
      fmt::format("{} is compared with a number such as 4.5, a time such as 2026-01-01, or one from now "
                  "such as -7d, not {}",
                  quoted_for_people(name_), quoted_for_people(text)));
}

}  // namespace

Result<std::vector<FilterClause>> parse_filter_clauses(std::string_view text) {
  return FilterParser(text).parse();
}

const std::vector<std::string>& known_filter_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const FieldName& each : kFields) names.emplace_back(each.name);
    for (const StateName& each : kStates) names.emplace_back(each.name);
    return names;
  }();
  return kNames;
}

}  // namespace millrace
