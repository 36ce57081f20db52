#include "log/problem.h"

#include <algorithm>

#include "base/logging.h"
#include "base/metrics.h"

namespace millrace::log {
namespace {

void report(const LogProblem& problem) {
  static prometheus::Counter& problems =
      metrics::counter("millrace_log_problems_total", "Damage found in the files of the log.");
  static prometheus::Counter& lost =
      metrics::counter("millrace_log_lost_records_total", "Records of the log that damage made unreadable.");
  problems.Increment();
  lost.Increment(static_cast<double>(problem.to.value() - problem.from.value()));
  log_error("log", problem.what,
            {field("file", problem.path), field("position", problem.position),
             field("from_offset", problem.from.value()), field("to_offset", problem.to.value())});
}

}  // namespace

void ProblemList::add(const LogProblem& problem) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const LogProblem& known) {
    return known.position == problem.position && known.path == problem.path && known.from == problem.from;
  };
  if (problems_.size() == kProblemsMax || std::ranges::any_of(problems_, same)) return;
  problems_.push_back(problem);
  report(problem);
}

std::vector<LogProblem> ProblemList::list() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

}  // namespace millrace::log
