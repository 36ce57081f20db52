#pragma once

#include <string>
#include <string_view>

#include "recommend/recommendation.h"

namespace millrace {

/// Write an answer as clients get it: {"recommendation_id","user","model","fallback","items":[{"id",
/// "score","source","reason":{"code","text","because"}}],"cursor"}, and "explanation" when asked for.
std::string answer_json(const Recommendations& answer);

/// Write an answer as the topic `recommendations` keeps it: docs/formats/recommendation.md.
/// `kind` is the route: "recommend", "similar" or "news".
std::string record_json(const Recommendations& answer, const RecommendRequest& request,
                        std::string_view kind);

}  // namespace millrace
