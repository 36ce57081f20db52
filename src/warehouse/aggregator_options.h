#pragma once

#include <cstdint>

namespace millrace {

struct AggregatorOptions {
  /// Rows of one table that transactions added since they were added up last: beyond it, the next transaction
  /// adds them up, which makes one row of all that have the same window and keys.
  std::int64_t fresh_rows_max = 200'000;
  /// Rows that were added up once, likewise; they are then left alone.
  std::int64_t middle_rows_max = 1'600'000;
};

}  // namespace millrace
