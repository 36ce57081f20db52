#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/result.h"
#include "base/time.h"
#include "recommend/item_attributes.h"

namespace millrace {

/// What is known of an item, from the catalogue or, until that names it, from events.
struct ItemFacts {
  std::string id;
  std::string name;
  std::string category;  ///< a path, "Garden/Tools"
  std::optional<Decimal> price;
  std::string currency;
  std::vector<std::string> countries;  ///< where it is sold; empty: everywhere
  bool available = true;
  bool hidden = false;
  std::optional<std::int64_t> published_us;  ///< TimeUs
  std::optional<std::int64_t> expires_us;    ///< TimeUs
  ItemAttributes attributes;                 ///< all others, for filters
};

/// What a clause of one word says: of the person and the item, up to kDisliked, else of the item.
enum class ItemState : std::uint8_t {
  kSeen,      ///< viewed, read, put into the cart, rated or bought
  kBought,    ///< bought, or rated
  kRead,      ///< viewed or read
  kCart,      ///< in the cart
  kDisliked,  ///< rated 1 or 2
  kHidden,
  kExpired,
  kAvailable,
};

/// What a filter may ask about an item beside its facts; by default nothing is known.
struct MatchContext {
  std::optional<TimeUs> now;  ///< that -7d counts from; without it no such clause matches
  bool expired = false;
  std::uint8_t person = 0;  ///< bit set of ItemState, see PersonFacts
};

/// One clause as the parser leaves it; see ItemFilter.
struct FilterClause {
  enum class Field : std::uint8_t {
    kState,
    kHas,
    kCategory,
    kCountry,
    kId,
    kName,
    kCurrency,
    kPrice,
    kPublished,
    kExpires,
    kAttribute,
  };
  enum class Comparison : std::uint8_t { kIs, kLess, kLessEqual, kGreater, kGreaterEqual };
  enum class Operand : std::uint8_t { kNumber, kTime, kFromNow };

  /// Return what the clause says of an item, turned round when it is negated.
  bool holds(const ItemFacts& item, const MatchContext& context) const;
  /// Return whether the item has what the clause asks for: an attribute of that name, say.
  bool finds_field(const ItemFacts& item) const;

  Field field = Field::kAttribute;
  Comparison comparison = Comparison::kIs;
  bool negated = false;
  ItemState state = ItemState::kSeen;
  std::vector<AttributeName> names;    ///< of kAttribute, the one asked; of kHas, one of which must be there
  std::vector<std::string> values;     ///< of kIs, sorted; one must be equal
  std::vector<double> numbers;         ///< of kIs: the values that are numbers, sorted
  std::vector<Decimal> prices;         ///< of kPrice, sorted; the only one, unless kIs
  Operand operand = Operand::kNumber;  ///< of the other comparisons: what kind of thing is compared with
  double number = 0;
  TimeUs time = 0;  ///< of kTime, or DurationUs of kFromNow

  std::string_view::size_type begin = 0, end = 0;  ///< where it stands in the text

 private:
  bool matches(const ItemFacts& item, const MatchContext& context) const;
  bool in_state(const ItemFacts& item, const MatchContext& context) const;
  bool matches_attribute(const ItemFacts& item, const MatchContext& context) const;
  bool matches_value(const ItemAttributes::Value& value, const MatchContext& context) const;
  bool matches_time(std::optional<TimeUs> of_item, const MatchContext& context) const;
  bool matches_price(const std::optional<Decimal>& price) const;
  bool has_value(std::string_view value) const;
};

/// A condition on items, and on what a person did with them, from a small expression: clauses joined by
/// commas, all of which must hold. docs/how-to/filters.md has the language;
/// `category:Garden/Tools,stock>0,!seen`. Knows nothing of HTTP. Threads: never changed once parsed.
class ItemFilter {
 public:
  static constexpr std::size_t kClausesMax = 16;
  static constexpr std::size_t kValuesMax = 1'000;  ///< of all clauses together
  static constexpr std::size_t kTextBytesMax = 32'768;

  /// Read an expression; empty text matches every item. Errors: kInvalid, naming the clause, the number of
  /// the character where it goes wrong, and what may stand there.
  static Result<ItemFilter> parse(std::string_view text);

  /// Return whether all clauses hold. Takes some ten ns a clause, and allocates nothing.
  bool matches(const ItemFacts& item, const MatchContext& context = {}) const;
  bool empty() const { return clauses_.empty(); }
  /// Return the expression as it was given.
  const std::string& text() const { return text_; }

  /// Return the category a match must lie in, when the expression names exactly one; else "".
  std::string_view only_category() const;
  /// Return the ids of which a match must have one, sorted; null when the expression does not say.
  const std::vector<std::string>* only_ids() const;

  /// Return whether a clause says that items must be in that state (`bought`), or must not (`!bought`).
  bool asks_for(ItemState state) const { return (asked_ >> static_cast<unsigned>(state) & 1u) != 0; }
  bool asks_against(ItemState state) const { return (refused_ >> static_cast<unsigned>(state) & 1u) != 0; }
  /// Return whether a match must be something that the person did something with.
  bool asks_for_deed() const { return (asked_ & kDeeds) != 0; }
  /// Return whether MatchContext::person matters.
  bool needs_person() const { return ((asked_ | refused_) & kDeeds) != 0; }
  /// Return whether MatchContext::now matters.
  bool needs_now() const { return needs_now_; }

  const std::vector<FilterClause>& clauses() const { return clauses_; }
  std::string_view text_of(const FilterClause& clause) const {
    return std::string_view(text_).substr(clause.begin, clause.end - clause.begin);
  }

 private:
  static constexpr unsigned kDeeds = (1u << static_cast<unsigned>(ItemState::kHidden)) - 1;

  std::string text_;
  std::vector<FilterClause> clauses_;
  std::uint16_t asked_ = 0;    ///< bit set of ItemState
  std::uint16_t refused_ = 0;  ///< likewise
  bool needs_now_ = false;
};

/// Return whether `category` is `path` or lies below it: "Garden/Tools" lies below "Garden".
bool category_within(std::string_view category, std::string_view path);

}  // namespace millrace
