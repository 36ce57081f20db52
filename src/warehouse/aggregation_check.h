#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "warehouse/aggregation.h"
#include "warehouse/aggregation_sql.h"
#include "warehouse/duck.h"

namespace millrace {

/// Checks the expressions of aggregations against the tables they read: each is one expression over columns
/// that exist, with nothing but functions that give the same for the same row. So what they add up to does
/// not depend on when they ran, and they reach nothing else.
class AggregationChecker {
 public:
  /// `connection` must outlive it.
  explicit AggregationChecker(duck::Connection& connection) : connection_(connection) {}

  /// Note all that is wrong with the expressions of `source`, which reads `input`, at their lines.
  /// Errors: those of the machine.
  Status check(const AggregationSource& source, const AggregationInput& input);

 private:
  Status learn_functions();
  Status learn_columns(const AggregationInput& input);
  Status check_expression(std::string_view expression) const;
  Status check_node(const nlohmann::json& node) const;
  Result<duck::LogicalType> type_of(std::string_view expression) const;
  Status check_condition(std::string_view expression) const;
  Status check_measure(const Measure& measure) const;

  duck::Connection& connection_;
  std::set<std::string> functions_;   ///< that may be called
  std::string from_;                  ///< of the aggregation in hand
  std::vector<std::string> columns_;  ///< of `from_`
};

}  // namespace millrace
