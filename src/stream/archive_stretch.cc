#include "stream/archive_stretch.h"

#include <algorithm>
#include <cassert>

namespace millrace {
namespace {

/// Divide, rounding down also before 1970.
std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

bool Stretch::begins_next(std::int64_t hour, std::int64_t interval) const {
  if (hours_.empty()) return false;
  if (full() || hour > hours_.rbegin()->first) return true;
  const auto open = hours_.find(hour);
  return open == hours_.end() ? hours_.size() == limits_.hours_max : interval > open->second.interval;
}

Result<bool> Stretch::add(const Record& record) {
  const std::int64_t hour = floor_div(record.time, kHourUs);
  const std::int64_t interval = floor_div(record.time, limits_.interval);
  if (begins_next(hour, interval)) return false;
  Hour& open = hours_.try_emplace(hour, RawFileBuilder(compressor_), interval).first->second;
  MILLRACE_TRY(open.file.add(record));
  newest_ = records_ == 0 ? record.time : std::max(newest_, record.time);
  last_ = record.offset;
  ++records_;
  raw_bytes_ += record.key.size() + record.attributes.size() + record.value.size();
  return true;
}

TimeUs Stretch::end_of_interval() const {
  std::int64_t last = floor_div(newest_, limits_.interval);
  return (last + 1) * limits_.interval;
}

Result<std::vector<BuiltPair>> Stretch::finish(const TopicPartition& source, TimeUs created) {
  std::vector<BuiltPair> files;
  for (auto& [hour, open] : hours_) {
    MILLRACE_ASSIGN(
        BuiltPair pair,
        open.file.finish({std::string(kRawZone), source.topic, hour_path(hour), source}, created));
    files.push_back(std::move(pair));
  }
  return files;
}

}  // namespace millrace
