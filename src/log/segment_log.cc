#include "log/segment_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "log/topics.h"

namespace millrace {

using log::Committer;
using log::Partition;
using log::Topic;

namespace {

constexpr std::size_t kKeyBytesMax = 1'024;
constexpr std::size_t kAttributesBytesMax = 64 << 10;

Status check_record(const NewRecord& record, std::size_t index) {
  const auto too_long = [&](std::string_view what, std::size_t bytes, std::size_t bytes_max) {
    return fail(Code::kInvalid, fmt::format("{} of {} bytes; at most {} are allowed", what, bytes, bytes_max),
                fmt::format("batch[{}]", index));
  };
  if (record.key.size() > kKeyBytesMax) return too_long("a key", record.key.size(), kKeyBytesMax);
  if (record.attributes.size() > kAttributesBytesMax) {
    return too_long("attributes", record.attributes.size(), kAttributesBytesMax);
  }
  if (record.value.size() > EventLog::kRecordBytesMax) {
    return too_long("a value", record.value.size(), EventLog::kRecordBytesMax);
  }
  return {};
}

Status check_batch(const std::vector<NewRecord>& batch) {
  if (batch.empty() || batch.size() > EventLog::kBatchRecordsMax) {
    return fail(Code::kInvalid,
                fmt::format("a batch has 1 to {} records, not {}", EventLog::kBatchRecordsMax, batch.size()));
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    MILLRACE_TRY(check_record(batch[i], i));
    bytes += batch[i].key.size() + batch[i].attributes.size() + batch[i].value.size();
  }
  if (bytes > EventLog::kBatchBytesMax) {
    return fail(Code::kInvalid,
                fmt::format("a batch of {} bytes; at most {} are allowed", bytes, EventLog::kBatchBytesMax));
  }
  return {};
}

Status check_name(std::string_view what, std::string_view name) {
  if (is_log_name(name)) return {};
  return fail(Code::kInvalid,
              fmt::format("the name of a {} is 1 to 128 of the characters A-Z a-z 0-9 . _ -, and "
                          "not \".\" or \"..\"",
                          what));
}

Result<std::unique_ptr<FileLock>> lock_dir(Env& env, const Path& dir) {
  auto lock = env.lock(dir / "LOCK");
  if (lock || lock.error().code != Code::kExists) return lock;
  return fail(
      Code::kExists,
      fmt::format("the log in {} is in use: {}. Stop that one first, or choose another data directory",
                  dir.string(), lock.error().message));
}

}  // namespace

// ---- Opening and closing

SegmentLog::SegmentLog(Env& env, Path dir, const SegmentLogOptions& options, std::unique_ptr<FileLock> lock)
    : env_(env),
      dir_(std::move(dir)),
      options_(options),
      lock_(std::move(lock)),
      control_(env, dir_ / "RESERVE", options.reserve_bytes),
      budget_(options.queue_bytes_max, options.queue_records_max),
      shared_{env, budget_, stop_, announcer_, [this] { wake_upkeep(); }} {
  for (unsigned i = 0; i < std::max(options.committers, 1u); ++i) {
    committers_.push_back(std::make_unique<Committer>(shared_));
  }
}

Result<std::unique_ptr<SegmentLog>> SegmentLog::open(Env& env, const Path& dir,
                                                     const SegmentLogOptions& options) {
  MILLRACE_TRY(env.make_dirs(dir / "topics"));
  MILLRACE_ASSIGN(auto lock, lock_dir(env, dir));
  std::unique_ptr<SegmentLog> log(new SegmentLog(env, dir, options, std::move(lock)));
  MILLRACE_TRY(log->load());
  if (options.committers > 0) log->start_threads();
  return log;
}

Status SegmentLog::load() {
  MILLRACE_TRY(env_.sync_dir(dir_));
  if (dir_.has_parent_path()) MILLRACE_TRY(env_.sync_dir(dir_.parent_path()));
  MILLRACE_TRY(empty_trash());
  control_.restore_reserve();
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir_ / "topics"));
  for (const std::string& name : names) MILLRACE_TRY(load_topic(name));
  return {};
}

/// Remove what deleted topics left, after it is certain that they will not come back half removed.
Status SegmentLog::empty_trash() {
  const Path trash = dir_ / "trash";
  if (!env_.exists(trash)) return {};
  MILLRACE_TRY(env_.sync_dir(trash));
  MILLRACE_TRY(env_.sync_dir(dir_ / "topics"));
  return log::remove_tree(env_, trash);
}

