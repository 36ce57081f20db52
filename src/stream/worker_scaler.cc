#include "stream/worker_scaler.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr double kFullShare = 0.8;

std::uint64_t times(std::uint64_t each, int workers) {
  return each * static_cast<std::uint64_t>(workers);
}

}  // namespace

bool WorkerScaler::is_too_much(const WorkerLoad& load) const {
  if (load.backlog > times(options_.backlog_per_worker, wanted_)) return true;
  return load.oldest_age > options_.age_max && load.waiting > static_cast<std::uint64_t>(wanted_);
}

bool WorkerScaler::is_too_little(const WorkerLoad& load) const {
  const int fewer = wanted_ - 1;
  if (load.backlog > times(options_.backlog_per_worker, fewer) / 2) return false;
  if (load.oldest_age > options_.age_max / 2 && load.waiting > static_cast<std::uint64_t>(fewer))
    return false;
  return busy_average_ <= kFullShare * fewer;
}

void WorkerScaler::average(int busy, DurationUs steady_now) {
  // The share of the past that still counts falls by e in half of the calm time, however often we are asked.
  const double passed =
      static_cast<double>(steady_now - last_time_) / std::max<double>(1, options_.calm / 2.0);
  const double kept = last_time_ == 0 ? 0 : std::exp(-passed);
  busy_average_ = kept * busy_average_ + (1 - kept) * busy;
  last_time_ = steady_now;
}

int WorkerScaler::want(const WorkerLoad& load, DurationUs steady_now) {
  average(load.busy, steady_now);
  if (is_too_much(load)) {
    calm_since_.reset();
    if (wanted_ < options_.workers_max &&
        (!last_step_out_ || steady_now - *last_step_out_ >= options_.out_pause)) {
      wanted_ = std::min(options_.workers_max, step_out(load));
      last_step_out_ = steady_now;
    }
  } else if (wanted_ <= options_.workers_min || !is_too_little(load)) {
    calm_since_.reset();
  } else if (!calm_since_) {
    calm_since_ = steady_now;
  } else if (steady_now - *calm_since_ >= options_.calm) {
    --wanted_;
    calm_since_ = steady_now;
  }
  return wanted_;
}

int WorkerScaler::step_out(const WorkerLoad& load) const {
  const std::uint64_t each = std::max<std::uint64_t>(1, options_.backlog_per_worker);
  const std::uint64_t for_backlog = (load.backlog + each - 1) / each;
  const auto doubled = static_cast<std::uint64_t>(wanted_) * 2;
  return static_cast<int>(
      std::clamp<std::uint64_t>(for_backlog, static_cast<std::uint64_t>(wanted_) + 1, doubled));
}

}  // namespace millrace
