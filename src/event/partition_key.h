#pragma once

#include <string_view>

#include "event/event.h"

namespace millrace {

/// Return what an event's record is placed by: anonymous id, else session id, else user id.
inline std::string_view partition_key(const Event& event) {
  if (!event.anonymous_id.empty()) return event.anonymous_id;
  return !event.session_id.empty() ? event.session_id : event.user_id;
}

}  // namespace millrace
