#pragma once

#include <cstddef>

namespace millrace {

/// Raise the process's limit of open files (RLIMIT_NOFILE) to what it is allowed at the most, and return the
/// limit that now holds. Each connection takes one.
std::size_t raise_open_files_limit();

}  // namespace millrace
