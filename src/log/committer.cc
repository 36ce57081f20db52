#include "log/committer.h"

#include <algorithm>

#include "base/callback_batch.h"
#include "base/metrics.h"

namespace millrace::log {
namespace {

/// Those who wait for answers are woken after so many: not for each one, and not only after the last of many.
constexpr std::size_t kAnswersPerWakeMax = 16;

struct CommitMetrics {
  prometheus::Counter& bytes = metrics::counter("millrace_log_appended_bytes_total", "Bytes made durable.");
  prometheus::Counter& records =
      metrics::counter("millrace_log_appended_records_total", "Records made durable.");
  prometheus::Counter& failed = metrics::counter("millrace_log_failed_appends_total",
                                                 "Batches that could not be written, as on a full disk.");
  prometheus::Histogram& sync_seconds = metrics::latency_seconds(
      "millrace_log_sync_seconds", "Time that one write and sync of a partition took.");
};

CommitMetrics& commit_metrics() {
  static CommitMetrics all;
  return all;
}

}  // namespace

void Committer::push(PendingAppend append) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(append));
  }
  queued_.notify_one();
}

void Committer::start(std::string name) {
  thread_ = std::thread([this, name] {
    name_this_thread(name.c_str());
    run();
  });
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_one();
  if (thread_.joinable()) thread_.join();
  commit_queued();
}

void Committer::drain() {
  if (!thread_.joinable()) {
    commit_queued();
    return;
  }
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return queue_.empty() && !busy_; });
}

void Committer::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      queued_.wait(lock, [&] { return !queue_.empty() || stopping_; });
      if (queue_.empty()) return;
    }
    commit_queued();
  }
}

bool Committer::commit_queued() {
  std::vector<PendingAppend> appends;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    appends.swap(queue_);
    busy_ = true;
  }
  commit(appends);
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
  idle_.notify_all();
  return true;
}

void Committer::commit(std::vector<PendingAppend>& appends) {
  std::ranges::stable_sort(appends, {}, &PendingAppend::partition);
  for (auto begin = appends.begin(); begin != appends.end();) {
    const auto other = [&](const PendingAppend& append) { return append.partition != begin->partition; };
    const auto end = std::find_if(begin, appends.end(), other);
    commit_group(Group(begin, end));
    begin = end;
  }
}

void Committer::commit_group(Group group) {
  if (Status done = write_and_sync(group); !done) {
    const Error error = take_back(group.front(), std::move(done).error());
    commit_metrics().failed.Increment(static_cast<double>(group.size()));
    for (PendingAppend& append : group) answer(append, fail(error));
    return;
  }
  Partition& partition = *group.front().partition;
  const std::vector<Offset> firsts = partition.publish();
  shared_.announcer.announce();
  if (partition.wants_upkeep()) shared_.wake_upkeep();
  for (std::size_t begin = 0; begin < group.size(); begin += kAnswersPerWakeMax) {
    const CallbackBatch batch;
    const std::size_t end = std::min(group.size(), begin + kAnswersPerWakeMax);
    for (std::size_t i = begin; i < end; ++i) answer(group[i], firsts[i]);
  }
}

Status Committer::write_and_sync(Group group) {
  MILLRACE_TRY(shared_.stop.check());
  std::vector<EncodedFrame*> frames;
  frames.reserve(group.size());
  for (PendingAppend& append : group) frames.push_back(&append.frame);
  const DurationUs began_us = shared_.env.steady_now();
  MILLRACE_TRY(group.front().partition->write(frames));
  MILLRACE_TRY(group.front().partition->sync());
  const auto took_us = static_cast<double>(shared_.env.steady_now() - began_us);
  commit_metrics().sync_seconds.Observe(took_us / kSecondUs);
  return {};
}

/// Undo what was written, or stop the log when its state on the disk cannot be known. Return what to
/// answer.
Error Committer::take_back(const PendingAppend& append, Error error) {
  if (append.topic->is_deleted()) return {Code::kNotFound, "the topic was deleted", append.topic->name()};
  if (Status stopped = shared_.stop.check(); !stopped) return std::move(stopped).error();
  if (error.code == Code::kNoSpace) {
    const Status undone = append.partition->abandon();
    if (undone || undone.error().code == Code::kNoSpace) return error;
    error = undone.error();
  }
  shared_.stop.stop(error);
  return shared_.stop.check().error();
}

void Committer::answer(PendingAppend& append, Result<Offset> result) {
  if (result) {
    commit_metrics().bytes.Increment(static_cast<double>(append.frame.size));
    commit_metrics().records.Increment(append.frame.record_count);
  }
  shared_.budget.give_back(append.frame.size, append.frame.record_count);
  append.done(std::move(result));
  append.done = nullptr;
  append.frame.bytes.reset();
}

}  // namespace millrace::log
