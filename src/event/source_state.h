#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// What the warehouse has of one table of a source, and how far a new snapshot of it is.
struct SourceTableState {
  /// What readers see.
  struct Published {
    std::string run;  ///< the reading it is of
    std::uint64_t schema_id = 0;
    std::string schema;    ///< TableSchema as JSON
    std::string cursor;    ///< rows up to this value of the cursor are in; empty: none
    std::string position;  ///< of the source
    std::uint64_t rows = 0;
    std::uint64_t rejected = 0;  ///< values in the table _rejected
    TimeUs loaded_time = 0;      ///< when the last record was applied
  };
  /// A snapshot on its way, which readers do not see.
  struct Filling {
    std::string run;
    std::uint64_t schema_id = 0;
    std::string schema;
    std::string resume;  ///< the key of the last row, as cells; empty: none yet
    std::string cursor;
    std::string position;
    std::uint64_t rows = 0;
    bool complete = false;
    std::string problem;  ///< why it cannot be published; empty: none
  };

  std::optional<Published> published;
  std::optional<Filling> filling;
};

/// How far the warehouse has followed a source's changes.
struct SourceStreamState {
  std::string position;    ///< GtidPosition (source/gtid.h) as text
  TimeUs commit_time = 0;  ///< of the last transaction, by the source's clock

  bool operator==(const SourceStreamState&) const = default;
};

/// By the table's name.
using SourceStates = std::map<std::string, SourceTableState, std::less<>>;

/// Errors: kInvalid for a name that cannot be that of a source: its tables lie in a schema of that name.
Status check_source_name(std::string_view name);

/// Errors: kInvalid for a name that the warehouse keeps for itself.
Status check_source_table_name(std::string_view name);
/// The same of a column.
Status check_source_column_name(std::string_view name);

/// The table of a source's schema where values stand that did not fit.
inline constexpr std::string_view kRejectedTable = "_rejected";

/// What the rows of a source's tables were before lies in the schema of the source's name and this.
inline constexpr std::string_view kHistorySuffix = "_history";

/// What tables and columns are called that are ours alone: those of a source may not begin so, in capitals or
/// not.
inline constexpr std::string_view kOwnPrefix = "_millrace_";

/// Snapshots grow in tables called so and the table's name.
inline constexpr std::string_view kStagingPrefix = "_staging_";

}  // namespace millrace
