#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/env.h"
#include "log/event_log.h"
#include "recommend/recommend_job.h"
#include "recommend/recommender.h"
#include "stream/event_feed.h"
#include "stream/job.h"

namespace millrace {

/// An answer that is durable.
struct StreamedAnswer {
  std::string user;     ///< user id, else anonymous id, or empty
  std::string session;  ///< or empty
  std::string json;     ///< the record, in one line
};

struct StreamingSettings {
  bool enabled = true;
  /// Events received longer ago are not answered when the job comes to them: after a restart nobody waits
  /// for them any more.
  DurationUs age_max = kMinuteUs;
};

struct StreamingJobOptions {
  StreamingSettings settings;
  std::size_t items = 5;         ///< in each list
  std::size_t products_max = 8;  ///< of an event that get a list of similar items
  std::size_t batch_max = 64;    ///< events answered in one append
  /// An event is answered without the recommender's knowing of it after so long a wait for that.
  DurationUs wait_max = kSecondUs / 2;
  /// Nor those that happened so long before they were received: that is history being loaded.
  DurationUs history_age = kDayUs;
  DurationUs checkpoint_interval = 5 * kSecondUs;
  std::size_t recent_max = 65'536;  ///< answers by whose ids a producer's retry is recognised
  Path position;                    ///< its checkpoint: DATA/streaming.json
  /// Called with answers that have become durable, on the job's thread; must be short. May be empty.
  std::function<void(std::span<const StreamedAnswer>)> on_answers;
};

/// The job `streaming`: answers every event of type activity with recommendations, in the topic
/// `recommendations`. It reads behind the job `recommend`, so that an answer rests on the very event.
///
/// Exactly once: an answer's record names the event it belongs to; what was kept since the last checkpoint is
/// read again after a crash, and the job goes on behind it. An event with a source and message id that was
/// answered lately is a producer's retry and gets no second answer; one that comes later gets the same id.
/// Metrics: millrace_streaming_{answers,skipped,repeated}_total, millrace_streaming_seconds.
class StreamingJob : public Job {
 public:
  /// The references must outlive it.
  struct Tools {
    EventLog& log;
    EventFeed& feed;
    Env& env;
    const Recommender& recommender;
    const RecommendJob& recommend_job;
  };

  static std::unique_ptr<StreamingJob> make(const Tools& tools, StreamingJobOptions options);

  /// Forget where it was, for when it is switched off. Errors: those of Env.
  static Status forget(Env& env, const Path& position);
};

}  // namespace millrace
