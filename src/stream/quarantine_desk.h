#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/record_address.h"
#include "base/result.h"
#include "log/event_log.h"
#include "stream/job.h"
#include "warehouse/query_service.h"

namespace millrace {

class Contracts;

/// Which refused records are meant: those that meet all that is said.
struct QuarantineFilter {
  std::string state = "waiting";  ///< or `replayed`, `dropped`; empty: all
  std::string stage, code, source;
  std::string message;  ///< the reason's own words, whole
  std::string text;     ///< occurs in the reason, the place, the message id or the bytes; capitals or not
  std::optional<TimeUs> since, until;  ///< of receipt; from the first to before the second
  std::vector<RecordAddress> records;  ///< none: any
};

/// A part of what a filter means, the newest first.
struct QuarantinePage {
  std::size_t limit = 100;  ///< 1 to kQuarantinePageMax
  std::string cursor;       ///< where an earlier part ended
};
inline constexpr std::size_t kQuarantinePageMax = 500;

/// What to do with the records of a page.
struct QuarantineAction {
  QuarantineFilter filter;
  QuarantinePage page;
  std::string mend;  ///< a SQL expression that gives the mended text; empty: as they are
  std::string note;  ///< why, for those who look later
};

/// What came of one record.
struct QuarantineOutcome {
  std::string record;
  std::optional<std::string> before, after;  ///< its text, in a trial
  std::string replayed_as;                   ///< the record it became, or was already
  std::optional<Error> error;                ///< why it stays where it is
};

struct QuarantineResult {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::vector<QuarantineOutcome> outcomes;
  std::string cursor;  ///< of the next part; empty: that was the last
};

/// Where people look through what was refused, mend it, have it taken in, or drop it with a note. The truth
/// is in the warehouse: the table `quarantine`, and what was decided in `quarantine_decisions`, which the
/// log's topic of that name fills; the view `quarantine_desk` has both.
///
/// A record that is replayed keeps its source, and the time, address and context with which it came; it has
/// the message id that it brought, else its place in the quarantine as one. So it counts once, however often
/// it is replayed and wherever that is cut off: what is in the table `events` under its message ids is not
/// appended again. Threads: any method from any thread; one action at a time.
class QuarantineDesk {
 public:
  struct Tools {
    EventLog& log;
    Env& env;
    QueryService& queries;
    std::function<std::optional<JobPosition>()> loaded;  ///< how far the loader is; nothing: not known yet
    DurationUs wait_max = 10 * kSecondUs;                ///< for the loader to take in what was decided
    const Contracts* contracts = nullptr;                ///< that what comes back must fit; none: any
  };

  /// All that `tools` refers to must outlive it.
  explicit QuarantineDesk(Tools tools);

  /// Return {"columns","rows","cursor"}: entries, without their bytes. Errors: kInvalid for a bad cursor;
  /// those of QueryService.
  Result<std::string> list(const QuarantineFilter& filter, const QuarantinePage& page);

  /// Return {"columns","rows"}: alike ones together, by stage, code, message and source.
  Result<std::string> groups(const QuarantineFilter& filter);

  /// Say what replaying would do, and show each text before and after. Changes nothing. Errors: kInvalid for
  /// a mend that is no expression; those of `list`.
  Result<QuarantineResult> try_out(const QuarantineAction& action);

  /// Have records taken in. One that cannot be stays waiting, with the reason in the result. Returns when
  /// everything is durable and, unless that takes `wait_max`, the desk shows it. Errors: as above;
  /// kOverloaded while the loader has not taken in what was decided before; those of EventLog::append.
  Result<QuarantineResult> replay(const QuarantineAction& action);

  /// Note that records need nothing more, and why. They stay in the tables. Errors: kInvalid without a note.
  Result<QuarantineResult> drop(const QuarantineAction& action);

  /// Have dropped records wait again.
  Result<QuarantineResult> reopen(const QuarantineAction& action);

 private:
  struct Entry;
  struct Decision;

  Result<std::vector<Entry>> entries(const QuarantineAction& action, std::string& cursor);
  Status check_caught_up() const;
  Status mend(std::vector<Entry>& entries, const std::string& expression) const;
  Status make_ready(std::vector<Entry>& entries) const;
  Status find_known(std::vector<Entry>& entries) const;
  Status append(std::vector<Entry>& entries);
  Status decide(const std::vector<Decision>& decisions);
  static void finish(const QuarantineAction& action, std::vector<Entry>& entries, QuarantineResult& result);
  Result<QuarantineResult> close(const QuarantineAction& action, std::string_view decision);

  const Tools tools_;
  std::map<TopicPartition, Offset> begun_at_;  ///< the ends of `events` when it was made
  std::mutex mutex_;                           ///< held by an action
};

}  // namespace millrace
