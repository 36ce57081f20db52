#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/ids.h"
#include "base/time.h"

namespace millrace {

/// What a person did. `kCustom` keeps the producer's own name in `Event::type_name`.
enum class EventType : std::uint8_t {
  kCustom,
  kPageView,
  kItemView,
  kListView,
  kSearch,
  kAddToCart,
  kRemoveFromCart,
  kPurchase,
  kRefund,
  kRating,
  kRead,
  kActivity,
  kIdentify,  ///< tells who someone is (Segment identify, alias, group); no fact of its own
};

/// Return "page_view", …; for kCustom "custom".
std::string_view event_type_name(EventType type);

/// Return the type of a canonical name ("page_view"), or kCustom.
EventType event_type_of(std::string_view name);

/// What the message ids of events begin with that own their order.
inline constexpr std::string_view kOrderIdPrefix = "order:";

/// One product, article or the like that an event is about. Views as in Event.
struct EventItem {
  std::string_view item_id;
  std::string_view name;
  std::string_view category;  ///< a path, "Garden/Tools/Rakes"
  std::string_view brand;
  std::string_view variant;
  std::optional<Decimal> price;          ///< of one piece, in `currency`
  std::optional<Decimal> quantity;       ///< may be negative in a refund
  std::string_view currency;             ///< ISO 4217, upper case
  std::optional<std::int32_t> position;  ///< in the list shown, from 1
  bool in_cart = false;                  ///< activity events: held in the cart
};

struct EventOrder {
  std::string_view order_id;
  std::optional<Decimal> total;
  std::optional<Decimal> revenue;
  std::optional<Decimal> shipping;
  std::optional<Decimal> tax;
  std::optional<Decimal> discount;
  std::string_view coupon;
  std::string_view currency;
};

/// One thing one person did, as every job sees it. Empty text means absent. All views point into the
/// record's bytes or into the arena of the EventBatch that holds the event, and live as long as it.
struct Event {
  EventType type = EventType::kCustom;
  std::string_view type_name;   ///< canonical name, or the producer's for kCustom
  std::string_view message_id;  ///< the client's; duplicates are judged by (source, message_id)
  std::string_view source;      ///< who sends: a write key's name, an ingest run, "web"
  std::string_view user_id;
  std::string_view anonymous_id;
  std::string_view session_id;  ///< the source's own; empty when it has none
  TimeUs event_time = 0;        ///< when it happened, mended for clock skew where sent time is known
  TimeUs received_time = 0;

  std::string_view page_url;
  std::string_view page_path;
  std::string_view page_title;
  std::string_view page_referrer;
  std::string_view search_query;
  std::string_view list_id;

  std::string_view device_type;  ///< "desktop", "mobile", "tablet", …
  std::string_view os;
  std::string_view browser;
  std::string_view user_agent;
  std::string_view ip;
  std::string_view locale;

  std::string_view country;  ///< as the source writes it
  std::string_view region;
  std::string_view city;
  std::string_view postal_code;
  std::optional<double> latitude;
  std::optional<double> longitude;

  std::optional<double> value;  ///< rating 1–5, seconds read, or the event's own number
  std::span<const EventItem> items;
  std::optional<EventOrder> order;
  std::string_view recommendation_id;  ///< of the answer that led here, when the client says so
  std::string_view properties;         ///< JSON object of everything not named above, or empty

  /// It takes the place of what the tables have under its (source, message_id), however old: a file that is
  /// loaded once more.
  bool replaces = false;

  /// It is what a shop's own database says of its order, and so takes the place of every purchase with its
  /// (source, order id) as well. It also `replaces`, and its message id begins with kOrderIdPrefix.
  bool owns_order = false;

  PartitionId log_partition;
  Offset log_offset;
  std::uint32_t event_index = 0;  ///< among the events of its record

  /// Return who did it: user id, else anonymous id, else session id.
  std::string_view visitor() const {
    return !user_id.empty() ? user_id : !anonymous_id.empty() ? anonymous_id : session_id;
  }
};

/// Events with the memory they point into. Movable, not copyable. One thread at a time.
class EventBatch {
 public:
  std::vector<Event> events;

  /// Return a copy of `text` that lives as long as the batch.
  std::string_view keep(std::string_view text);

  /// Return `n` default items that live as long as the batch, to be filled by the caller.
  std::span<EventItem> new_items(std::size_t n);

 private:
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena_ =
      std::make_unique<std::pmr::monotonic_buffer_resource>(64 * 1024);
};

}  // namespace millrace
