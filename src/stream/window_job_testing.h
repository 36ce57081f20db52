#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "stream/topic_tail.h"
#include "stream/window_job.h"

namespace millrace {

/// Return the values of all messages of a topic, partition by partition.
inline std::vector<std::string> messages_of(const EventLog& log, const std::string& topic) {
  std::vector<std::string> values;
  const auto topics = log.topics();
  const auto found = topics.find(topic);
  for (std::uint32_t i = 0; found != topics.end() && i < found->second.partitions; ++i) {
    std::ignore = each_record(log, {topic, PartitionId(i)}, Offset(),
                              [&](const Record& record) { values.emplace_back(record.value); });
  }
  return values;
}

/// What a subscriber makes of messages: by source, window and keys the measures that hold last. Early ones
/// are parts; a test that has them adds them itself.
inline std::map<std::string, std::string> last_values(const std::vector<std::string>& messages) {
  std::map<std::string, std::pair<std::uint64_t, std::string>> last;
  for (const std::string& message : messages) {
    const auto json = nlohmann::json::parse(message);
    const std::string place = json["aggregation"].get<std::string>() + " " +
                              json["source"].get<std::string>() + " " +
                              json["window_start"].get<std::string>() + " " + json["keys"].dump();
    auto& mine = last[place];
    const auto revision = json["revision"].get<std::uint64_t>();
    if (revision >= mine.first) mine = {revision, json["measures"].dump()};
  }
  std::map<std::string, std::string> values;
  for (auto& [place, one] : last) values[place] = std::move(one.second);
  return values;
}

}  // namespace millrace