Status SegmentLog::load_topic(const std::string& name) {
  const Path dir = dir_ / "topics" / name;
  // Without topic.json the making of the topic was interrupted and nobody was told that it exists.
  if (!env_.exists(dir / "topic.json")) {
    log_warning("log", "directory without topic.json is no topic", {field("directory", dir.string())});
    return {};
  }
  MILLRACE_ASSIGN(topics_[name], Topic::open(env_, control_, dir, problems_));
  return {};
}

void SegmentLog::start_threads() {
  for (std::size_t i = 0; i < committers_.size(); ++i) committers_[i]->start(fmt::format("log-commit-{}", i));
  upkeep_thread_ = std::thread([this] {
    log::name_this_thread("log-upkeep");
    upkeep_loop();
  });
}

SegmentLog::~SegmentLog() {
  close();
}

void SegmentLog::close() {
  {
    const std::unique_lock lock(topics_mutex_);
    if (closing_) return;
    closing_ = true;
  }
  for (const auto& committer : committers_) committer->stop();
  {
    const std::lock_guard lock(upkeep_mutex_);
    upkeep_stopping_ = true;
  }
  upkeep_wanted_.notify_one();
  if (upkeep_thread_.joinable()) upkeep_thread_.join();
  for (const auto& topic : all_topics()) {
    for (const auto& partition : topic->partitions()) {
      if (stop_.check()) note_upkeep(*topic, partition->seal());
      partition->stop_waiting();
    }
  }
  announcer_.close();
}

// ---- Topics

Status SegmentLog::create_topic(std::string_view topic, const TopicConfig& config) {
  MILLRACE_TRY(check_name("topic", topic));
  MILLRACE_TRY(log::check_config(config));
  MILLRACE_TRY(stop_.check());
  const std::lock_guard admin(admin_mutex_);
  if (const auto present = find_topic(topic)) {
    const std::uint32_t partitions = (*present)->config().partitions;
    if (partitions == config.partitions) return (*present)->set_config(config);
    return fail(Code::kExists, fmt::format("topic '{}' has {} partitions, which cannot be changed to {}",
                                           topic, partitions, config.partitions));
  }
  const Path dir = dir_ / "topics" / topic;
  MILLRACE_TRY(Topic::make(env_, control_, dir, config));
  MILLRACE_ASSIGN(auto made, Topic::open(env_, control_, dir, problems_));
  const std::unique_lock lock(topics_mutex_);
  topics_.emplace(std::string(topic), std::move(made));
  return {};
}

// The directory leaves the tree in one step, so that a crash leaves the whole topic or nothing of it.
Status SegmentLog::delete_topic(std::string_view name) {
  const std::lock_guard admin(admin_mutex_);
  MILLRACE_TRY(empty_trash());
  MILLRACE_ASSIGN(const std::shared_ptr<Topic> topic, find_topic(name));
  {
    const std::unique_lock lock(topics_mutex_);
    topics_.erase(topics_.find(name));
  }
  for (const auto& committer : committers_) committer->drain();
  const std::lock_guard files(files_mutex_);
  topic->set_deleted();
  for (const auto& partition : topic->partitions()) partition->stop_waiting();
  const Path trash = dir_ / "trash";
  MILLRACE_TRY(env_.make_dirs(trash));
  MILLRACE_TRY(env_.sync_dir(dir_));
  MILLRACE_TRY(env_.rename(dir_ / "topics" / name, trash / name));
  return empty_trash();
}

std::map<std::string, TopicConfig> SegmentLog::topics() const {
  std::map<std::string, TopicConfig> configs;
  for (const auto& topic : all_topics()) configs.emplace(topic->name(), topic->config());
  return configs;
}

std::vector<std::shared_ptr<Topic>> SegmentLog::all_topics() const {
  const std::shared_lock lock(topics_mutex_);
  std::vector<std::shared_ptr<Topic>> all;
  for (const auto& [name, topic] : topics_) all.push_back(topic);
  return all;
}

