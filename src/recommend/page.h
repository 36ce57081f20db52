#pragma once

#include <cstddef>
#include <vector>

#include "recommend/candidates.h"
#include "recommend/pipeline.h"
#include "recommend/recommendation.h"

namespace millrace {

/// Which promotions run, and what their filters take for now.
struct PageTimes {
  TimeUs wall = 0;
  TimeUs data = 0;  ///< of the newest events
};

/// Choose a page of `n` from scored candidates, dropped ones left out, best first; then rules have their say:
/// caps of categories, diversity, promotions, places for new items. Returned pointers are into `candidates`.
std::vector<const Candidate*> choose_page(const std::vector<Candidate>& candidates, const Pipeline& pipeline,
                                          const RecommendRequest& request, const PageTimes& times);

/// Return the promotion that runs and whose filter lets an item pass; null for none.
const Promotion* promotion_of(const Pipeline& pipeline, const ItemFacts& item, const PageTimes& times);

}  // namespace millrace
