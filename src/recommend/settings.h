#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace millrace {

/// How strongly each thing a person does speaks for an item. Relative to one another.
struct SignalWeights {
  double view = 1;      ///< item_view, page_view of an item
  double read = 2;      ///< read
  double cart = 3;      ///< add_to_cart; remove_from_cart takes it back
  double rating = 4;    ///< rating of 4 or 5; a rating of 1 or 2 takes as much away
  double purchase = 5;  ///< purchase; refund takes it back
};

/// What "sold most" adds up.
enum class SoldMeasure : std::uint8_t { kUnits, kOrders };

/// How recommendations are made: the model. A copy is taken when a Recommender is made.
struct ModelSettings {
  std::string name = "foundation";
  std::string version = "1";

  SignalWeights weights;
  DurationUs popularity_half_life = 7 * kDayUs;
  SoldMeasure sold_measure = SoldMeasure::kUnits;  ///< popular_week counts pieces or orders

  /// Sources whose newest events are at most this far apart share one "now"; others keep their own, so
  /// that 2011's orders and today's clicks do not age each other. 0: every source has its own.
  DurationUs era_gap = 30 * kDayUs;

  /// Added below the fraction of the cosine, so that items met once or twice prove little.
  double cosine_damping = 5;

  /// A visitor without session ids starts a new session after so long a silence.
  DurationUs session_gap = 30 * kMinuteUs;

  /// The last item of the context counts 1, the one before this, the one before that its square, …
  double context_decay = 0.8;
  std::size_t context_items = 12;

  /// Share of popularity in the score of an item that the context speaks for as well.
  double popularity_share = 0.1;

  bool exclude_bought = true;   ///< never what the person bought already (shops)
  bool exclude_read = false;    ///< never what the person viewed or read already (news)
  DurationUs item_age_max = 0;  ///< older items (published, else first seen) expire; 0: never

  /// Items put into the catalogue so recently are candidates although nobody has met them.
  DurationUs new_item_age = 3 * kDayUs;

  /// Checkout prefers items up to this share of what the cart is worth.
  double checkout_price_share = 0.25;

  /// Of one page, at most this share comes from one top category, while others have anything to offer.
  double category_share_max = 0.5;

  DurationUs deadline = 50 * kMillisecondUs;
};

/// Bounds of the memory. Each has metrics: millrace_recommend_entries{kind}, its limit, and evictions.
struct RecommenderLimits {
  std::size_t items = 200'000;               ///< at most 2^24; least recently used out, uncatalogued first
  std::size_t item_attribute_bytes = 2'048;  ///< for filters, of one item; more is left out
  std::size_t attribute_bytes = std::size_t{64} << 20;  ///< of all items
  std::size_t profiles = 200'000;                       ///< people; least recently active out
  std::size_t aliases = 400'000;                        ///< anonymous and session ids that lead to a person
  std::size_t sessions = 50'000;                        ///< open sessions whose items are still being paired
  std::size_t orders = 50'000;                          ///< orders that a refund can still take apart
  std::size_t basket_items = 24;         ///< of one session or order that a new item is paired with
  std::size_t neighbours = 50;           ///< per item and kind; up to half as many again for a while
  std::size_t history = 50;              ///< items remembered per person, latest first
  std::size_t owned = 4'096;             ///< bought or read items per person that are never shown again
  std::size_t countries = 300;           ///< with a popularity of their own
  std::size_t country_items = 1'000;     ///< per country; up to twice as many for a while
  std::size_t categories = 20'000;       ///< category paths, each prefix counted
  std::size_t eras = 8;                  ///< "now"s of their own, see ModelSettings::era_gap
  std::size_t sources = 1'024;           ///< sources whose era is remembered
  std::size_t sales = 1'000'000;         ///< sold lines kept for popular_week, oldest out
  std::size_t recent_messages = 65'536;  ///< message ids by which a retry is recognised
  std::size_t page_items = 200;          ///< largest `n`
  std::size_t cursor_items = 500;        ///< a list can be paged through this far
};

}  // namespace millrace
