#include "log/topic.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"

namespace millrace::log {
namespace {

constexpr std::string_view kConfigFile = "topic.json";
constexpr std::string_view kGroupsFile = "groups.json";

}  // namespace

Topic::Topic(Env& env, ControlFiles& control, Path dir, TopicConfig config)
    : env_(env),
      control_(control),
      dir_(std::move(dir)),
      name_(dir_.filename().string()),
      config_(std::move(config)),
      bytes_hard_(config_.bytes_hard) {}

Result<std::shared_ptr<Topic>> Topic::open(Env& env, ControlFiles& control, const Path& dir,
                                           ProblemList& problems) {
  MILLRACE_ASSIGN(const std::string text, read_file(env, dir / kConfigFile));
  auto config = parse_config(text);
  if (!config) {
    Error error = std::move(config).error();
    error.where = (dir / kConfigFile).string();
    return fail(std::move(error));
  }
  MILLRACE_TRY(env.sync_dir(dir));  // what is read may have got its name just before the process ended
  std::shared_ptr<Topic> topic(new Topic(env, control, dir, *config));
  MILLRACE_TRY(topic->load_groups(problems));
  MILLRACE_TRY(topic->open_partitions(problems));
  return topic;
}

Status Topic::make(Env& env, ControlFiles& control, const Path& dir, const TopicConfig& config) {
  ProblemList none;
  MILLRACE_TRY(env.make_dirs(dir));
  for (std::uint32_t i = 0; i < config.partitions; ++i) {
    const TopicPartition name{dir.filename().string(), PartitionId(i)};
    MILLRACE_TRY(
        Partition::open(env, dir / fmt::to_string(i), name, {.segment_bytes = config.segment_bytes}, none));
  }
  MILLRACE_TRY(env.sync_dir(dir));
  MILLRACE_TRY(env.sync_dir(dir.parent_path()));
  return control.write(dir / kConfigFile, encode_config(config));
}

Status Topic::open_partitions(ProblemList& problems) {
  for (std::uint32_t i = 0; i < config_.partitions; ++i) {
    Partition::Options options{.segment_bytes = config_.segment_bytes, .must_exist = true};
    for (const auto& [group, offsets] : groups_) {
      if (const auto found = offsets.find(i); found != offsets.end()) {
        options.end_floor = std::max(options.end_floor, found->second);
      }
    }
    MILLRACE_ASSIGN(auto partition, Partition::open(env_, dir_ / fmt::to_string(i), {name_, PartitionId(i)},
                                                    options, problems));
    partitions_.push_back(std::move(partition));
  }
  return {};
}

Status Topic::load_groups(ProblemList& problems) {
  const Path path = dir_ / kGroupsFile;
  const Path bad_path = dir_ / "groups.json.bad";
  if (env_.exists(path)) {
    MILLRACE_ASSIGN(const std::string text, read_file(env_, path));
    if (auto groups = parse_groups(text)) {
      groups_ = *std::move(groups);
    } else {
      MILLRACE_TRY(env_.rename(path, bad_path));
      MILLRACE_TRY(env_.sync_dir(dir_));
    }
  }
  groups_lost_ = env_.exists(bad_path);
  if (groups_lost_) {
    problems.add({bad_path.string(), 0, Offset(), Offset(),
                  "the groups' offsets were damaged: nothing of this topic is deleted until this file is "
                  "removed, which is safe once every group has committed again"});
  }
  return {};
}

TopicConfig Topic::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

Status Topic::set_config(const TopicConfig& config) {
  const std::lock_guard writing(write_mutex_);
  if (this->config() == config && !config_unsure_) return {};
  config_unsure_ = true;
  MILLRACE_TRY(control_.write(dir_ / kConfigFile, encode_config(config)));
  config_unsure_ = false;
  for (const auto& partition : partitions_) partition->set_segment_bytes(config.segment_bytes);
  bytes_hard_ = config.bytes_hard;
  const std::lock_guard lock(mutex_);
  config_ = config;
  return {};
}

Partition* Topic::partition(PartitionId id) {
  return id.value() < partitions_.size() ? partitions_[id.value()].get() : nullptr;
}

std::uint64_t Topic::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& partition : partitions_) bytes += partition->bytes();
  return bytes;
}

