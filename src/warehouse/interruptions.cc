#include "warehouse/interruptions.h"

#include <chrono>

namespace millrace::duck {

Status Interruptions::watch(const Connection& connection) {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable()) return fail(Code::kCancelled, "shutting down");
  std::erase_if(watched_, [](const auto& one) { return one.expired(); });
  watched_.push_back(connection.weak_handle());
  return {};
}

void Interruptions::end() {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& done) { run(done); });
}

void Interruptions::run(const std::stop_token& done) {
  constexpr std::chrono::milliseconds kInterval(20);
  std::unique_lock lock(mutex_);
  while (!done.stop_requested()) {
    for (const auto& one : watched_)
      if (const auto handle = one.lock()) duckdb_interrupt(handle->get());
    woken_.wait_for(lock, done, kInterval, [] { return false; });
  }
}

}  // namespace millrace::duck
