#include "server/table_wait.h"

#include <fmt/format.h>

#include "log/topics.h"

namespace millrace {
namespace {

constexpr DurationUs kTableLook = 50 * kMillisecondUs;
constexpr DurationUs kStandsStill = 30 * kSecondUs;

JobPosition ends_of_events(const EventLog& log) {
  JobPosition ends;
  const auto topics = log.topics();
  const auto events = topics.find(std::string(kEventsTopic));
  for (std::uint32_t i = 0; events != topics.end() && i < events->second.partitions; ++i) {
    const TopicPartition partition{events->first, PartitionId(i)};
    if (const auto stats = log.stats(partition)) ends[partition] = stats->end;
  }
  return ends;
}

std::uint64_t missing(const JobPosition& ends, const JobPosition& loaded) {
  std::uint64_t records = 0;
  for (const auto& [partition, end] : ends) {
    const auto next = loaded.find(partition);
    const std::uint64_t has = next == loaded.end() ? 0 : next->second.value();
    if (has < end.value()) records += end.value() - has;
  }
  return records;
}

}  // namespace

Status wait_for_tables(const TableLag& lag, const std::atomic<bool>* stop,
                       const std::function<void(std::string_view)>& say) {
  const JobPosition ends = ends_of_events(lag.log);
  std::uint64_t least = missing(ends, lag.loaded());
  DurationUs nearer = lag.env.steady_now(), said = 0;
  for (std::uint64_t left = least; left > 0; left = missing(ends, lag.loaded())) {
    const DurationUs now = lag.env.steady_now();
    if (stop != nullptr && *stop) return fail(Code::kCancelled, "stopped while the tables were loaded");
    if (left < least) {
      least = left;
      nearer = now;
    } else if (now - nearer > kStandsStill) {
      say(fmt::format("the tables lack {} records and do not follow; going on without", left));
      return {};
    }
    if (said == 0 || now - said > kSecondUs) {
      said = now;
      say(fmt::format("waiting for the tables, which lack {} records", left));
    }
    lag.env.sleep_for(kTableLook);
  }
  return {};
}

}  // namespace millrace
