#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// How often a model is trained again.
struct Cadence {
  std::string name;      ///< as it was asked for
  DurationUs every = 0;  ///< 0: never
};

/// Read cadences by commas: never, quarterly, monthly (a twelfth of a year), weekly, daily, hourly, and
/// durations such as 3d or 12h. Return them from the shortest to the longest, `never` last. Errors: kInvalid
/// for what is none of these, for two that are the same, and for fewer than two, which leave nothing to
/// compare.
Result<std::vector<Cadence>> parse_cadences(std::string_view text);

/// Write a length of time for people: "30.4 days", "12 hours".
std::string in_words(DurationUs length);

}  // namespace millrace
