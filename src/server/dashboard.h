#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/env.h"
#include "server/serving_stats.h"
#include "server/snapshot_streams.h"
#include "stream/books.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Return the books as pages show them:
/// {"received","logged","quarantined","applied","duplicate","quarantined_later",
/// "pending","quarantine_pending","balanced"}.
std::string books_figures(const Books& books);

/// Draws up what the dashboard shows and sends it to open pages once a second. Does nothing while no page is
/// open. Threads: any method from any thread; `snapshot` may take tens of milliseconds.
class Dashboard {
 public:
  struct Sources {
    Env& env;
    Warehouse& warehouse;
    const ServingStats& serving;
    std::function<Result<Books>()> books;
    std::string version;
  };

  /// Snapshots are drawn up at most this often for each window, however many pages are open.
  static constexpr DurationUs kInterval = kSecondUs;

  explicit Dashboard(Sources sources);

  /// Return the figures of `window` (1h, 24h, 7d, 30d, all) as JSON. Errors: kInvalid for another window.
  Result<std::string> snapshot(std::string_view window);

  /// Send a server-sent event `snapshot` to the stream every second, until its client goes.
  /// Errors: kInvalid for an unknown window; those of SnapshotStreams.
  Status add_stream(std::string_view window, std::shared_ptr<ResponseStream> stream);

 private:
  struct Rates {
    double events_per_s = 0;
    double recommendations_per_s = 0;
  };

  Rates rates(std::uint64_t received);
  Result<std::string> head();

  Sources sources_;
  const DurationUs started_;

  std::mutex snapshot_mutex_;  ///< one snapshot at a time; guards the four below
  std::map<std::string, std::pair<DurationUs, std::string>, std::less<>> warehouse_part_;
  DurationUs rates_at_ = 0;
  std::uint64_t events_seen_ = 0;
  std::uint64_t served_seen_ = 0;
  Rates rates_;

  SnapshotStreams streams_;  ///< last: its thread uses the others
};

}  // namespace millrace
