#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/event.h"
#include "recommend/item_store.h"
#include "recommend/lru.h"
#include "recommend/neighbours.h"
#include "recommend/popularity.h"
#include "recommend/profile_store.h"
#include "recommend/settings.h"

namespace millrace {

/// What an event says about its items.
struct Signal {
  double weight = 0;   ///< added to popularity; negative takes away
  float together = 0;  ///< weight in the session's co-occurrence; 0: none
  TouchKind kind = TouchKind::kView;
  bool dismisses = false;  ///< the person does not want to be shown it
};

/// All that the recommender remembers, and how an event changes it. docs/recommendations.md says what
/// each type of event means.
/// One writer at a time, readers beside one another: the Recommender's lock sees to it.
class RecommenderMemory {
 public:
  RecommenderMemory(const ModelSettings& model, const RecommenderLimits& limits);
  RecommenderMemory(const RecommenderMemory&) = delete;
  RecommenderMemory& operator=(const RecommenderMemory&) = delete;

  /// Take in one event; `wall_now` caps its time.
  void apply(const Event& event, TimeUs wall_now);

  /// Return what `event` says about `item`, or nothing: seen in a list, say.
  std::optional<Signal> signal_of(const Event& event, const EventItem& item) const;

  ItemStore items;
  NeighbourLists seen;    ///< met in one session, weighted by what was done
  NeighbourLists bought;  ///< in one order
  Popularity popularity;
  ProfileStore profiles;

  std::size_t sessions() const { return sessions_.size(); }
  std::size_t orders() const { return orders_.size(); }
  std::uint64_t events_applied() const { return events_applied_; }
  std::uint64_t events_duplicate() const { return events_duplicate_; }
  std::size_t bytes() const;

  /// Append all of it to `image`: docs/formats/recommender.md.
  void save(std::string& image) const;

  /// Read an image into a memory that is new. Then it is what the saved one was, and does the same with all
  /// that comes. Needs the same settings and limits. Errors: kCorrupt; the memory must then not be used.
  Status restore(std::string_view image);

 private:
  /// One event while it is applied.
  struct Context {
    const Event& event;
    TimeUs time = 0;
    EraId era = 0;
    Profile* profile = nullptr;
    std::string_view country;
    Basket* session = nullptr;
    std::uint64_t order_key = 0;
    Basket* order = nullptr;
  };

  bool is_duplicate(const Event& event);
  Basket* session_of(const Context& context);
  void open_baskets(Context& context);
  void apply_item(Context& context, const EventItem& event_item, const Signal& signal);
  void learn_facts(Item& item, const Context& context, const EventItem& event_item);

  void refund(Context& context, const EventItem& event_item, ItemRef item, Touch* touch);
  void remember(Context& context, const EventItem& event_item, ItemRef item, const Signal& signal);
  void pair_in_session(Context& context, ItemRef item, const Signal& signal);
  double sold_amount(const EventItem& event_item, double orders) const;

  const ModelSettings model_;
  const RecommenderLimits limits_;
  LruMap<Basket> sessions_;
  LruMap<Basket> orders_;
  LruMap<char> recent_messages_;
  std::uint64_t events_applied_ = 0;
  std::uint64_t events_duplicate_ = 0;
};

/// Return a number that is another one when the settings or limits that shape a memory are, or when this
/// program makes other bytes of it or takes events for something else: an image of another number is of no
/// use.
std::uint64_t memory_shape(const ModelSettings& model, const RecommenderLimits& limits);

}  // namespace millrace
