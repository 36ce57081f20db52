#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recommend/exclusions.h"
#include "recommend/memory.h"
#include "recommend/model_source.h"
#include "recommend/recommendation.h"
#include "recommend/settings.h"

namespace millrace {

/// An item that an answer rests on.
struct ContextItem {
  ItemRef item;
  double weight = 0;
  TouchKind kind = TouchKind::kView;
  bool on_page = false;  ///< named by the request
};

/// What is known of whoever asks: what is on the page, what they did. Copied from the memory, so that it is
/// good without its lock.
struct VisitContext {
  std::string country;             ///< or empty
  std::vector<ContextItem> items;  ///< latest first
  std::vector<ItemRef> met;        ///< what models are told: on a page about something that alone, else what
                                   ///< the person did; oldest first
  std::vector<std::string> met_ids;
  std::vector<TimeUs> met_times;
  TimeUs now = 0;                   ///< of the newest events, or as the request says
  double price = 0;                 ///< mean of what the items cost; 0: not known
  std::optional<double> price_max;  ///< checkout: what is dear, in …
  std::string price_currency;       ///< … this currency

  bool about_page() const { return !items.empty() && items.front().on_page; }

  /// Return what models are told; views into this object.
  std::vector<MetItem> met_items() const;
};

/// Find it, and add what the person wants to see no more to `exclusions`, as far as the request's filter does
/// not ask for just that; `for_filters` also what the person did. The caller holds the memory's lock.
VisitContext find_context(const RecommenderMemory& memory, const RecommendRequest& request,
                          const ModelSettings& model, bool for_filters, Exclusions& exclusions);

}  // namespace millrace
