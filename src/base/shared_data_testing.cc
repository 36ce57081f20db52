#include "base/shared_data_testing.h"

#include <cstdlib>
#include <filesystem>

namespace millrace {

Path shared_data(std::string_view name) {
  const char* given = std::getenv("MILLRACE_SHARED_DATA");
  const auto path = Path(given != nullptr ? given : "../shared/data") / name;
  return std::filesystem::exists(path) ? path : Path();
}

}  // namespace millrace
