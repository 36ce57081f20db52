#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "base/decimal.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "event/event.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// One thing that happened to one item: a row of the view `item_interactions`. Empty text means absent.
/// The views live until the callback that got the row returns.
struct Interaction {
  TimeUs event_time = 0;
  EventType type = EventType::kCustom;
  std::string_view type_name;  ///< also for custom types
  std::string_view source;
  std::string_view user_id;
  std::string_view anonymous_id;
  std::string_view session_id;
  std::uint64_t visit_id = 0;  ///< the same for all interactions of one visit; 0 when nobody is named
  std::string_view item_id;
  std::string_view category;  ///< whole path
  std::string_view country;
  std::optional<Decimal> price;
  std::optional<Decimal> quantity;  ///< negative in refunds
  std::string_view currency;
  std::string_view order_id;    ///< of purchases and refunds
  std::optional<double> value;  ///< rating 1–5, seconds read
  bool in_cart = false;

  std::string_view visitor() const {
    return !user_id.empty() ? user_id : !anonymous_id.empty() ? anonymous_id : session_id;
  }
};

/// The present attributes of one item: a row of the table `items`.
struct CatalogueItem {
  std::string_view item_id;
  std::string_view name;
  std::string_view category;
  std::optional<Decimal> price;
  std::string_view currency;
  bool available = true;
  std::string_view attributes;  ///< JSON object
};

/// What is known of a person: a row of the table `users`.
struct KnownUser {
  std::string_view user_id;
  std::string_view country;
};

/// An item that is deleted, or a user that was and may have been put again since.
struct Deletion {
  bool is_user = false;
  std::string_view id;
  TimeUs time = 0;  ///< of the last deletion
};

struct InteractionScan {
  std::optional<TimeUs> since;  ///< only events at or after this time
  std::function<void(std::span<const Interaction>)> on_interactions;
  // These are called before it, in this order; they may be empty.
  std::function<void(std::span<const Deletion>)> on_deletions;  ///< by time
  std::function<void(std::span<const CatalogueItem>)> on_items;
  std::function<void(std::span<const KnownUser>)> on_users;
};

/// Where to read on in the log to get exactly what the scan did not give. A partition that is absent was
/// never loaded: read it from its start.
using SnapshotOffsets = std::map<TopicPartition, Offset>;

/// Give all items of the catalogue and all people, then all interactions in event-time order, in blocks of up
/// to a few thousand, and return the log offsets that belong to them: one snapshot. Streams: memory is
/// bounded by DuckDB's limit. Callbacks run on the caller's thread.
/// Errors: kNoSpace, kOverloaded (DuckDB out of memory), kIo.
Result<SnapshotOffsets> scan_interactions(Warehouse& warehouse, const InteractionScan& scan);

}  // namespace millrace
