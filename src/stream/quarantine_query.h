#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/record_address.h"
#include "base/result.h"
#include "base/time.h"
#include "stream/quarantine_desk.h"
#include "warehouse/query_service.h"

namespace millrace {

/// A row of the view `quarantine_desk` with its bytes.
struct RefusedEntry {
  std::string record, state, stage, code, message, where, source, codec, ip, message_id, user_agent, context;
  std::optional<TimeUs> sent_time;
  TimeUs received_time = 0;
  std::string raw;
  RecordAddress place;
};

/// Return what QuarantineDesk::list returns.
Result<std::string> list_refused(QueryService& queries, const QuarantineFilter& filter,
                                 const QuarantinePage& page);

/// Return what QuarantineDesk::groups returns.
Result<std::string> group_refused(QueryService& queries, const QuarantineFilter& filter);

/// Read a page; `cursor` becomes where the next begins, or "" after the last.
Result<std::vector<RefusedEntry>> read_refused(QueryService& queries, const QuarantineFilter& filter,
                                               const QuarantinePage& page, std::string& cursor);

/// Return which of these message ids of a source are in `events`, each with the record that brought it.
Result<std::map<std::string, std::string>> find_events(QueryService& queries, std::string_view source,
                                                       const std::vector<std::string_view>& message_ids);

}  // namespace millrace
