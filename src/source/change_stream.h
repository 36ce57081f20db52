#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "source/extract.h"
#include "source/follow_watch.h"
#include "source/mysql_source.h"

namespace millrace {

/// Follows the changes of sources that say `follow: true` (docs/how-to/sources.md#follow): a snapshot of the
/// tables that the warehouse does not have, then the binary log from there on. One thread for each; each
/// tries again for ever, and tells of outages and changes of tables in the topic `source_events`. Threads:
/// any.
class ChangeStreams {
 public:
  /// `tools` as for extractions. What they refer to must outlive it. `identity` differs between the
  /// installations of one machine that may follow one server.
  ChangeStreams(const Extracts::Tools& tools, const std::string& identity);
  ~ChangeStreams();  ///< stops

  /// Stop following; what was read and is not in the log yet comes again next time.
  void stop();

  /// Return how it stands with a source; nothing when it is not followed.
  std::optional<FollowStatus> status(const std::string& source) const;

 private:
  class Stream;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace millrace
