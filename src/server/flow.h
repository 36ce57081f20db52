#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/env.h"
#include "log/event_log.h"
#include "server/snapshot_streams.h"
#include "stream/books.h"
#include "stream/subscription_engine.h"
#include "warehouse/query_service.h"

namespace millrace {

/// Draws up how the flow stands, from the metrics, the books and the subscriptions, and sends it to open
/// pages once a second: counters and states, from whose differences the reader makes rates. Threads: any
/// method from any thread; `snapshot` may take tens of milliseconds.
class Flow {
 public:
  struct Sources {
    Env& env;
    const EventLog& log;
    SubscriptionEngine& subscriptions;
    QueryService& queries;
    std::function<Result<Books>()> books;
  };
  static constexpr DurationUs kInterval = kSecondUs;

  explicit Flow(Sources sources);

  /// Return
  /// {"time","clock_s","books","log","jobs":[{"name",…}],"counters":{…},"subscriptions":[…],"quarantine":[…]}
  /// as openapi.json describes it. `clock_s` never goes back: rates are differences over it. Errors: those of
  /// the log.
  Result<std::string> snapshot();

  /// Send a server-sent event `snapshot` every second. Errors: those of SnapshotStreams.
  Status add_stream(std::shared_ptr<ResponseStream> stream) { return streams_.add("", std::move(stream)); }

 private:
  std::string subscriptions_json();
  std::string quarantine_json();

  const Sources sources_;
  std::mutex mutex_;  ///< guards the two below; one snapshot at a time
  DurationUs quarantine_at_ = 0;
  std::string quarantine_ = R"({"columns":[],"rows":[],"truncated":false})";
  SnapshotStreams streams_;  ///< last: its thread uses the others
};

}  // namespace millrace