Status Topic::check_room() const {
  if (bytes() < bytes_hard_) return {};
  std::string slowest;
  std::uint64_t lag_max = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [group, offsets] : groups_) {
    std::uint64_t lag = 0;
    for (const auto& partition : partitions_) {
      const auto found = offsets.find(partition->name().partition.value());
      const PartitionStats stats = partition->stats();
      const std::uint64_t next = std::max(found == offsets.end() ? 0 : found->second, stats.start.value());
      lag += stats.end.value() - std::min(next, stats.end.value());
    }
    if (slowest.empty() || lag > lag_max) slowest = group;
    lag_max = std::max(lag_max, lag);
  }
  const std::string why =
      slowest.empty() ? std::string("it has no group that reads it; raise bytes_hard")
                      : fmt::format(
                            "the slowest group is '{}', {} records behind; let it catch up, delete it, "
                            "or raise bytes_hard",
                            slowest, with_thousands(lag_max));
  return fail(Code::kOverloaded, fmt::format("topic '{}' is full ({} bytes): {}", name_,
                                             with_thousands(bytes_hard_.load()), why));
}

// ---- Groups

Status Topic::write_groups(GroupOffsets groups) {
  groups_unsure_ = true;
  MILLRACE_TRY(control_.write(dir_ / kGroupsFile, encode_groups(groups)));
  groups_unsure_ = false;
  const std::lock_guard lock(mutex_);
  groups_ = std::move(groups);
  return {};
}

Status Topic::commit(std::string_view group, PartitionId partition, Offset next) {
  const std::uint64_t end = partitions_[partition.value()]->stats().end.value();
  if (next.value() > end) {
    return fail(Code::kOutOfRange,
                fmt::format("group '{}' cannot have passed offset {} of {}/{}, which ends at {}", group,
                            next.value(), name_, partition.value(), end));
  }
  const std::lock_guard writing(write_mutex_);
  GroupOffsets groups;
  {
    const std::lock_guard lock(mutex_);
    groups = groups_;
  }
  const auto [entry, is_new] = groups[std::string(group)].try_emplace(partition.value(), next.value());
  if (!is_new && entry->second == next.value() && !groups_unsure_) return {};
  entry->second = next.value();
  return write_groups(std::move(groups));
}

std::optional<Offset> Topic::committed(std::string_view group, PartitionId partition) const {
  const std::lock_guard lock(mutex_);
  const auto offsets = groups_.find(group);
  if (offsets == groups_.end()) return std::nullopt;
  const auto found = offsets->second.find(partition.value());
  if (found == offsets->second.end()) return std::nullopt;
  return Offset(found->second);
}

Status Topic::delete_group(std::string_view group) {
  const std::lock_guard writing(write_mutex_);
  GroupOffsets groups;
  {
    const std::lock_guard lock(mutex_);
    groups = groups_;
  }
  if (groups.erase(std::string(group)) == 0 && !groups_unsure_) return {};
  return write_groups(std::move(groups));
}

// ---- Retention

std::uint64_t Topic::passed_by_all(PartitionId partition) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t passed = UINT64_MAX;
  for (const auto& [group, offsets] : groups_) {
    const auto found = offsets.find(partition.value());
    passed = std::min(passed, found == offsets.end() ? 0 : found->second);
  }
  return passed;
}

bool Topic::may_remove(const Partition& partition, const Partition::Oldest& oldest) const {
  return oldest.end_offset <= passed_by_all(partition.name().partition);
}

Status Topic::retain(TimeUs now) {
  if (groups_lost_ && env_.exists(dir_ / "groups.json.bad")) return {};
  const TopicConfig config = this->config();
  MILLRACE_TRY(retain_by_time(now - config.retention));
  return retain_by_size(config.bytes_soft);
}

Status Topic::retain_by_time(TimeUs before) {
  for (const auto& partition : partitions_) {
    for (;;) {
      const auto oldest = partition->oldest_closed();
      if (!oldest || oldest->newest >= before || !may_remove(*partition, *oldest)) break;
      MILLRACE_TRY(partition->remove_oldest());
    }
  }
  return {};
}

Status Topic::retain_by_size(std::uint64_t bytes_max) {
  while (bytes() > bytes_max) {
    Partition* from = nullptr;
    TimeUs oldest_time = 0;
    for (const auto& partition : partitions_) {
      const auto oldest = partition->oldest_closed();
      if (!oldest || !may_remove(*partition, *oldest)) continue;
      if (from == nullptr || oldest->newest < oldest_time) {
        from = partition.get();
        oldest_time = oldest->newest;
      }
    }
    if (from == nullptr) return {};
    MILLRACE_TRY(from->remove_oldest());
  }
  return {};
}

}  // namespace millrace::log
