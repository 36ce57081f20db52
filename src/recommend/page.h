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
/// caps of categories, diversity, promotions, places for new items. Returned pointers are into `candidates`;
/// those that a promotion brought there name it.
std::vector<Candidate*> choose_page(std::vector<Candidate>& candidates, const Pipeline& pipeline,
                                    const RecommendRequest& request, const PageTimes& times);

}  // namespace millrace
