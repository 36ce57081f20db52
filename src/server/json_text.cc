#include "server/json_text.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_text.h"

namespace millrace {

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json json_of_body(std::string_view body) {
  if (!is_utf8(body) || !json::check_json(body)) return nlohmann::json(nlohmann::json::value_t::discarded);
  return nlohmann::json::parse(body, nullptr, false);
}

}  // namespace millrace
