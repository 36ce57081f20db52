#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

namespace duck {
class Connection;
}

/// One step from an older set of tables to the next. Once released it never changes.
struct Migration {
  std::string_view name;  ///< "001_tables": its number, from 1 without gaps, and a name
  std::string_view sql;
};

/// Return the migrations built into the program, in order.
std::vector<Migration> embedded_migrations();

/// Apply those of `migrations` that `connection`'s database does not have yet, each in a transaction with its
/// row in `_migrations`. Errors: kInvalid when the database has more of them than we know; those of the SQL.
Status migrate(duck::Connection& connection, const std::vector<Migration>& migrations, TimeUs now);

}  // namespace millrace
