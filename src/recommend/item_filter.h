#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/result.h"

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
};

/// A condition on items, from a small expression: clauses joined by commas, all of which must hold.
///   category:Garden/Tools     in this category or below it
///   category:Garden|Kitchen   in one of several
///   !category:Garden          not in it
///   country:CH                sold there
///   price<50  price<=50  price>5  price>=5   an item without a price matches none
/// Example: `category:Garden/Tools,price<50`.
class ItemFilter {
 public:
  static constexpr std::size_t kClausesMax = 16;

  /// Read an expression; empty text matches every item. Errors: kInvalid, naming the clause and what
  /// may stand there.
  static Result<ItemFilter> parse(std::string_view text);

  bool matches(const ItemFacts& item) const;
  bool empty() const { return clauses_.empty(); }
  /// Return the expression as it was given.
  const std::string& text() const { return text_; }

  /// Return the category a match must lie in, when the expression names exactly one; else "".
  std::string_view only_category() const;

 private:
  enum class Field : std::uint8_t { kCategory, kCountry, kPrice };
  enum class Comparison : std::uint8_t { kIs, kLess, kLessEqual, kGreater, kGreaterEqual };

  struct Clause {
    Field field = Field::kCategory;
    Comparison comparison = Comparison::kIs;
    bool negated = false;
    std::vector<std::string> values;  ///< one of which must match
    Decimal number;
  };

  static Result<Clause> parse_clause(std::string_view text);
  static bool clause_matches(const Clause& clause, const ItemFacts& item);

  std::string text_;
  std::vector<Clause> clauses_;
};

/// Return whether `category` is `path` or lies below it: "Garden/Tools" lies below "Garden".
bool category_within(std::string_view category, std::string_view path);

}  // namespace millrace
