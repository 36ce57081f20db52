#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace millrace {

/// Which tables of a source its orders are made of, and how they hang together.
struct OrderTables {
  struct Column {
    std::string table;
    std::string column;
    std::string text() const { return table + "." + column; }
    bool operator==(const Column&) const = default;
  };
  /// A further table of which an order, or a line, has one row at the most.
  struct Join {
    Column own;  ///< its column …
    Column to;   ///< … that equals one of the head, the lines or a table joined before
  };

  std::string source;
  Column head;   ///< the table with a row for each order, and the column that tells orders from each other
  Column lines;  ///< the table of their lines, and the column that says whose they are
  std::vector<Join> joins;
  std::vector<Column> columns;      ///< what is read of them
  std::uint64_t version = 0;        ///< another one: all orders are told anew
  DurationUs wait = 2 * kSecondUs;  ///< between a change and its telling
};

/// An order of a source that was changed: how it is now, and how it was told last.
struct ChangedOrder {
  /// What was told, and is in the log.
  struct Told {
    std::string order_id;    ///< of the event
    std::uint64_t hash = 0;  ///< of the event's bytes
    bool operator==(const Told&) const = default;
  };
  using Row = std::vector<std::optional<std::string>>;

  std::string key;
  std::vector<Row>
      rows;  ///< OrderTables::columns of each line; none: there is no such order, or it has no lines
  std::optional<Told> told;
};

}  // namespace millrace
