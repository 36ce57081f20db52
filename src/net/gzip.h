#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Return whether `bytes` begin like a gzip file.
bool looks_gzipped(std::string_view bytes);

/// Inflate a gzip file (of one or more members). Errors: kInvalid when it is damaged or cut short;
/// kOutOfRange when the result would be larger than `bytes_max`, having inflated no more than that.
Result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max);

/// Compress into one gzip member; `level` 1 (fast) to 9.
std::string gzip(std::string_view bytes, int level = 6);

}  // namespace millrace
