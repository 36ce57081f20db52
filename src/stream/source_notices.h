#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/env.h"
#include "event/contracts.h"
#include "log/event_log.h"

namespace millrace {

/// What somebody announces of a source, or Millrace tells of it.
struct SourceNotice {
  std::string id;
  std::string source;  ///< "*": of all
  std::string kind;    ///< "change", "maintenance", "outage"; of Millrace's own "fault"
  std::string text;
  TimeUs announced = 0;
  TimeUs effective = 0;
  std::optional<TimeUs> until;  ///< when it is over
  std::string contract;         ///< of a change or fault: the contract's id …
  std::string version;          ///< … and the version that comes, or that is broken
  std::string object;           ///< of a fault
  std::string property;
  bool stopped = false;        ///< of a fault: all that the source sends of the object goes to quarantine
  std::set<std::string> told;  ///< phases that were told of: "announced", "day_before", "effective", "over"
};

/// Notices of sources, as messages of the topic `source_notices` (docs/how-to/contracts.md has their form),
/// each told at once, a day before it takes effect, when it does, and when it is over, with the owners of all
/// contracts that the source is held to. The topic is the memory: it is read when the process starts, and
/// what fell due meanwhile is told then. Versions of contracts that take effect later are announced by
/// themselves. Threads: any; one of its own, "notices".
class SourceNotices {
 public:
  struct Tools {
    EventLog& log;
    Env& env;
    const Contracts& contracts;
    DurationUs interval = 5 * kSecondUs;  ///< between looks at what is due
  };

  static constexpr std::size_t kNoticesMax = 10'000;  ///< held in memory; of more those that matter least go

  /// Make the topic and read it. All of `tools` must outlive it. Errors: those of the log.
  static Result<std::unique_ptr<SourceNotices>> open(Tools tools);
  ~SourceNotices();

  /// Announce; return the notice once it is durable, as JSON with its owners and what breaks. Errors:
  /// kInvalid, kNotFound for a contract or version that the project has not; those of the log.
  Result<std::string> announce(SourceNotice notice);

  /// Return {"notices":[…]} of a source, the newest first.
  std::string list(std::string_view source) const;

  /// Tell of a fault, once for as long as it lasts. Never blocks.
  void report(const SourceFault& fault);
  /// Let a source through again, and tell so. Return how many of its objects were stopped.
  std::size_t resume(std::string_view source);

 private:
  explicit SourceNotices(Tools tools) : tools_(tools) {}

  Status load();
  void announce_versions();
  void withdraw_versions(TimeUs now);
  void restore_stops();
  void run(const std::stop_token& stop);
  void tell_due(TimeUs now);
  std::vector<std::string> due(const SourceNotice& notice, TimeUs now) const;
  void tell(SourceNotice& notice, const std::string& phase, EventLog::AppendDone done);
  void keep(SourceNotice notice);
  Status check(const SourceNotice& notice) const;
  std::string json(const SourceNotice& notice, std::string_view phase) const;

  const Tools tools_;
  mutable std::mutex mutex_;                     ///< guards the notices
  std::map<std::string, SourceNotice> notices_;  ///< by id
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
