#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "warehouse/duck.h"

namespace millrace {

/// The new rows of one transaction that take the place of older ones with the same (source, message_id), in
/// `events` with its `order_lines` and `event_items`, and in `quarantine`. One pass over these tables for a
/// transaction, whatever their number. Threads: one at a time.
class Replacements {
 public:
  /// Where a new row stands.
  struct Place {
    const TopicPartition& partition;
    Offset offset;
    std::uint32_t event_index = 0;
  };

  /// Which row of an id stays.
  enum class Stays : bool {
    kAddedLast,     ///< of those that were added
    kReceivedLast,  ///< of all: partitions that are read one after the other come in another order
  };
  struct How {
    Stays stays = Stays::kAddedLast;
    bool note = false;  ///< write where the new rows stand to the table `_replacing`
  };

  /// Note a new row.
  Status add(duck::Connection& connection, std::string_view source, std::string_view message_id,
             const Place& place) {
    return add_row(connection, source, message_id, {}, place);
  }

  /// Note one that takes the place of all purchases with its order id as well.
  Status add_order(duck::Connection& connection, std::string_view source, std::string_view message_id,
                   std::string_view order_id, const Place& place) {
    return add_row(connection, source, message_id, order_id, place);
  }

  /// Delete what has the ids and stands elsewhere; the new rows must have been flushed. `on_events` is called
  /// before events are deleted, when the temporary table `older_rows` names where they stand. Return how many
  /// events were deleted of each partition, and forget everything.
  Result<std::map<TopicPartition, std::uint64_t>> delete_older(duck::Connection& connection, const How& how,
                                                               const std::function<Status()>& on_events);

  /// Forget everything; before the transaction ends.
  void clear() {
    newer_.reset();
    has_orders_ = false;
  }

 private:
  Status add_row(duck::Connection& connection, std::string_view source, std::string_view message_id,
                 std::string_view order_id, const Place& place);

  std::unique_ptr<duck::TableAppender> newer_;  ///< to a temporary table
  bool has_orders_ = false;
};

}  // namespace millrace
