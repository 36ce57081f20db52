#include "log/log_simulation_testing.h"

#include <algorithm>

#include <fmt/format.h>

namespace millrace {
namespace {

const Path kDir = "/data/log";
constexpr const char* kGroup = "reader";

/// Small, so that segments roll and retention has work after a few steps.
const TopicConfig kConfig{.partitions = 2,
                          .retention = kHourUs,
                          .bytes_soft = 64 << 10,
                          .bytes_hard = 1 << 20,
                          .segment_bytes = 8 << 10};

std::vector<NewRecord> as_records(const std::vector<std::string>& values,
                                  const std::vector<std::uint32_t>& counts, TimeUs time) {
  std::vector<NewRecord> records;
  for (std::size_t i = 0; i < values.size(); ++i) {
    records.push_back(
        {.key = "key", .attributes = "a", .value = values[i], .time = time, .count = counts[i]});
  }
  return records;
}

}  // namespace

LogSimulation::LogSimulation(std::uint64_t seed, const SimulationOptions& options)
    : options_(options), random_(seed * 7'919 + 17), env_(seed) {
  for (const char* topic : {"events", "items"}) {
    topics_[topic] = false;
    for (std::uint32_t i = 0; i < kConfig.partitions; ++i) partitions_[{topic, PartitionId(i)}];
  }
  topics_["scratch"] = false;
  std::ignore = env_.make_dirs(kDir.parent_path());
  std::ignore = env_.sync_dir("/");
}

LogSimulation::~LogSimulation() = default;

void LogSimulation::wrong(const std::string& what) {
  if (!wrong_) wrong_ = what;
}

std::optional<std::string> LogSimulation::run() {
  for (int life = 0; life <= options_.lives && !wrong_; ++life) {
    if (!open()) break;
    check();
    // A mutant is honest in its first life: it shall be found out by lost records, not by a lost topic.
    if (life == 1) env_.set_ignore_sync(options_.ignore_file_sync, options_.ignore_dir_sync);
    if (wrong_ || life == options_.lives) break;
    if (below(2) == 0) env_.die_after(below(250));
    const std::uint64_t steps = below(static_cast<std::uint64_t>(options_.steps_max)) + 1;
    for (std::uint64_t i = 0; i < steps && !wrong_; ++i) step();
    end_process();
  }
  return wrong_;
}

bool LogSimulation::open() {
  auto opened = SegmentLog::open(env_, kDir, {.committers = 0, .reserve_bytes = 4'096});
  if (!opened) {
    wrong("cannot open: " + opened.error().text());
    return false;
  }
  log_ = *std::move(opened);
  for (const auto& problem : log_->problems()) {
    wrong(fmt::format("reports damage: {} at {}: {}", problem.path, problem.position, problem.what));
  }
  return true;
}

void LogSimulation::end_process() {
  env_.set_space(std::nullopt);
  if (below(4) != 0) env_.die_after(0);  // else it closes in good order
  log_.reset();
  if (below(4) < static_cast<std::uint64_t>(options_.power_losses_of_4)) {
    env_.power_loss(random_());
  } else {
    env_.restart_process();
  }
}

// ---- Work

void LogSimulation::step() {
  switch (below(16)) {
    case 0:
      return commit_group();
    case 1:
      return toggle_topic();
    case 2:
      return log_->run_retention();
    case 3:
      return env_.advance(static_cast<DurationUs>(below(40)) * kMinuteUs);
    case 4:
      return inject_failure();
    case 5:
    case 6:
      return log_->run_upkeep();
    case 7:
    case 8:
    case 9:
      log_->run_queued();
      return;
    default:
      return append();
  }
}

void LogSimulation::inject_failure() {
  if (!options_.inject_failures) return;
  switch (below(12)) {
    case 0:
      return env_.fail_write(below(6));
    case 1:
      return env_.fail_sync(below(6));
    case 2:
    case 3:
      return env_.set_space(below(30'000));
    default:
      return env_.set_space(std::nullopt);
  }
}

void LogSimulation::append() {
  auto& [to, oracle] = *std::next(partitions_.begin(), static_cast<long>(below(partitions_.size())));
  Batch batch;
  const std::uint64_t count = below(5) + 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t size = below(20) == 0 ? below(20'000) : below(600);
    std::string value = fmt::format("{}|", next_value_++);
    for (std::uint64_t j = 0; j < size; ++j) value.push_back(static_cast<char>('a' + (next_value_ + j) % 26));
    batch.values.push_back(std::move(value));
    batch.counts.push_back(static_cast<std::uint32_t>(below(4)));
  }
  auto records = as_records(batch.values, batch.counts, env_.now());
  const std::string first = batch.values.front();
  oracle.maybe[first] = std::move(batch);
  log_->append(to, std::move(records), [this, to, first](const Result<Offset>& done) {
    if (done) return acknowledge(to, first, *done);
    const Code code = done.error().code;
    // Refused before it came near the disk: must never be seen.
    if (code == Code::kNotFound || code == Code::kOverloaded || code == Code::kInvalid) {
      partitions_[to].maybe.erase(first);
    }
  });
}

void LogSimulation::acknowledge(const TopicPartition& to, const std::string& first_value, Offset offset) {
  PartitionOracle& oracle = partitions_[to];
  const auto found = oracle.maybe.find(first_value);
  if (found == oracle.maybe.end()) return wrong("answered twice: " + first_value.substr(0, 20));
  if (!oracle.durable.empty() && oracle.durable.rbegin()->first >= offset.value()) {
    wrong(fmt::format("offset {} of {}/{} was given before", offset.value(), to.topic, to.partition.value()));
  }
  const Batch& batch = found->second;
  for (std::size_t i = 0; i < batch.values.size(); ++i) {
    oracle.durable[offset.value() + i] = {batch.values[i], batch.counts[i]};
    oracle.count_total += batch.counts[i];
  }
  oracle.maybe.erase(found);
}

void LogSimulation::commit_group() {
  auto& [name, oracle] = *std::next(partitions_.begin(), static_cast<long>(below(partitions_.size())));
  const auto stats = log_->stats(name);
  if (!stats) return;
  const std::uint64_t next = stats->start.value() + below(stats->end.value() - stats->start.value() + 1);
  oracle.passed_max = std::max(oracle.passed_max, next);
  oracle.commits_unknown.insert(next);
  if (!log_->commit(kGroup, name, Offset(next))) return;
  oracle.committed = next;
  oracle.commits_unknown.clear();
  oracle.is_guarded = true;
}

/// Make or delete a topic; those with an oracle are only made.
void LogSimulation::toggle_topic() {
  auto& [name, exists] = *std::next(topics_.begin(), static_cast<long>(below(topics_.size())));
  const bool present = log_->topics().contains(name);
  const bool remove = name == "scratch" && present;
  const Status done = remove ? log_->delete_topic(name) : log_->create_topic(name, kConfig);
  if (done) {
    exists = !remove;
  } else if (exists != !remove) {
    exists.reset();
  }
}

// ---- What must be there

void LogSimulation::check() {
  check_topics();
  for (auto& [name, oracle] : partitions_) {
    if (log_->topics().contains(name.topic) && !wrong_) check_partition(name, oracle);
  }
}

void LogSimulation::check_topics() {
  const auto topics = log_->topics();
  for (auto& [name, exists] : topics_) {
    if (exists && *exists != topics.contains(name)) {
      wrong(fmt::format("topic {} {}", name, *exists ? "is gone" : "is back"));
    }
    exists = topics.contains(name);
  }
}

void LogSimulation::check_partition(const TopicPartition& name, PartitionOracle& oracle) {
  const auto stats = log_->stats(name);
  if (!stats) return wrong("no stats: " + stats.error().text());
  check_records(name, oracle, *stats);
  oracle.maybe.clear();
  const std::string where = fmt::format("{}/{}", name.topic, name.partition.value());
  if (stats->count_total != oracle.count_total) {
    wrong(fmt::format("{}: count_total is {}, should be {}", where, stats->count_total, oracle.count_total));
  }
  if (oracle.passed_max < stats->start.value() && oracle.is_guarded) {
    wrong(fmt::format("{}: retention went to {}, the group only to {}", where, stats->start.value(),
                      oracle.passed_max));
  }
  check_group(name, oracle);
  if (oracle.committed && !oracle.is_guarded) {
    oracle.is_guarded = true;
    oracle.passed_max = std::max(oracle.passed_max, stats->start.value());
  }
}

void LogSimulation::check_group(const TopicPartition& name, PartitionOracle& oracle) {
  const auto committed = log_->committed(kGroup, name);
  if (!committed) return wrong("no groups: " + committed.error().text());
  const auto now = *committed ? std::optional((*committed)->value()) : std::nullopt;
  if (now != oracle.committed && !(now && oracle.commits_unknown.contains(*now))) {
    wrong(fmt::format("{}/{}: the group's commit was lost", name.topic, name.partition.value()));
  }
  oracle.committed = now;
  oracle.commits_unknown.clear();
}

void LogSimulation::check_records(const TopicPartition& name, PartitionOracle& oracle,
                                  const PartitionStats& stats) {
  std::vector<std::pair<std::uint64_t, Expected>> found;
  for (Offset from = stats.start; from < stats.end;) {
    const auto batch = log_->read(name, from, {.records_max = below(20) + 1});
    if (!batch) return wrong("cannot read: " + batch.error().text());
    if (batch->records.empty()) break;
    for (const Record& record : batch->records) {
      found.push_back({record.offset.value(), {std::string(record.value), record.count}});
    }
    from = batch->next;
  }
  const std::string where = fmt::format("{}/{}", name.topic, name.partition.value());
  if (found.size() != stats.end.value() - stats.start.value()) return wrong(where + ": there are gaps");
  for (std::size_t at = 0; at < found.size();) {
    const auto& [offset, record] = found[at];
    const auto expected = oracle.durable.find(offset);
    if (expected == oracle.durable.end()) {
      if (!adopt(oracle, found, at))
        return wrong(fmt::format("{}: what is at {} should not be", where, offset));
      continue;
    }
    if (expected->second.value != record.value || expected->second.count != record.count) {
      return wrong(fmt::format("{}: the record at {} is another one", where, offset));
    }
    ++records_verified_;
    ++at;
  }
  const auto last = oracle.durable.empty() ? 0 : oracle.durable.rbegin()->first + 1;
  if (last > stats.end.value()) return wrong(where + ": acknowledged records are gone");
}

/// Accept at `at` a batch that was never acknowledged: only whole, and from now on it must stay.
bool LogSimulation::adopt(PartitionOracle& oracle,
                          const std::vector<std::pair<std::uint64_t, Expected>>& found, std::size_t& at) {
  const auto maybe = oracle.maybe.find(found[at].second.value);
  if (maybe == oracle.maybe.end()) return false;
  const Batch& batch = maybe->second;
  for (std::size_t i = 0; i < batch.values.size(); ++i, ++at) {
    if (at == found.size() || found[at].second.value != batch.values[i] ||
        found[at].second.count != batch.counts[i]) {
      return false;
    }
    oracle.durable[found[at].first] = found[at].second;
    oracle.count_total += batch.counts[i];
  }
  oracle.maybe.erase(maybe);
  return true;
}

}  // namespace millrace
