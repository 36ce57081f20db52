#pragma once

#include <cstddef>
#include <vector>

#include "recommend/candidates.h"
#include "recommend/pipeline.h"
#include "recommend/recommendation.h"

namespace millrace {

/// Choose a page of `n` from scored candidates, dropped ones left out, best first; then rules have their say:
/// caps of categories, diversity, promotions, places for new items. `now` decides which promotions run.
/// Returned pointers are into `candidates`.
std::vector<const Candidate*> choose_page(const std::vector<Candidate>& candidates, const Pipeline& pipeline,
                                          const RecommendRequest& request, TimeUs now);

/// Return the promotion that runs at `now` and whose filter lets an item pass; null for none.
const Promotion* promotion_of(const Pipeline& pipeline, const ItemFacts& item, TimeUs now);

}  // namespace millrace
