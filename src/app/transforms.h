#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "log/event_log.h"
#include "server/push_client.h"
#include "stream/job.h"

namespace millrace {

/// One file of PROJECT/in_flight/: a transform in flight. docs/how-to/transforms-in-flight.md has the keys.
struct InFlightTransform {
  std::string name;  ///< the file's
  std::string from = "events";
  std::string to;
  bool from_start = false;
  std::string sql;            ///< an expression, or "" for `url`
  std::string url;            ///< of an HTTP function
  std::string authorization;  ///< of the target that allows `url`
  DurationUs timeout = 5 * kSecondUs;
  std::size_t batch = 500;
};

/// Read every *.yaml in `dir`; none when there is no such directory. `targets` says where functions may be
/// called. Errors: kInvalid with file and line: also for SQL that does not parse, a URL that no target
/// allows, and transforms that lead round in a circle; kIo.
Result<std::vector<InFlightTransform>> load_transforms(Env& env, const Path& dir,
                                                       const std::vector<PushTarget>& targets);

/// Make the job of a transform; its checkpoint lies in `dir`. Errors: those of the function.
Result<std::unique_ptr<Job>> make_transform_job(EventLog& log, Env& env, const Path& dir,
                                                const InFlightTransform& transform);

/// Forget those that have a checkpoint in `dir` and are declared no more, so that they hold back retention no
/// longer.
Status forget_transforms(EventLog& log, Env& env, const Path& dir,
                         const std::vector<InFlightTransform>& declared);

}  // namespace millrace
