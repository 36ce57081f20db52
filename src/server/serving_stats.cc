#include "server/serving_stats.h"

#include "event/json_writer.h"

namespace millrace {
namespace {

prometheus::Counter& fallback_counter(const std::string& reason) {
  return metrics::counter("millrace_recommendation_fallbacks_total",
                          "Answers that fell back to popular items, by reason", {{"reason", reason}});
}

}  // namespace

ServingStats::ServingStats()
    : latency_(metrics::latency_seconds("millrace_recommendation_seconds",
                                        "Time to answer a recommendation request")),
      served_(metrics::counter("millrace_recommendations_total", "Recommendation requests answered")),
      deadline_(fallback_counter("deadline")),
      error_(fallback_counter("error")),
      cold_(fallback_counter("cold")) {}

void ServingStats::observe(DurationUs latency_us, const std::optional<std::string>& fallback) {
  served_.Increment();
  latency_.Observe(static_cast<double>(latency_us) / kSecondUs);
  if (!fallback) return;
  (*fallback == "deadline" ? deadline_ : *fallback == "cold" ? cold_ : error_).Increment();
}

std::string ServingStats::json() const {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("served", served())
      .member("p50_ms", metrics::quantile_seconds(latency_, 0.5) * 1000)
      .member("p99_ms", metrics::quantile_seconds(latency_, 0.99) * 1000)
      .key("fallbacks")
      .begin_object()
      .member("deadline", static_cast<std::uint64_t>(deadline_.Value()))
      .member("error", static_cast<std::uint64_t>(error_.Value()))
      .member("cold", static_cast<std::uint64_t>(cold_.Value()))
      .end_object()
      .end_object();
  return out;
}

}  // namespace millrace
