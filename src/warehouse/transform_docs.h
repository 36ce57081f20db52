#pragma once

#include <string>

#include "base/result.h"
#include "warehouse/duck.h"
#include "warehouse/transform_set.h"

namespace millrace {

/// Write a page of Markdown on the tables that transforms make: a diagram from the warehouse's tables to
/// them, and of each table its columns with their types, what they mean and where they come from. The same
/// for the same files. Errors: those of the warehouse.
Result<std::string> transform_page(duck::Connection& connection, const TransformSet& set);

}  // namespace millrace
