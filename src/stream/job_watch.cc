#include "stream/job_watch.h"

#include <chrono>

#include <pthread.h>

#include "log/topics.h"

namespace millrace {

JobWatch::JobWatch(const EventLog& log, Env& env, DurationUs interval, BackPressure* pressure)
    : log_(log),
      env_(env),
      pressure_(pressure),
      thread_([this, interval](const std::stop_token& stop) { run(stop, interval); }) {}

JobWatch::~JobWatch() = default;

JobMetrics& JobWatch::add(const Job& job) {
  const std::lock_guard lock(mutex_);
  const std::string name(job.name());
  watched_.erase(name);
  return watched_.emplace(name, Watched{job, JobMetrics(name), {}, env_.steady_now()}).first->second.metrics;
}

void JobWatch::run(const std::stop_token& stop, DurationUs interval) {
  pthread_setname_np(pthread_self(), "job-watch");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    for (auto& [name, watched] : watched_) look(watched);
    woken_.wait_for(lock, stop, std::chrono::microseconds(interval), [] { return false; });
  }
}

/// Nothing is shown anew while the log cannot be read: what was shown last stays.
void JobWatch::look(Watched& watched) {
  auto position = position_of(watched.job);
  const auto lag = measure_lag(log_, position, env_.now());
  if (!lag) return;
  const DurationUs now = env_.steady_now();
  if (lag->records == 0 || position != watched.seen) watched.fresh_at = now;
  watched.seen = std::move(position);
  if (pressure_) pressure_->note(watched.job.name(), lag->records);
  watched.metrics.show(*lag, now - watched.fresh_at);
}

/// A job that has not started yet is where the group of its name was.
JobPosition JobWatch::position_of(const Job& job) const {
  auto position = job.done();
  if (!position.empty()) return position;
  const auto topics = log_.topics();
  const auto topic = topics.find(std::string(kEventsTopic));
  if (topic == topics.end()) return position;
  for (std::uint32_t i = 0; i < topic->second.partitions; ++i) {
    const TopicPartition partition{topic->first, PartitionId(i)};
    const auto committed = log_.committed(job.name(), partition);
    if (committed && *committed) position[partition] = **committed;
  }
  return position;
}

}  // namespace millrace
