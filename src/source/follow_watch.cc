#include "source/follow_watch.h"

#include <utility>

#include "base/logging.h"
#include "source/source_events.h"

namespace millrace {

FollowWatch::FollowWatch(EventLog& log, Env& env, About about)
    : log_(log),
      env_(env),
      about_(std::move(about)),
      up_(metrics::gauge("millrace_follow_up", "1 while what is new at a source comes",
                         {{"source", about_.source}})) {}

void FollowWatch::tell(const std::string& type, const std::string& message, TimeUs since) {
  tell_source_event(log_, env_,
                    {.type = type,
                     .source = about_.source,
                     .table = {},
                     .message = message,
                     .before = {},
                     .after = {},
                     .since = since});
}

void FollowWatch::works() {
  up_.Set(1);
  said_.clear();
  board_.change([](FollowStatus& status) {
    status.state = FollowStatus::State::kStreaming;
    status.error.reset();
    status.failing_since = 0;
  });
  if (outage_since_ == 0) return;
  tell("outage_over", "what is new comes again; nothing is missing", std::exchange(outage_since_, 0));
}

void FollowWatch::failed(const Error& error, FollowStatus::State state) {
  up_.Set(0);
  const TimeUs now = env_.now();
  TimeUs since = 0;
  board_.change([&](FollowStatus& status) {
    status.state = state;
    status.error = error;
    if (status.failing_since == 0) status.failing_since = now;
    since = status.failing_since;
  });
  if (std::exchange(said_, error.text()) != error.text()) {
    const bool stopped = state == FollowStatus::State::kStopped;
    log_warning("follow", stopped ? "follows no more" : "does not follow, and tries again",
                {field("source", about_.source), field("error", error.text())});
  }
  const bool is_outage = state == FollowStatus::State::kStopped || now - since >= about_.outage_after;
  if (outage_since_ != 0 || !is_outage) return;
  outage_since_ = since;
  tell("outage_begun", about_.stale + ": " + error.text(), since);
}

}  // namespace millrace