Result<std::shared_ptr<Topic>> SegmentLog::find_topic(std::string_view topic) const {
  const std::shared_lock lock(topics_mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return fail(Code::kNotFound, fmt::format("there is no topic '{}'", topic));
  return found->second;
}

Result<SegmentLog::Found> SegmentLog::find(const TopicPartition& name) const {
  MILLRACE_ASSIGN(auto topic, find_topic(name.topic));
  Partition* const partition = topic->partition(name.partition);
  if (partition != nullptr) return Found{std::move(topic), partition};
  return fail(Code::kNotFound, fmt::format("topic '{}' has {} partitions, there is no number {}", name.topic,
                                           topic->partitions().size(), name.partition.value()));
}

// ---- Records

Result<SegmentLog::Found> SegmentLog::admit(const TopicPartition& to,
                                            const std::vector<NewRecord>& batch) const {
  MILLRACE_TRY(check_batch(batch));
  MILLRACE_TRY(stop_.check());
  MILLRACE_ASSIGN(Found found, find(to));
  MILLRACE_TRY(found.topic->check_room());
  return found;
}

Committer& SegmentLog::committer_of(const TopicPartition& name) {
  const std::size_t spread = std::hash<std::string>{}(name.topic) + name.partition.value();
  return *committers_[spread % committers_.size()];
}

void SegmentLog::append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) {
  auto found = admit(to, batch);
  if (!found) {
    if (found.error().code == Code::kOverloaded) wake_upkeep();
    return done(fail(std::move(found).error()));
  }
  const std::size_t bytes = log::frame_bytes(batch);
  if (!budget_.take(bytes, batch.size())) {
    return done(fail(Code::kOverloaded, "too much is waiting to be written to the log; try again later"));
  }
  log::PendingAppend append{std::move(found->topic), found->partition, log::encode_frame(batch),
                            std::move(done)};
  {
    const std::shared_lock lock(topics_mutex_);
    if (!closing_) return committer_of(to).push(std::move(append));
  }
  budget_.give_back(bytes, batch.size());
  append.done(fail(Code::kCancelled, "the log is closing"));
}

Result<RecordBatch> SegmentLog::read(const TopicPartition& from_partition, Offset from,
                                     const ReadLimits& limits) const {
  MILLRACE_ASSIGN(const Found found, find(from_partition));
  return found.partition->read(from, limits);
}

Result<Offset> SegmentLog::offset_at_time(const TopicPartition& partition, TimeUs time) const {
  MILLRACE_ASSIGN(const Found found, find(partition));
  return found.partition->offset_at_time(time);
}

Result<PartitionStats> SegmentLog::stats(const TopicPartition& partition) const {
  MILLRACE_ASSIGN(const Found found, find(partition));
  return found.partition->stats();
}

std::uint64_t SegmentLog::wait_for_append(std::uint64_t seen, DurationUs wait) const {
  return announcer_.wait(seen, wait);
}

// ---- Groups

Status SegmentLog::commit(std::string_view group, const TopicPartition& partition, Offset next) {
  MILLRACE_TRY(check_name("group", group));
  MILLRACE_TRY(stop_.check());
  MILLRACE_ASSIGN(const Found found, find(partition));
  return found.topic->commit(group, partition.partition, next);
}

Result<std::optional<Offset>> SegmentLog::committed(std::string_view group,
                                                    const TopicPartition& partition) const {
  MILLRACE_ASSIGN(const Found found, find(partition));
  return found.topic->committed(group, partition.partition);
}

Status SegmentLog::delete_group(std::string_view group, std::string_view topic) {
  MILLRACE_TRY(stop_.check());
  MILLRACE_ASSIGN(const auto found, find_topic(topic));
  return found->delete_group(group);
}

// ---- Upkeep

void SegmentLog::wake_upkeep() {
  {
    const std::lock_guard lock(upkeep_mutex_);
    upkeep_asked_ = true;
  }
  upkeep_wanted_.notify_one();
}

void SegmentLog::upkeep_loop() {
  DurationUs retained_us = env_.steady_now();
  for (;;) {
    {
      std::unique_lock lock(upkeep_mutex_);
      upkeep_wanted_.wait_for(lock, std::chrono::microseconds(options_.upkeep_interval),
                              [&] { return upkeep_asked_ || upkeep_stopping_; });
      if (upkeep_stopping_) return;
      upkeep_asked_ = false;
    }
    run_upkeep();
    if (env_.steady_now() - retained_us < options_.upkeep_interval) continue;
    run_retention();
    retained_us = env_.steady_now();
  }
}

void SegmentLog::run_upkeep() {
  for (const auto& topic : all_topics()) {
    const std::lock_guard files(files_mutex_);
    for (const auto& partition : topic->partitions()) {
      if (partition->wants_upkeep() && stop_.check()) note_upkeep(*topic, partition->upkeep());
    }
  }
}

void SegmentLog::run_retention() {
  for (const auto& topic : all_topics()) {
    const std::lock_guard files(files_mutex_);
    if (stop_.check() && !topic->is_deleted()) note_upkeep(*topic, topic->retain(env_.now()));
  }
  control_.restore_reserve();
}

/// A full disk is no harm to upkeep: what it could not prepare, the committer does.
void SegmentLog::note_upkeep(const Topic& topic, const Status& status) {
  if (status || topic.is_deleted() || status.error().code == Code::kNoSpace) return;
  stop_.stop(status.error());
}

bool SegmentLog::run_queued() {
  bool any = false;
  for (const auto& committer : committers_) any = committer->commit_queued() || any;
  return any;
}

}  // namespace millrace
