#include "source/follow_state.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "event/codec.h"
#include "log/topics.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kStateBytesMax = 1 << 20;

std::string source_of(std::string_view topic, std::string_view attributes) {
  if (topic != kQuarantineTopic) {
    const auto envelope = decode_envelope(attributes);
    return envelope ? std::string(envelope->source) : "";
  }
  const auto header = Json::parse(attributes, nullptr, false);
  return header.is_object() ? header.value("source", "") : "";
}

Hash128 hash_of(std::string_view topic, std::string_view value) {
  Hasher128 hasher;
  hasher.add(topic);
  hasher.add(std::string_view("\0", 1));
  hasher.add(value);
  return hasher.result();
}

Result<Hash128> hash_from(const Json& pair) {
  return Hash128{pair.at(0).get<std::uint64_t>(), pair.at(1).get<std::uint64_t>()};
}

}  // namespace

Result<FileIdentity> identity_of(const Path& path) {
  struct stat found = {};
  if (::stat(path.c_str(), &found) == 0) return FileIdentity{found.st_dev, found.st_ino};
  const auto code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound
                    : errno == EACCES                   ? Code::kDenied
                                                        : Code::kIo;
  return fail(code, std::strerror(errno), path.string());
}

Result<std::optional<FollowState>> load_follow_state(Env& env, const Path& path) {
  if (!env.exists(path)) return std::nullopt;
  MILLRACE_ASSIGN(const auto text, read_file(env, path, kStateBytesMax));
  try {
    const Json json = Json::parse(text);
    FollowState state;
    state.file = {json.at("device").get<std::uint64_t>(), json.at("inode").get<std::uint64_t>()};
    state.head.bytes = json.at("head_bytes").get<std::uint64_t>();
    MILLRACE_ASSIGN(state.head.hash, hash_from(json.at("head_hash")));
    state.place = {json.at("offset").get<std::uint64_t>(), json.at("line").get<std::uint64_t>()};
    state.id = json.at("id").get<std::string>();
    const Json& ends = json.at("log_ends");
    for (const auto& [topic, offsets] : ends.items()) {
      for (const auto& offset : offsets) state.log_ends[topic].emplace_back(offset.get<std::uint64_t>());
    }
    return state;
  } catch (const Json::exception& error) {
    return fail(
        Code::kCorrupt,
        fmt::format("the note of how far a followed file was read is damaged ({}); remove it to read the "
                    "file from its beginning: events with ids of their own then count once all the same",
                    error.what()),
        path.string());
  }
}

Status save_follow_state(Env& env, const Path& path, const FollowState& state) {
  Json ends = Json::object();
  for (const auto& [topic, offsets] : state.log_ends) {
    for (const auto& offset : offsets) ends[topic].push_back(offset.value());
  }
  const Json json = {{"device", state.file.device},
                     {"inode", state.file.inode},
                     {"head_bytes", state.head.bytes},
                     {"head_hash", {state.head.hash.high, state.head.hash.low}},
                     {"offset", state.place.offset},
                     {"line", state.place.line},
                     {"id", state.id},
                     {"log_ends", std::move(ends)}};
  return write_file_atomically(env, path, json.dump() + "\n");
}

Result<std::map<std::string, std::vector<Offset>>> ends_of(const EventLog& log,
                                                           const std::vector<std::string>& topics) {
  std::map<std::string, std::vector<Offset>> ends;
  const auto known = log.topics();
  for (const auto& topic : topics) {
    const auto config = known.find(topic);
    if (config == known.end()) continue;
    for (std::uint32_t i = 0; i < config->second.partitions; ++i) {
      MILLRACE_ASSIGN(const auto stats, log.stats({topic, PartitionId(i)}));
      ends[topic].push_back(stats.end);
    }
  }
  return ends;
}

Status KnownRecords::find_in(const EventLog& log, const TopicPartition& partition, Offset from,
                             std::string_view source) {
  MILLRACE_ASSIGN(const auto stats, log.stats(partition));
  for (auto next = std::max(from, stats.start); next < stats.end;) {
    MILLRACE_ASSIGN(const auto batch, log.read(partition, next, {}));
    if (batch.records.empty()) break;
    for (const auto& record : batch.records) {
      if (source_of(partition.topic, record.attributes) == source)
        ++counts_[hash_of(partition.topic, record.value)];
    }
    next = batch.next;
  }
  return {};
}

Status KnownRecords::find(const EventLog& log, const std::map<std::string, std::vector<Offset>>& from,
                          std::string_view source) {
  for (const auto& [topic, offsets] : from) {
    for (std::uint32_t i = 0; i < offsets.size(); ++i) {
      MILLRACE_TRY(find_in(log, {topic, PartitionId(i)}, offsets[i], source));
    }
  }
  return {};
}

bool KnownRecords::take(std::string_view topic, std::string_view value) {
  if (counts_.empty()) return false;
  const auto found = counts_.find(hash_of(topic, value));
  if (found == counts_.end()) return false;
  if (--found->second == 0) counts_.erase(found);
  return true;
}

}  // namespace millrace
