#include "server/worker_pool.h"

#include <exception>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "base/thread.h"

namespace millrace {

WorkerPool::WorkerPool(std::string_view name, std::size_t threads, std::size_t queue_max, int niceness)
    : queue_max_(queue_max) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, niceness] {
      if (niceness > 0) yield_to_others(niceness);
      run();
    });
    pthread_setname_np(threads_.back().native_handle(), fmt::format("{}-{}", name, i).c_str());
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status WorkerPool::submit(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= queue_max_)
      return fail(Code::kOverloaded, "too many requests wait already; try again");
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return {};
}

void WorkerPool::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      work();
    } catch (const std::exception& error) {
      // Of a library; dropping the work answers its request with 500.
      log_error("server", "a worker's task failed", {field("error", error.what())});
    }
  }
}

}  // namespace millrace
