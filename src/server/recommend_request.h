#pragma once

#include "net/http.h"
#include "recommend/recommendation.h"

namespace millrace {

inline constexpr std::int64_t kAnswerItemsMax = 200;  ///< that may be asked for at once

/// Read the query string of GET /v1/recommendations. Errors: kInvalid, naming the parameter and what it may
/// be.
Result<RecommendRequest> parse_recommend_request(const QueryParameters& query);

inline constexpr std::size_t kAskedIdsMax = 10'000;  ///< of `items`, and of `exclude`, in a body

/// Read the body of POST /v1/recommendations: the same as JSON, items and exclude as lists. Errors: as above.
Result<RecommendRequest> parse_recommend_body(std::string_view body);

/// Read the query string of GET /recommendation, the news system's. Errors: kInvalid, in the texts that its
/// clients expect.
Result<RecommendRequest> parse_news_request(const QueryParameters& query);

}  // namespace millrace
