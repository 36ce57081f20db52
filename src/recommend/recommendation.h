#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "recommend/cursor.h"
#include "recommend/item_filter.h"
#include "recommend/item_filter_report.h"

namespace millrace {

/// Where on the site the answer is shown; selects the rules. docs/recommendations.md explains them.
enum class Placement : std::uint8_t { kHome, kItem, kCart, kCheckout };

std::string_view placement_name(Placement placement);

/// Read "home", "item", "cart" or "checkout"; empty is home. Errors: kInvalid, naming them.
Result<Placement> parse_placement(std::string_view text);

/// What to recommend to whom. Everything that can be wrong with a request is parsed before
/// (`parse_placement`, `ItemFilter::parse`, `Cursor::parse`), so that serving it cannot fail.
struct RecommendRequest {
  std::string user;     ///< user id or anonymous id; empty for someone unknown
  std::string session;  ///< the source's own session id, or empty
  std::string country;  ///< of the visitor; empty: as last known of the person
  Placement placement = Placement::kHome;
  std::size_t n = 10;                ///< cut to 1..RecommenderLimits::page_items
  std::vector<std::string> items;    ///< on the page or in the cart now, latest last; never recommended
  std::vector<std::string> exclude;  ///< never recommended either
  ItemFilter filter;
  Cursor cursor;              ///< what earlier pages have shown
  bool exclude_read = false;  ///< never what the person viewed or read (N7), whatever the model says
  bool explain = false;
  DurationUs budget = 0;        ///< of time; 0: the pipeline's deadline, which it cannot exceed
  std::optional<TimeUs> as_of;  ///< popular lists of then; what the person did later is left out
};

/// Why an item is recommended.
struct Reason {
  std::string code;                  ///< "bought_together", "popular_week", …: docs/recommendations.md
  std::string text;                  ///< for people: "Often bought together with Copper Rake"
  std::vector<std::string> because;  ///< ids of the items it rests on
};

struct RecommendedItem {
  std::string id;
  double score = 0;
  std::string source;  ///< the candidate source that spoke loudest for it
  Reason reason;
  std::vector<std::pair<std::string, float>> features;  ///< what a ranker learns from, where it is to be kept
};

/// How an answer came about.
struct Explanation {
  std::map<std::string, std::uint64_t> candidates;  ///< found, by source
  std::map<std::string, std::uint64_t> filtered;    ///< dropped, by the reason
  std::vector<ClauseReport> filter;                 ///< what each clause of the filter did
  std::map<std::string, DurationUs> stages_us;      ///< time taken, by stage
  std::string error;                                ///< of the stage that failed, or empty
};

struct Recommendations {
  std::string recommendation_id;
  TimeUs time = 0;
  std::string user;
  std::string session;
  Placement placement = Placement::kHome;
  std::string model;                    ///< of the pipeline: "name@version"
  std::vector<std::string> models;      ///< trained ones that it asked, as "name@version"
  std::optional<std::string> fallback;  ///< "partial", "deadline", "error", "cold" or nothing
  std::string fallback_reason;          ///< in words; empty without a fallback
  std::vector<RecommendedItem> items;
  std::optional<std::string> cursor;  ///< of the next page; nothing when the list ends
  DurationUs latency_us = 0;
  std::optional<Explanation> explanation;
};

}  // namespace millrace
