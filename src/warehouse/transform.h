#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// The schema that tables of transforms are in.
inline constexpr const char* kTransformSchema = "analytics";

/// A transform as a user wrote it: `transforms/NAME.sql`. The name is the file's.
struct TransformFile {
  Path path;
  std::string text;
};

/// One SELECT and what its head, a comment of YAML, says of it. docs/how-to/transforms.md has the keys. The
/// SQL is as written, not yet checked.
struct Transform {
  struct Accepted {
    std::string column;
    std::vector<std::string> values;
  };

  std::string name;
  Path path;
  std::string text;  ///< the whole file
  std::string description;
  std::map<std::string, std::string> columns;  ///< what they mean

  DurationUs interval = 0;  ///< 0: made anew as a whole in each run
  std::string time;         ///< the column that says which interval a row is of
  std::optional<TimeUs> begin;
  std::uint32_t lookback = 0;  ///< intervals before one with new facts that are run again with it
  std::uint32_t batch = 31;    ///< intervals that one statement may make together

  std::vector<std::vector<std::string>> unique;
  std::vector<std::string> not_null;
  std::vector<Accepted> accepted;

  std::uint32_t version = 0;        ///< 0: it has no versions
  std::optional<TimeUs> old_until;  ///< until when the version before is kept as a view

  bool is_incremental() const { return interval > 0; }
  /// Return its table with the schema, as SQL writes it.
  std::string table() const;
};

/// Read a file's name and head. Errors: kInvalid, all mistakes at once, each with file and line.
Result<Transform> parse_transform(const TransformFile& file);

/// Return a name as an identifier of SQL, in double quotes.
std::string sql_identifier(std::string_view name);

}  // namespace millrace
