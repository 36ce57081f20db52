#pragma once

#include <string>
#include <vector>

#include "event/event.h"
#include "recommend/recommendation.h"

namespace millrace {

/// What goes with one product that an activity event names.
struct SimilarItems {
  std::string product_code;
  std::vector<RecommendedItem> items;
};

/// What an activity event was answered with.
struct ActivityAnswer {
  Recommendations recommended;        ///< for the person; its id, time and latency are the answer's
  std::vector<SimilarItems> similar;  ///< by product: what is in the cart first
};

/// Return the id of the answer to an event: the same whenever it is answered, and for a producer's retry
/// (same source and message id). Of an event without a message id it is that of its place in the log.
std::string activity_answer_id(const Event& event);

/// Return the products an event names, each once, at most `max`: what is in the cart first, else in the
/// event's order.
std::vector<std::string> activity_products(const Event& event, std::size_t max);

/// Return how far apart two items are whose score together is `score`: 1 for nothing in common, towards 0 the
/// more they have.
double activity_distance(double score);

/// Write the record of the topic `recommendations` (docs/formats/recommendation.md): the event's own fields
/// and what was recommended, in one line. Needs `event.properties` to be empty or a JSON object.
std::string activity_record(const Event& event, const ActivityAnswer& answer);

}  // namespace millrace
