#include "warehouse/fact_changes.h"

#include <fmt/format.h>

namespace millrace {

Status note_fact_changes(duck::Connection& connection, const std::string& event_times) {
  return connection.execute(fmt::format(
      "INSERT INTO _fact_changes SELECT (SELECT coalesce(max(number), 0) FROM _fact_changes) + "
      "row_number() OVER (), hour FROM (SELECT DISTINCT date_trunc('hour', event_time) AS hour FROM ({}) "
      "AS changed)",
      event_times));
}

}  // namespace millrace
