#include "stream/job.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include <pthread.h>

#include "base/logging.h"
#include "base/thread.h"
#include "stream/job_watch.h"

namespace millrace {
namespace {

constexpr std::size_t kThreadNameMax = 15;  // of Linux

}  // namespace

/// One job with its thread.
struct JobRunner::Running {
  std::unique_ptr<Job> job;
  JobMetrics* metrics = nullptr;  ///< the watch's
  std::atomic<bool> draining = false;
  std::atomic<bool> done = false;  ///< of a draining job: had nothing more to do
  std::mutex mutex;
  std::condition_variable_any woken;
  std::jthread thread;  ///< last: uses the others

  /// Sleep, unless told to stop; true when told.
  bool sleep(const std::stop_token& stop, DurationUs duration) {
    std::unique_lock lock(mutex);
    return woken.wait_for(lock, stop, std::chrono::microseconds(duration),
                          [&] { return stop.stop_requested(); });
  }
};

/// How long to wait after errors in a row: twice as long after each, up to a bound.
class JobRunner::BackOff {
 public:
  explicit BackOff(const JobRunnerOptions& options) : options_(options), next_(options.back_off_min) {}
  void reset() { next_ = options_.back_off_min; }
  DurationUs take() {
    const auto wait = next_;
    next_ = std::min(2 * next_, options_.back_off_max);
    return wait;
  }

 private:
  const JobRunnerOptions& options_;
  DurationUs next_;
};

JobRunner::JobRunner(const EventLog& log, Env& env, const JobRunnerOptions& options)
    : log_(log), env_(env), options_(options) {}

JobRunner::~JobRunner() {
  stop();
}

void JobRunner::start(std::unique_ptr<Job> job, int niceness) {
  auto& running = *running_.emplace_back(std::make_unique<Running>());
  running.job = std::move(job);
  if (!watch_) watch_ = std::make_unique<JobWatch>(log_, env_, options_.watch_interval, options_.pressure);
  running.metrics = &watch_->add(*running.job);
  running.job->show_in(*running.metrics);
  running.thread = std::jthread([this, &running, niceness](const std::stop_token& stop) {
    if (niceness > 0) yield_to_others(niceness);
    run(running, stop);
  });
}

void JobRunner::run(Running& running, const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), std::string(running.job->name().substr(0, kThreadNameMax)).c_str());
  BackOff back_off(options_);
  while (!stop.stop_requested()) {
    const Status started = running.job->start();
    if (!started && started.error().code == Code::kCancelled && running.draining) {
      running.done = true;  // what it begins from is being closed: it begins at the next start
      return;
    }
    if (take(running, started, back_off, stop)) break;
  }
  back_off.reset();
  std::uint64_t seen = 0;
  while (!stop.stop_requested()) {
    const bool draining = running.draining;  // before the step: a step after it sees all that was appended
    const DurationUs begun = env_.steady_now();
    const auto result = running.job->step();
    if (!take(running, result ? Status{} : fail(result.error()), back_off, stop)) continue;
    back_off.reset();
    if (result->records > 0)
      running.metrics->count_step(result->records, result->events, env_.steady_now() - begun);
    if (draining) {
      running.done = !result->more;
      if (running.done) running.sleep(stop, options_.idle_wait);
      continue;
    }
    if (running.sleep(stop, result->rest) || result->more) continue;
    seen = log_.wait_for_append(seen, options_.idle_wait);
  }
}

/// Look at what a call to the job gave: false after an error, which is reported and waited out.
bool JobRunner::take(Running& running, const Status& status, BackOff& back_off, const std::stop_token& stop) {
  if (status) return true;
  const auto wait = back_off.take();
  running.metrics->count_error();
  log_warning(running.job->name(), "failed; will try again",
              {field("error", status.error().text()), field("code", code_name(status.error().code)),
               field("wait_ms", wait / kMillisecondUs)});
  running.sleep(stop, wait);
  return false;
}

Status JobRunner::drain(DurationUs limit) {
  const auto until = env_.steady_now() + limit;
  for (auto& running : running_) running->draining = true;
  const auto all_done = [&] {
    return std::ranges::all_of(running_, [](const auto& r) { return r->done.load(); });
  };
  while (!all_done() && env_.steady_now() < until) env_.sleep_for(kMillisecondUs);
  std::string late;
  for (const auto& running : running_) {
    if (!running->done) late += (late.empty() ? "" : ", ") + std::string(running->job->name());
  }
  stop();
  if (late.empty()) return {};
  return fail(Code::kDeadline, "jobs that had not finished when time was up: " + late);
}

void JobRunner::stop() {
  for (auto& running : running_) running->thread.request_stop();
  for (auto& running : running_) running->thread.join();
  watch_.reset();
  running_.clear();
}

}  // namespace millrace
