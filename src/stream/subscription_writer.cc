#include "stream/subscription_writer.h"

#include <cassert>

#include <pthread.h>

#include "base/logging.h"

namespace millrace {

SubscriptionWriter::SubscriptionWriter(SubscriptionStore store, EventLog& log,
                                       std::function<void(const Status&)> on_done)
    : store_(std::move(store)),
      log_(log),
      on_done_(std::move(on_done)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

/// Finishes what was begun.
SubscriptionWriter::~SubscriptionWriter() {
  thread_.request_stop();
}

void SubscriptionWriter::begin(SubscriptionWrite write) {
  const std::lock_guard lock(mutex_);
  assert(!next_);
  next_ = std::move(write);
  woken_.notify_one();
}

void SubscriptionWriter::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "sub-write");
  for (;;) {
    SubscriptionWrite work;
    {
      std::unique_lock lock(mutex_);
      if (!woken_.wait(lock, stop, [&] { return next_.has_value(); })) return;
      work = *std::exchange(next_, {});
    }
    const Status done = write(work);
    for (const SubscriptionWrite::Answer& answer : work.answers) answer(done);
    on_done_(done);
  }
}

Status SubscriptionWriter::write(const SubscriptionWrite& work) {
  if (!work.changes.empty())
    if (Status stored = store_.write(work.changes); !stored) {
      log_warning("subscription", "progress could not be stored; will try again",
                  {field("error", stored.error().text())});
      return stored;
    }
  for (const RetentionHold& hold : work.holds) {
    const Status told = hold.next ? log_.commit(hold.group, hold.partition, *hold.next)
                                  : log_.delete_group(hold.group, hold.partition.topic);
    if (!told && told.error().code != Code::kNotFound)
      log_warning("subscription", "retention could not be told", {field("error", told.error().text())});
  }
  return {};
}

}  // namespace millrace
