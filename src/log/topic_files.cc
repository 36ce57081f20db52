#include "log/topic_files.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace millrace::log {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kPartitionsMax = 1'024;
constexpr std::uint64_t kSegmentBytesMin = 4 << 10;
constexpr std::uint64_t kSegmentBytesMax = 4ull << 30;

std::unexpected<Error> damaged(const char* file, const char* why) {
  return fail(Code::kCorrupt, std::string(file) + " is damaged: " + why);
}

}  // namespace

Status check_config(const TopicConfig& config) {
  if (config.partitions < 1 || config.partitions > kPartitionsMax) {
    return fail(Code::kInvalid, "a topic has 1 to 1,024 partitions");
  }
  if (config.segment_bytes < kSegmentBytesMin || config.segment_bytes > kSegmentBytesMax) {
    return fail(Code::kInvalid, "segment_bytes of a topic is from 4 KiB to 4 GiB");
  }
  if (config.retention < 0) return fail(Code::kInvalid, "retention of a topic cannot be negative");
  if (config.bytes_soft > config.bytes_hard) {
    return fail(Code::kInvalid, "bytes_soft of a topic cannot be more than bytes_hard");
  }
  return {};
}

std::string encode_config(const TopicConfig& config) {
  const Json text = {{"format", 1},
                     {"partitions", config.partitions},
                     {"retention_us", config.retention},
                     {"bytes_soft", config.bytes_soft},
                     {"bytes_hard", config.bytes_hard},
                     {"segment_bytes", config.segment_bytes},
                     {"content_type", config.content_type}};
  return text.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<TopicConfig> parse_config(std::string_view text) {
  const Json parsed = Json::parse(text, nullptr, false);
  if (!parsed.is_object() || parsed.value("format", Json()) != 1) {
    return damaged("topic.json", "not a topic of format 1");
  }
  TopicConfig config;
  try {
    config.partitions = parsed.at("partitions").get<std::uint32_t>();
    config.retention = parsed.at("retention_us").get<DurationUs>();
    config.bytes_soft = parsed.at("bytes_soft").get<std::uint64_t>();
    config.bytes_hard = parsed.at("bytes_hard").get<std::uint64_t>();
    config.segment_bytes = parsed.at("segment_bytes").get<std::uint64_t>();
    config.content_type = parsed.at("content_type").get<std::string>();
  } catch (const Json::exception& error) {
    return damaged("topic.json", error.what());
  }
  if (const Status good = check_config(config); !good)
    return damaged("topic.json", good.error().message.c_str());
  return config;
}

std::string encode_groups(const GroupOffsets& groups) {
  Json text = {{"format", 1}, {"groups", Json::object()}};
  for (const auto& [group, offsets] : groups) {
    Json& entry = text["groups"][group] = Json::object();
    for (const auto& [partition, next] : offsets) entry[std::to_string(partition)] = next;
  }
  return text.dump(1) + "\n";
}

Result<GroupOffsets> parse_groups(std::string_view text) {
  const Json parsed = Json::parse(text, nullptr, false);
  if (!parsed.is_object() || parsed.value("format", Json()) != 1) {
    return damaged("groups.json", "not the groups of format 1");
  }
  GroupOffsets groups;
  try {
    for (const auto& [group, offsets] : parsed.at("groups").items()) {
      auto& entry = groups[group];
      for (const auto& [partition, next] : offsets.items()) {
        entry[static_cast<std::uint32_t>(std::stoul(partition))] = next.get<std::uint64_t>();
      }
    }
  } catch (const std::exception& error) {
    return damaged("groups.json", error.what());
  }
  return groups;
}

}  // namespace millrace::log
