#include "log/commit_state.h"

#include <chrono>

#include <pthread.h>

#include "base/logging.h"
#include "base/metrics.h"

namespace millrace::log {
namespace {

prometheus::Gauge& queued_bytes() {
  static prometheus::Gauge& gauge =
      metrics::gauge("millrace_log_queued_bytes", "Bytes handed to the log and not yet answered.");
  return gauge;
}

}  // namespace

void name_this_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

bool QueueBudget::take(std::size_t bytes, std::size_t records) {
  const std::lock_guard lock(mutex_);
  const bool is_full = bytes_ + bytes > bytes_max_ || records_ + records > records_max_;
  if (is_full && bytes_ > 0) return false;
  bytes_ += bytes;
  records_ += records;
  queued_bytes().Increment(static_cast<double>(bytes));
  return true;
}

void QueueBudget::give_back(std::size_t bytes, std::size_t records) {
  const std::lock_guard lock(mutex_);
  bytes_ -= bytes;
  records_ -= records;
  queued_bytes().Decrement(static_cast<double>(bytes));
}

void StopSign::stop(const Error& why) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  why_ = Error{
      Code::kIo,
      "the log stopped after a failure of the disk and takes nothing until it is opened again (check the "
      "disk, then restart): " +
          why.message,
      why.where};
  stopped_ = true;
  log_error("log", why_->message, {field("file", why.where)});
}

Status StopSign::check() const {
  if (!stopped_) return {};
  const std::lock_guard lock(mutex_);
  return fail(*why_);
}

void Announcer::announce() {
  {
    const std::lock_guard lock(mutex_);
    ++version_;
  }
  changed_.notify_all();
}

void Announcer::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::uint64_t Announcer::wait(std::uint64_t seen, DurationUs wait) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(wait), [&] { return version_ != seen || closed_; });
  return version_;
}

}  // namespace millrace::log
