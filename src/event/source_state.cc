#include "event/source_state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kNameMax = 60;

/// `analytics` is where the tables of transforms are.
constexpr std::array<std::string_view, 10> kTakenNames = {
    "main",       "analytics", "temp",   "system", "information_schema",
    "pg_catalog", "warehouse", "memory", "sqlite", "default"};

}  // namespace

Status check_source_name(std::string_view name) {
  if (!is_snake_case(name, kNameMax))
    return fail(Code::kInvalid,
                fmt::format("a source is called by small letters, digits and _, beginning with a letter, at "
                            "most {}: its tables lie in a schema of that name",
                            kNameMax));
  if (name.ends_with(kHistorySuffix))
    return fail(
        Code::kInvalid,
        fmt::format("a source cannot be called {}: schemas that end so hold what rows were before", name));
  if (std::ranges::find(kTakenNames, name) != kTakenNames.end() || name.starts_with("replay_"))
    return fail(Code::kInvalid,
                fmt::format("a source cannot be called {}: the warehouse has a schema of that name", name));
  return {};
}

Status check_source_table_name(std::string_view name) {
  const std::string low = to_lower(name);
  if (low != kRejectedTable && !low.starts_with(kStagingPrefix) && !low.starts_with(kOwnPrefix)) return {};
  return fail(Code::kInvalid,
              fmt::format("a table cannot be called {} in the warehouse: leave it out", name));
}

Status check_source_column_name(std::string_view name) {
  if (!to_lower(name).starts_with(kOwnPrefix)) return {};
  return fail(Code::kInvalid,
              fmt::format("a column cannot be called {} in the warehouse: leave it out with exclude", name));
}

}  // namespace millrace
