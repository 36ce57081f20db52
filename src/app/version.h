#pragma once

#include <string_view>

namespace millrace {

/// Version of the program, from CMakeLists.txt.
inline constexpr std::string_view kVersion = MILLRACE_VERSION;

/// Version of the data directory's layout. Raise it when an older program could no longer read what this one
/// writes, and migrate what older ones wrote.
inline constexpr std::string_view kDataVersion = "1";

}  // namespace millrace
