#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"

namespace millrace {

/// Where a column's value comes from.
struct ColumnOrigin {
  std::string name;
  std::set<std::string> from;  ///< columns of tables, such as "events.dt" and "analytics.visits.source"
  bool as_it_is = false;       ///< it is the one column of `from`, unchanged
};

/// Columns of tables by the tables' names, as `from` of ColumnOrigin writes them.
using TableColumns = std::map<std::string, std::vector<std::string>>;

/// Follow each column of a transform to the columns of tables whose values go into it, through subqueries,
/// WITH, UNION and joins, in the tree that DuckDB's parser makes of it. Columns that only choose rows or
/// order them are not named, but for those in CASE. Errors: those of the warehouse; kInvalid.
Result<std::vector<ColumnOrigin>> column_origins(duck::Connection& connection, const Transform& transform,
                                                 const TableColumns& tables);

}  // namespace millrace
