#include "server/json_text.h"

#include <nlohmann/json.hpp>

namespace millrace {

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace millrace
