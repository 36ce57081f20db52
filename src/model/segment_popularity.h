#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "model/model_bundle.h"
#include "model/ranking_features.h"
#include "model/ranking_model.h"

namespace millrace {

// What is most popular among people of one's own segment, such as a country. A segment in which little
// happened is drawn to the whole, as if `segment_damping` of weight had happened there that is spread over
// items as it is over all. Who is of no known segment gets what is popular overall.

/// Count `rows`, weighted as they are. The segment is the column of that name of `features.users`. Errors:
/// kInvalid where there is no such column, or it is a number.
Result<std::unique_ptr<RankingModel>> train_segment_popularity(std::span<const Feedback> rows,
                                                               std::size_t items,
                                                               const RankingSettings& settings,
                                                               const RankingFeatures& features);

/// Load what such a model saved. Errors: kCorrupt for arrays that do not fit each other, `users` or `items`.
Result<std::unique_ptr<RankingModel>> load_segment_popularity(const BundleReader& bundle,
                                                              const RankingSettings& settings,
                                                              std::size_t users, std::size_t items);

}  // namespace millrace
