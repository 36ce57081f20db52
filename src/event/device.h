#pragma once

#include <string_view>

namespace millrace {

/// Return "mobile", "tablet", "desktop" or "bot" as a browser's User-Agent tells, or "" when it does not say:
/// for sources that send no device type. A handful of marks that browsers have kept for years; no list of
/// models.
std::string_view device_type_of(std::string_view user_agent);

}  // namespace millrace
