#pragma once

#include "recommend/recommendation_log.h"
#include "recommend/recommender.h"
#include "server/recommendation_streams.h"
#include "server/router.h"
#include "server/serving_stats.h"

namespace millrace {

/// Add GET and POST /v1/recommendations, GET /v1/items/{id}/similar, and the news system's own GET /recommendation
/// (N7). Every answer is handed to `answers`, which keeps it, and counted in `serving`. And
/// GET /v1/recommendations/stream, on which the answers to a person's or a session's activity events come.
/// All arguments must outlive the router.
void add_recommend_routes(Router& router, const Recommender& recommender, RecommendationLog& answers,
                          ServingStats& serving, RecommendationStreams& streams);

}  // namespace millrace
