#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "event/row_changes.h"
#include "event/source_orders.h"
#include "event/source_state.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Makes the tables of sources from records of row changes: those of the source `shop` lie in the schema
/// `shop`. How far it is, is written in the same transaction. A value that does not fit its column is NULL
/// and stands, with the reason, in the schema's table `_rejected`. Threads: one at a time.
class SourceTables {
 public:
  /// `warehouse` must outlive it. Orders of `orders` whose rows change are noted (warehouse/source_orders.h).
  static Result<std::unique_ptr<SourceTables>> open(Warehouse& warehouse,
                                                    std::vector<OrderTables> orders = {});
  virtual ~SourceTables() = default;

  /// Return where to read on in the topic `source.NAME`; nothing when it never was.
  virtual std::optional<Offset> next_offset(std::string_view source) const = 0;

  /// Return what was committed, by source.
  virtual const std::map<std::string, SourceStates, std::less<>>& states() const = 0;

  /// Return how far sources have been followed, by source.
  virtual const std::map<std::string, SourceStreamState, std::less<>>& streams() const = 0;

  /// Begin a transaction; it is the warehouse's only writer until commit or rollback. Errors: kNoSpace.
  virtual Status begin() = 0;
  /// Return whether the record may go into this transaction: DuckDB alters no table that a transaction has
  /// changed. If not, commit before it and begin another; those of following stand first in their group.
  virtual bool fits(std::string_view source, const RowRecord& record) const = 0;
  /// Apply a record, which fits. A record that does not fit what came before spoils its snapshot, which is
  /// then never published, and is no error. Errors: those of the warehouse.
  virtual Status apply(std::string_view source, Offset offset, const RowRecord& record) = 0;
  virtual void set_next(std::string_view source, Offset next) = 0;
  /// Return whether changes were applied whose commit has not come yet: there is no time to commit.
  virtual bool in_changes(std::string_view source) const = 0;
  virtual Status commit() = 0;
  virtual void rollback() = 0;
};

}  // namespace millrace
