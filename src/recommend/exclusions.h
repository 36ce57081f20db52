#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "recommend/item_filter.h"
#include "recommend/person_facts.h"

namespace millrace {

/// Why an item was not shown, in the words of Explanation::filtered.
enum class Dropped : std::uint8_t {
  kNot,
  kExcluded,  ///< by the request
  kContext,   ///< it is what the page or the session is about
  kShown,     ///< on an earlier page
  kBought,
  kRead,
  kDisliked,
  kDeleted,
  kHidden,
  kUnavailable,
  kExpired,
  kNotSoldThere,
  kFilter,
  kRule,  ///< the pipeline's filter
};

std::string_view dropped_name(Dropped why);

/// Return whether `filter` asks for the very items that the rule `why` keeps from an answer, such as `bought`
/// for what was bought: the rule does not hold then. Hidden and deleted items are never asked for.
bool lifts(const ItemFilter& filter, Dropped why);

/// Items that are not to be shown, by fingerprint, and why: the first reason given stays. And what else the
/// fallback needs to know of the visitor.
class Exclusions {
 public:
  void add(std::uint32_t fingerprint, Dropped why);
  Dropped find(std::uint32_t fingerprint) const;

  PersonFacts person;   ///< for filters that ask what the person did; empty until the answer knows the person
  std::string country;  ///< the request's, else the person's once the answer knows the person

 private:
  void grow();

  struct Slot {
    std::uint32_t fingerprint = 0;
    Dropped why = Dropped::kNot;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(256);  ///< open addressing; a power of two
  std::size_t used_ = 0;
};

}  // namespace millrace
