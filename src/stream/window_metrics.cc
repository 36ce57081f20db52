#include "stream/window_metrics.h"

#include <string>

namespace millrace {

WindowMetrics::WindowMetrics(std::string_view job)
    : too_late_(metrics::counter(
          "millrace_window_too_late_total",
          "Events, counted once for each of their windows, that came after the allowed lateness",
          {{"job", std::string(job)}})),
      evicted_(metrics::counter("millrace_window_evicted_total",
                                "Entries of window state emitted early because a limit was reached",
                                {{"job", std::string(job)}})),
      entries_(metrics::gauge("millrace_window_entries", "Entries of window state held: keys times windows",
                              {{"job", std::string(job)}})),
      bytes_(metrics::gauge("millrace_window_bytes", "Memory of window state, about",
                            {{"job", std::string(job)}})) {}

WindowMetrics::~WindowMetrics() {
  entries_.Decrement(static_cast<double>(published_.entries));
  bytes_.Decrement(static_cast<double>(published_.bytes));
}

void WindowMetrics::publish(const StateUse& use, std::uint64_t evicted) {
  too_late_.Increment(static_cast<double>(use.too_late - published_.too_late));
  evicted_.Increment(static_cast<double>(evicted - published_evicted_));
  entries_.Increment(static_cast<double>(use.entries) - static_cast<double>(published_.entries));
  bytes_.Increment(static_cast<double>(use.bytes) - static_cast<double>(published_.bytes));
  published_ = use;
  published_evicted_ = evicted;
}

}  // namespace millrace
