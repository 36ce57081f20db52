#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "recommend/item_filter.h"
#include "recommend/recommender.h"

namespace millrace {

/// What a record of the topic `items` or `users` says: {"op":"put"|"delete","id","attributes":{…}}.
template <class Facts>
struct CatalogueChange {
  bool put = true;
  Facts facts;  ///< for a delete only the id
};

/// Read a record of `items`. Attributes used: name, category, price (text or number), currency,
/// available, hidden (bool), country or countries (text or array), published and expires (time text, or
/// microseconds since 1970); values of a wrong type are left alone. All others go to ItemFacts::attributes.
/// A `stock` of 0 or less makes an item unavailable, unless `available` says otherwise.
/// Errors: kInvalid when it is not such a record.
Result<CatalogueChange<ItemFacts>> parse_item_record(std::string_view json);

/// Read a record of `users`. Attributes used: country.
Result<CatalogueChange<UserFacts>> parse_user_record(std::string_view json);

/// Take what `attributes` (a JSON object) says of an item into `facts`. Errors: kInvalid.
Status read_item_attributes(std::string_view attributes, ItemFacts& facts);

}  // namespace millrace
