#include "stream/replay_progress.h"

#include <algorithm>
#include <chrono>

#include "base/logging.h"

namespace millrace {
namespace {

constexpr DurationUs kInterval = kSecondUs / 10;

constexpr int kFailuresMax = 8;
constexpr DurationUs kPauseMin = 100 * kMillisecondUs;
constexpr DurationUs kPauseMax = 2 * kSecondUs;

}  // namespace

SteadyProgress::SteadyProgress(const OnReplayProgress& to, DurationUs silence_max)
    : to_(to), silence_max_(silence_max), repeater_([this](const std::stop_token& stop) { repeat(stop); }) {}

void SteadyProgress::show(const ReplayProgress& progress) {
  const std::lock_guard lock(mutex_);
  last_ = progress;
  ++shown_;
  to_(last_);
  changed_.notify_one();
}

void SteadyProgress::repeat(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto seen = shown_;
    const bool shown = changed_.wait_for(lock, stop, std::chrono::microseconds(silence_max_),
                                         [&] { return shown_ != seen; });
    if (!shown && !stop.stop_requested()) to_(last_);
  }
}

ReplayMeter::ReplayMeter(Env& env, const OnReplayProgress& to, std::uint64_t total)
    : env_(env), to_(to), begun_(env.steady_now()), shown_(begun_ - kInterval) {
  progress_.offsets_total = total;
}

void ReplayMeter::add(std::uint64_t records, std::uint64_t done, bool last) {
  const DurationUs now = env_.steady_now();
  progress_.records += records;
  progress_.offsets_done = done;
  progress_.records_per_second =
      static_cast<double>(progress_.records) * kSecondUs / std::max<double>(1, now - begun_);
  if (!last && now - shown_ < kInterval) return;
  shown_ = now;
  to_(progress_);
}

bool ReplayRetries::wait_after(const Error& error) {
  const bool may_pass = error.code == Code::kOverloaded || error.code == Code::kInternal;
  if (!may_pass || failures_ == kFailuresMax) return false;
  const DurationUs pause = std::min(kPauseMax, kPauseMin << failures_++);
  log_warning("replay", "waits and tries again", {field("error", error.text()), field("attempt", failures_)});
  env_.sleep_for(pause);
  return true;
}

}  // namespace millrace
