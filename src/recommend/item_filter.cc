#include "recommend/item_filter.h"

#include <algorithm>
#include <functional>

#include "recommend/item_filter_parser.h"

namespace millrace {
namespace {

template <class Value>
bool compare(const Value& a, FilterClause::Comparison how, const Value& b) {
  switch (how) {
    case FilterClause::Comparison::kIs:
      return a == b;
    case FilterClause::Comparison::kLess:
      return a < b;
    case FilterClause::Comparison::kLessEqual:
      return a <= b;
    case FilterClause::Comparison::kGreater:
      return a > b;
    case FilterClause::Comparison::kGreaterEqual:
      return a >= b;
  }
  return false;
}

bool has_attribute(const ItemFacts& item, const AttributeName& name) {
  const std::string_view text = name.text;
  if (text == "id") return true;
  if (text == "name") return !item.name.empty();
  if (text == "category") return !item.category.empty();
  if (text == "price") return item.price.has_value();
  if (text == "currency") return !item.currency.empty();
  if (text == "country" || text == "countries") return !item.countries.empty();
  if (text == "published") return item.published_us.has_value();
  if (text == "expires") return item.expires_us.has_value();
  return item.attributes.has(name);
}

}  // namespace

bool category_within(std::string_view category, std::string_view path) {
  return category.starts_with(path) && (category.size() == path.size() || category[path.size()] == '/');
}

bool FilterClause::has_value(std::string_view value) const {
  if (values.size() == 1) return values.front() == value;
  return std::binary_search(values.begin(), values.end(), value, std::less<>());
}

bool FilterClause::holds(const ItemFacts& item, const MatchContext& context) const {
  return matches(item, context) != negated;
}

bool FilterClause::matches(const ItemFacts& item, const MatchContext& context) const {
  switch (field) {
    case Field::kState:
      return in_state(item, context);
    case Field::kHas:
      return std::ranges::any_of(names, [&](const auto& name) { return has_attribute(item, name); });
    case Field::kCategory:
      for (std::string_view path = item.category;; path = path.substr(0, path.rfind('/'))) {
        if (has_value(path)) return true;
        if (path.find('/') == std::string_view::npos) return false;
      }
    case Field::kCountry:
      return item.countries.empty() ||
             std::ranges::any_of(item.countries, [&](const auto& country) { return has_value(country); });
    case Field::kId:
      return has_value(item.id);
    case Field::kName:
      return has_value(item.name);
    case Field::kCurrency:
      return has_value(item.currency);
    case Field::kPrice:
      return matches_price(item.price);
    case Field::kPublished:
      return matches_time(item.published_us, context);
    case Field::kExpires:
      return matches_time(item.expires_us, context);
    case Field::kAttribute:
      return matches_attribute(item, context);
  }
  return false;
}

bool FilterClause::in_state(const ItemFacts& item, const MatchContext& context) const {
  switch (state) {
    case ItemState::kHidden:
      return item.hidden;
    case ItemState::kExpired:
      return context.expired;
    case ItemState::kAvailable:
      return item.available;
    default:
      return (context.person >> static_cast<unsigned>(state) & 1u) != 0;
  }
}

bool FilterClause::matches_price(const std::optional<Decimal>& price) const {
  if (!price) return false;
  if (comparison == Comparison::kIs) return std::ranges::binary_search(prices, *price);
  return compare(*price, comparison, prices.front());
}

bool FilterClause::matches_time(std::optional<TimeUs> of_item, const MatchContext& context) const {
  if (!of_item) return false;
  if (operand == Operand::kTime) return compare(*of_item, comparison, time);
  return context.now && compare(*of_item, comparison, *context.now + time);
}

bool FilterClause::matches_attribute(const ItemFacts& item, const MatchContext& context) const {
  return item.attributes.any_of(
      names.front(), [&](const ItemAttributes::Value& value) { return matches_value(value, context); });
}

/// A text is equal to a text only: a code "007" is not 7. Numbers written as texts still have an order.
bool FilterClause::matches_value(const ItemAttributes::Value& value, const MatchContext& context) const {
  if (comparison != Comparison::kIs) {
    if (operand != Operand::kNumber) return matches_time(value.time, context);
    return value.number && compare(*value.number, comparison, number);
  }
  if (value.text) return has_value(*value.text);
  if (value.truth) return has_value(*value.truth ? "true" : "false");
  return value.number && std::ranges::binary_search(numbers, *value.number);
}

bool FilterClause::finds_field(const ItemFacts& item) const {
  if (names.empty()) return true;
  return std::ranges::any_of(names, [&](const auto& name) { return has_attribute(item, name); });
}

bool ItemFilter::matches(const ItemFacts& item, const MatchContext& context) const {
  return std::ranges::all_of(clauses_,
                             [&](const FilterClause& clause) { return clause.holds(item, context); });
}

Result<ItemFilter> ItemFilter::parse(std::string_view text) {
  ItemFilter filter;
  MILLRACE_ASSIGN(filter.clauses_, parse_filter_clauses(text));
  filter.text_ = text;
  for (const FilterClause& clause : filter.clauses_) {
    filter.needs_now_ |= clause.operand == FilterClause::Operand::kFromNow;
    if (clause.field != FilterClause::Field::kState) continue;
    std::uint16_t& states = clause.negated ? filter.refused_ : filter.asked_;
    states |= static_cast<std::uint16_t>(1u << static_cast<unsigned>(clause.state));
  }
  return filter;
}

std::string_view ItemFilter::only_category() const {
  for (const FilterClause& clause : clauses_) {
    if (clause.field == FilterClause::Field::kCategory && !clause.negated && clause.values.size() == 1) {
      return clause.values.front();
    }
  }
  return {};
}

const std::vector<std::string>* ItemFilter::only_ids() const {
  for (const FilterClause& clause : clauses_) {
    if (clause.field == FilterClause::Field::kId && !clause.negated) return &clause.values;
  }
  return nullptr;
}

}  // namespace millrace
