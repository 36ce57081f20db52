#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "log/event_log.h"

namespace millrace::log {

/// For each group, what it committed in each partition.
using GroupOffsets = std::map<std::string, std::map<std::uint32_t, std::uint64_t>, std::less<>>;

/// Check what a person may have set. Errors: kInvalid, naming the setting and its limits.
Status check_config(const TopicConfig& config);

/// Write and read topic.json. Errors: kCorrupt.
std::string encode_config(const TopicConfig& config);
Result<TopicConfig> parse_config(std::string_view text);

/// Write and read groups.json. Errors: kCorrupt.
std::string encode_groups(const GroupOffsets& groups);
Result<GroupOffsets> parse_groups(std::string_view text);

}  // namespace millrace::log
