#include "recommend/item_filter.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::string_view kRemedy =
    "write clauses such as category:Garden/Tools, country:CH or price<50, joined by commas; "
    "! before one turns it round";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::unexpected<Error> bad_clause(std::string_view clause, std::string_view what) {
  return fail(Code::kInvalid, fmt::format("clause '{}': {}; {}", clause.substr(0, 64), what, kRemedy),
              "filter");
}

}  // namespace

bool category_within(std::string_view category, std::string_view path) {
  return category.starts_with(path) && (category.size() == path.size() || category[path.size()] == '/');
}

Result<ItemFilter> ItemFilter::parse(std::string_view text) {
  ItemFilter filter;
  filter.text_ = text;
  if (trim(text).empty()) return filter;
  for (const std::string& part : split(text, ',')) {
    if (filter.clauses_.size() == kClausesMax) {
      return fail(Code::kInvalid, fmt::format("at most {} clauses", kClausesMax), "filter");
    }
    MILLRACE_ASSIGN(Clause clause, parse_clause(trim(part)));
    filter.clauses_.push_back(std::move(clause));
  }
  return filter;
}

Result<ItemFilter::Clause> ItemFilter::parse_clause(std::string_view text) {
  const std::string_view whole = text;
  Clause clause;
  if (text.starts_with('!')) {
    clause.negated = true;
    text.remove_prefix(1);
  }
  const auto at = text.find_first_of(":<>");
  if (at == std::string_view::npos) return bad_clause(whole, "has none of : < >");
  const std::string_view field = trim(text.substr(0, at));
  const bool or_equal = text[at] != ':' && at + 1 < text.size() && text[at + 1] == '=';
  const std::string_view value = trim(text.substr(at + 1 + (or_equal ? 1 : 0)));
  if (value.empty()) return bad_clause(whole, "has no value");

  if (field == "price") {
    if (clause.negated) return bad_clause(whole, "price takes no !; turn the comparison round");
    if (text[at] == ':') return bad_clause(whole, "price is compared by <, <=, > or >=");
    clause.field = Field::kPrice;
    clause.comparison = text[at] == '<' ? (or_equal ? Comparison::kLessEqual : Comparison::kLess)
                                        : (or_equal ? Comparison::kGreaterEqual : Comparison::kGreater);
    auto number = Decimal::parse(value);
    if (!number) return bad_clause(whole, "price needs a number");
    clause.number = *number;
    return clause;
  }
  if (field != "category" && field != "country") {
    return bad_clause(whole, fmt::format("'{}' is not category, country or price", field.substr(0, 32)));
  }
  if (text[at] != ':') return bad_clause(whole, fmt::format("{} is followed by :", field));
  clause.field = field == "category" ? Field::kCategory : Field::kCountry;
  clause.values = split(value, '|');
  return clause;
}

bool ItemFilter::clause_matches(const Clause& clause, const ItemFacts& item) {
  switch (clause.field) {
    case Field::kCategory:
      return std::ranges::any_of(clause.values,
                                 [&](const auto& path) { return category_within(item.category, path); });
    case Field::kCountry:
      return item.countries.empty() || std::ranges::any_of(clause.values, [&](const auto& country) {
               return std::ranges::find(item.countries, country) != item.countries.end();
             });
    case Field::kPrice:
      break;
  }
  if (!item.price) return false;
  switch (clause.comparison) {
    case Comparison::kLess:
      return *item.price < clause.number;
    case Comparison::kLessEqual:
      return *item.price <= clause.number;
    case Comparison::kGreater:
      return *item.price > clause.number;
    default:
      return *item.price >= clause.number;
  }
}

bool ItemFilter::matches(const ItemFacts& item) const {
  return std::ranges::all_of(
      clauses_, [&](const Clause& clause) { return clause_matches(clause, item) != clause.negated; });
}

std::string_view ItemFilter::only_category() const {
  for (const Clause& clause : clauses_) {
    if (clause.field == Field::kCategory && !clause.negated && clause.values.size() == 1) {
      return clause.values.front();
    }
  }
  return {};
}

}  // namespace millrace
