#include "stream/window_job_metrics.h"

#include <algorithm>

namespace millrace {
namespace {

double seconds(DurationUs duration) {
  return static_cast<double>(duration) / kSecondUs;
}

}  // namespace

WindowJobMetrics::WindowJobMetrics(std::string_view job)
    : job_(job),
      state_(job),
      published_(metrics::counter("millrace_window_published_total", "Messages of windows published",
                                  {{"job", job_}})),
      snapshot_age_(metrics::gauge("millrace_window_snapshot_age_seconds",
                                   "Time since the state was last saved, or since nothing changed after that",
                                   {{"job", job_}})),
      snapshot_seconds_(metrics::gauge("millrace_window_snapshot_seconds",
                                       "How long it took to save the state last", {{"job", job_}})),
      snapshot_bytes_(metrics::gauge("millrace_window_snapshot_bytes",
                                     "Size of the state as it was last saved", {{"job", job_}})) {}

void WindowJobMetrics::show(const StateUse& use, std::uint64_t evicted, std::uint64_t published) {
  state_.publish(use, evicted);
  published_.Increment(static_cast<double>(published - published_before_));
  published_before_ = published;
}

/// "other" cannot be told from a source of that name; it then shows the worst of both.
prometheus::Gauge& WindowJobMetrics::delay_of(const std::string& source) {
  if (const auto known = delays_.find(source); known != delays_.end()) return *known->second;
  const bool room = delays_.size() < kSourcesMax;
  auto& gauge = metrics::gauge(
      "millrace_window_watermark_delay_seconds",
      "How far the watermark of a source with open windows is behind the wall clock: they close so much "
      "after their end",
      {{"job", job_}, {"source", room ? source : "other"}});
  if (room) delays_.emplace(source, &gauge);
  return gauge;
}

void WindowJobMetrics::show_delays(const std::map<std::string, TimeUs>& watermarks, TimeUs now) {
  std::map<prometheus::Gauge*, double> worst;
  for (const auto& [source, watermark] : watermarks) {
    const double delay = watermark < kTimeMin ? 0 : std::max(0.0, seconds(now - watermark));
    double& shown = worst[&delay_of(source)];
    shown = std::max(shown, delay);
  }
  for (const auto& [source, gauge] : delays_) worst.try_emplace(gauge, 0.0);  // of those that are gone
  for (const auto& [gauge, delay] : worst) gauge->Set(delay);
}

void WindowJobMetrics::show_snapshot_age(DurationUs age) {
  snapshot_age_.Set(seconds(age));
}

void WindowJobMetrics::show_snapshot(DurationUs took, std::size_t bytes) {
  snapshot_seconds_.Set(seconds(took));
  snapshot_bytes_.Set(static_cast<double>(bytes));
}

}  // namespace millrace
