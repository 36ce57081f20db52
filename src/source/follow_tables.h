#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event/row_changes.h"
#include "source/mysql_tables.h"

namespace millrace {

/// Return why the changes of a table cannot be followed; nothing when they can.
std::optional<std::string> follow_obstacle(const MysqlTable& table);

/// Return whether the table has what it had, names of an ENUM or SET perhaps more and texts perhaps longer,
/// and behind that columns alone of which older rows have NULL.
bool only_grew(const TableSchema& before, const MysqlTable& table);

/// Return the column with the largest value in `payload`, changes of rows as a record has them.
std::string largest_column(const TableSchema& schema, std::string_view payload);

}  // namespace millrace
