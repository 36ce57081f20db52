#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "warehouse/duck.h"

namespace millrace {

/// Check, before it runs, that SQL which somebody wrote is one SELECT over tables of the warehouse, those of
/// transforms and of sources, as `check_query` says (warehouse/sql_guard.h). Errors: of that.
Status check_select(duck::Connection& connection, std::string_view sql,
                    const std::function<bool(std::string_view table)>& may_read);

/// Check likewise SQL that must give the same of the same tables. Errors: kInvalid too for what does not.
Status check_steady_select(duck::Connection& connection, std::string_view sql);

/// Return the functions, in small letters, that give something else each time.
Result<std::set<std::string>> unsteady_functions(duck::Connection& connection);

}  // namespace millrace
