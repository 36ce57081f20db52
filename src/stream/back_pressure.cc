#include "stream/back_pressure.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/text.h"

namespace millrace {

void BackPressure::note(std::string_view job, std::uint64_t lag_records) {
  if (lag_records_max_ == 0) return;
  const std::lock_guard lock(mutex_);
  const auto known = behind_.find(job);
  const bool was = known != behind_.end();
  const bool is = lag_records > (was ? lag_records_max_ / 8 * 7 : lag_records_max_);
  if (is) behind_.insert_or_assign(std::string(job), lag_records);
  if (was && !is) behind_.erase(known);
  if (was != is) {
    log_warning("collect", is ? "turns events away: a job is too far behind" : "takes events again",
                {field("job", job), field("records_behind", lag_records)});
  }
  metrics::gauge("millrace_backpressure", "1 while events are turned away because the job is too far behind",
                 {{"job", std::string(job)}})
      .Set(is ? 1 : 0);
  any_ = !behind_.empty();
}

Status BackPressure::check() const {
  if (!any_) return {};
  const std::lock_guard lock(mutex_);
  const auto slowest = std::ranges::max_element(behind_, {}, [](const auto& one) { return one.second; });
  if (slowest == behind_.end()) return {};
  return fail(Code::kOverloaded,
              fmt::format("the job '{}' is {} records behind, more than collect.lag_records_max: try again "
                          "later",
                          slowest->first, with_thousands(slowest->second)));
}

}  // namespace millrace
