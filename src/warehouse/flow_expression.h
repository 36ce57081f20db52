#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// One message as a SQL expression sees it: the columns of the same names.
struct ExpressionRow {
  std::string_view data;        ///< JSON; NULL when the message is none
  std::string_view key;         ///< VARCHAR; NULL when it has none
  TimeUs time = 0;              ///< TIMESTAMP, when it was published
  std::string_view attributes;  ///< a JSON object
};

/// A SQL expression that makes of one message another one. Runs in a DuckDB of its own, in memory, that
/// reaches no file and no table. Threads: one at a time.
class FlowExpression {
 public:
  /// What it made of a row: text to publish, nothing for NULL, or why it failed for that row.
  using Outcome = Result<std::optional<std::string>>;

  virtual ~FlowExpression() = default;

  /// Errors: kInvalid, DuckDB's words on what is wrong with it.
  static Result<std::unique_ptr<FlowExpression>> open(std::string_view sql);

  /// Apply it to all rows at once; when that fails, to ever smaller parts, so that only the rows to blame
  /// fail. It may take `limit`, a part a quarter of that. Errors: DuckDB's own troubles.
  virtual Result<std::vector<Outcome>> apply(std::span<const ExpressionRow> rows, DurationUs limit) = 0;
};

}  // namespace millrace
