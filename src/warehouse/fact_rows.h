#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "base/result.h"
#include "event/event.h"
#include "warehouse/duck.h"

namespace millrace {

/// Turns events into rows of `events`, `order_lines` and `event_items`, as docs/schema.md says. Lives no
/// longer than the transaction it writes to. Threads: one at a time.
class FactRows {
 public:
  static Result<FactRows> open(duck::Connection& connection);

  /// Add one event with its items; `visit` is nothing when it names nobody.
  Status add(const TopicPartition& partition, const Event& event, std::optional<std::uint64_t> visit);

  /// Hand everything over to the transaction.
  Status flush();
  std::size_t rows() const { return events_->rows() + lines_->rows() + items_->rows(); }

 private:
  FactRows() = default;
  struct Fact;
  Status add_event(const Fact& fact);
  Status add_order_line(const Fact& fact, std::int32_t line, const EventItem& item);
  Status add_order_without_items(const Fact& fact);
  Status add_event_item(const Fact& fact, std::int32_t index, const EventItem& item);
  Status write_line(const Fact& fact, std::int32_t line, const EventItem& item,
                    std::optional<Decimal> quantity, std::optional<Decimal> amount);

  std::unique_ptr<duck::TableAppender> events_;
  std::unique_ptr<duck::TableAppender> lines_;
  std::unique_ptr<duck::TableAppender> items_;
};

/// Return the first part of a category path: "Garden" of "Garden/Tools".
std::string_view category_top(std::string_view path);

/// Write the columns log_topic … event_index, which end every fact row.
void write_log_position(duck::TableAppender& row, const TopicPartition& partition, Offset offset,
                        std::uint32_t event_index);

}  // namespace millrace
