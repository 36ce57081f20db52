#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "event/event.h"
#include "warehouse/duck.h"
#include "warehouse/fact_writer.h"

namespace millrace {

/// The changes of `items` or `users` in one transaction; of several changes of one id the last counts. Each
/// keeps its text in memory of its own. Threads: one at a time.
class ChangeSet {
 public:
  enum class Table : std::uint8_t { kItems, kUsers };
  explicit ChangeSet(Table table) : table_(table) {}

  /// Read a record {"op","id","attributes"}; `value` needs 64 readable bytes after its end.
  /// Errors: kInvalid, `where` naming the field; nothing is then added.
  Status add(const RecordPlace& place, std::string_view value);

  /// Replace what the table says of the changed ids, and forget the changes.
  Status write(duck::Connection& connection);

  std::size_t size() const { return changes_.size(); }
  void clear();

 private:
  struct Change {
    bool deleted = false;                ///< and not put again
    std::optional<TimeUs> deleted_time;  ///< of the last deletion in the transaction
    std::string_view id, name, category, currency, country, region, city, attributes;
    std::optional<Decimal> price;
    bool available = true;
    TopicPartition partition;
    Offset offset;
    TimeUs time = 0;
  };
  Status read(std::string_view value, Change& change);
  Status read_attributes(std::string_view json, Change& change);
  Status write_changed_ids(duck::Connection& connection) const;
  Status write_deletes(duck::Connection& connection) const;
  Status write_item(duck::TableAppender& row, const Change& change) const;
  Status write_user(duck::TableAppender& row, const Change& change) const;

  const Table table_;
  EventBatch arena_;  ///< owns what the views point into
  std::unordered_map<std::string_view, Change> changes_;
};

/// Append the rows of one served answer, a record of `recommendations`; `value` needs 64 readable bytes after
/// its end. Errors: kInvalid when it is not one (nothing is then added); others as TableAppender's.
Status append_recommendation(duck::TableAppender& row, const RecordPlace& place, std::string_view value);

/// Append the row of a decision, a record of `quarantine_decisions` as in docs/schema.md; `value` needs 64
/// readable bytes after its end. Errors: as above.
Status append_decision(duck::TableAppender& row, const RecordPlace& place, std::string_view value);

/// Append one row of `quarantine`.
Status append_quarantine(duck::TableAppender& row, const RecordPlace& place,
                         const QuarantineRow& quarantined);

}  // namespace millrace
