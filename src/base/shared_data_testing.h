#pragma once

#include <string_view>

#include "base/env.h"

namespace millrace {

/// Return a file of the shared real data (`MILLRACE_SHARED_DATA`, else `../shared/data` beside the
/// project), or an empty path when it is not there; the test then skips.
Path shared_data(std::string_view name);

}  // namespace millrace
