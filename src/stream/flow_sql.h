#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "stream/flow_function.h"

namespace millrace {

/// Make a function of a SQL expression: NULL drops the message, anything else is published as its text; what
/// fails is not tried again. `timeout` is for a batch. Errors: those of FlowExpression::open.
Result<std::unique_ptr<FlowFunction>> make_sql_function(std::string_view sql, DurationUs timeout);

}  // namespace millrace
