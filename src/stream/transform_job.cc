#include "stream/transform_job.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "event/quarantine.h"
#include "log/topics.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Kind = FlowOutcome::Kind;

constexpr std::size_t kAppendBytesMax = 16u << 20;  // of one append, beyond its last record
constexpr std::size_t kReadBytesMax = 4 << 20;
constexpr std::size_t kHeaderBytesMax = 60 << 10;
constexpr DurationUs kUnreachablePause = 500 * kMillisecondUs;

Json origin_json(const std::string& name, const SubscriptionMessage& message) {
  return {{"name", name},
          {"partition", message.ack_id.place.partition.value()},
          {"offset", message.ack_id.place.offset.value()}};
}

/// The header of what is published: the attributes of the message it came from, and where that lies.
std::string published_header(const std::string& name, const SubscriptionMessage& message) {
  Json header = {{"content_type", "application/json"}, {"flow", origin_json(name, message)}};
  Json attributes = message.attributes;
  attributes.erase("flow");  // of the transform before
  if (!attributes.empty()) header["attributes"] = std::move(attributes);
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kHeaderBytesMax) return text;
  header.erase("attributes");
  return header.dump();
}

std::string quarantined_header(const std::string& name, const SubscriptionMessage& message,
                               const Error& error, int tries, TimeUs now) {
  const auto attribute = [&](const char* key) {
    const auto found = message.attributes.find(key);
    return found == message.attributes.end() ? std::string() : found->second;
  };
  Error reason = error;
  reason.where = message.id();
  BodyFacts facts;
  const std::string source = attribute("source");
  facts.source = source;
  facts.received_time = message.publish_time;
  Json header =
      Json::parse(quarantine_header("transform", attribute("codec"), reason, facts), nullptr, false);
  header["last_attempt_us"] = now;
  header["attempts"] = tries;
  header["flow"] = origin_json(name, message);
  return header.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

TransformJob::TransformJob(EventLog& log, Env& env, TransformJobOptions options,
                           std::unique_ptr<FlowFunction> function)
    : log_(log),
      env_(env),
      options_(std::move(options)),
      job_name_("transform:" + options_.name),
      function_(std::move(function)) {}

Status TransformJob::start() {
  const auto topics = log_.topics();
  const auto from = topics.find(options_.from);
  if (from == topics.end())
    return fail(Code::kNotFound,
                fmt::format("there is no topic '{}' to read; make it with `millrace topic create {}`",
                            options_.from, options_.from));
  content_type_ = from->second.content_type;
  const auto to = topics.find(options_.to);
  if (to == topics.end()) {
    TopicConfig config = from->second;
    config.content_type = "application/json";
    MILLRACE_TRY(log_.create_topic(options_.to, config));
  } else if (to->second.partitions != from->second.partitions) {
    return fail(
        Code::kInvalid,
        fmt::format("topic '{}' has {} partitions and '{}' {}; to keep the order of keys both need as many",
                    options_.to, to->second.partitions, options_.from, from->second.partitions));
  }
  MILLRACE_TRY(open_position());
  if (position_.from != options_.from || position_.to != options_.to ||
      position_.next.size() != from->second.partitions)
    MILLRACE_TRY(make_position(from->second.partitions));
  return sync();
}

Status TransformJob::open_position() {
  if (!env_.exists(options_.position)) return {};
  MILLRACE_ASSIGN(const std::string text, read_file(env_, options_.position, 1 << 20));
  auto position = TransformPosition::parse(text);
  if (!position) return fail(Code::kCorrupt, position.error().message, options_.position.string());
  position_ = *std::move(position);
  return {};
}

/// Begin where a new transform does.
Status TransformJob::make_position(std::uint32_t partitions) {
  position_ = {options_.from, options_.to, {}, {}, {}};
  for (std::uint32_t i = 0; i < partitions; ++i) {
    MILLRACE_ASSIGN(const auto from, log_.stats({options_.from, PartitionId(i)}));
    MILLRACE_ASSIGN(const auto to, log_.stats({options_.to, PartitionId(i)}));
    position_.next.push_back(options_.from_start ? from.start : from.end);
    position_.published.push_back(to.end);
  }
  MILLRACE_ASSIGN(const auto quarantine, log_.stats({std::string(kQuarantineTopic), PartitionId(0)}));
  position_.quarantined = quarantine.end;
  dirty_ = true;
  return checkpoint();
}

/// Find out what was published beyond the checkpoint: after a start, or an append of which one cannot know.
Status TransformJob::sync() {
  batch_.reset();
  MILLRACE_ASSIGN(tail_, read_transform_tail(log_, options_.name, position_));
  position_.next = tail_.next;
  synced_ = true;
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < position_.next.size(); ++i)
    done_[{options_.from, PartitionId(i)}] = position_.next[i];
  return {};
}

JobPosition TransformJob::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

Result<StepResult> TransformJob::step() {
  if (!synced_) MILLRACE_TRY(sync());
  if (!batch_) {
    MILLRACE_ASSIGN(const bool found, take_batch());
    if (!found) return idle();
  }
  const auto tried = try_batch();
  if (!tried) {
    // Nobody there: it is this transform alone that waits.
    if (std::exchange(complaint_, tried.error().message) != complaint_)
      log_warning(job_name_, "waits", {field("why", tried.error().text())});
    return StepResult{.more = false, .rest = kUnreachablePause};
  }
  complaint_.clear();
  if (!*tried) return StepResult{.more = true, .rest = options_.retry_pause << (batch_->tries - 1)};
  const auto records = static_cast<std::uint64_t>(batch_->messages.size());
  MILLRACE_TRY(finish_batch());
  return StepResult{.more = true, .records = records, .events = records};
}

Result<StepResult> TransformJob::idle() {
  if (dirty_) MILLRACE_TRY(checkpoint());
  return StepResult{};
}

/// Read the next batch of the next partition that has one.
Result<bool> TransformJob::take_batch() {
  const auto partitions = static_cast<std::uint32_t>(position_.next.size());
  for (std::uint32_t i = 0; i < partitions && !batch_; ++i) {
    MILLRACE_TRY(read_batch(turn_));
    turn_ = (turn_ + 1) % partitions;
  }
  return batch_.has_value();
}

Status TransformJob::read_batch(std::uint32_t partition) {
  const TopicPartition from{options_.from, PartitionId(partition)};
  Offset& next = position_.next[partition];
  auto read = log_.read(from, next, {.records_max = options_.batch_max, .bytes_max = kReadBytesMax});
  if (!read && read.error().code == Code::kOutOfRange) {
    MILLRACE_ASSIGN(const auto stats, log_.stats(from));
    if (stats.start <= next) return fail(read.error());
    log_warning(job_name_, "messages were removed before it had read them", {field("partition", partition)});
    next = stats.start;
    read = log_.read(from, next, {.records_max = options_.batch_max, .bytes_max = kReadBytesMax});
  }
  if (!read) return fail(read.error());
  if (read->records.empty()) return {};
  batch_.emplace();
  batch_->partition = partition;
  batch_->next = read->next;
  for (const Record& record : read->records) {
    if (tail_.quarantined.contains({partition, record.offset})) continue;
    SubscriptionMessage& message = batch_->messages.emplace_back();
    message.topic = options_.from;
    message.ack_id.place = {PartitionId(partition), record.offset};
    take_record(record, content_type_, message);
  }
  batch_->outcomes.resize(batch_->messages.size());
  return {};
}

/// Have the function look at what has no outcome yet; return whether all have one now.
Result<bool> TransformJob::try_batch() {
  std::vector<const SubscriptionMessage*> messages;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < batch_->messages.size(); ++i) {
    if (batch_->outcomes[i]) continue;
    messages.push_back(&batch_->messages[i]);
    places.push_back(i);
  }
  if (messages.empty()) return true;
  MILLRACE_ASSIGN(auto outcomes, function_->apply(messages));
  if (outcomes.size() != messages.size()) return fail(Code::kInternal, "the function lost a message");
  ++batch_->tries;
  bool all = true;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    FlowOutcome& outcome = outcomes[i];
    if (outcome.kind == Kind::kAgain && batch_->tries >= options_.tries) outcome.kind = Kind::kFailed;
    if (outcome.kind == Kind::kPublish && outcome.data.size() > EventLog::kRecordBytesMax)
      outcome = {Kind::kFailed,
                 {},
                 {Code::kInvalid, "what the function made of it is larger than a message may be", {}}};
    if (outcome.kind == Kind::kAgain) {
      all = false;
    } else {
      batch_->outcomes[places[i]] = std::move(outcome);
    }
  }
  return all;
}

/// Quarantine comes first: once a later message is published, those before it are known to be done.
Status TransformJob::finish_batch() {
  Status done = quarantine();
  if (done) done = publish();
  if (!done) {
    synced_ = false;
    return done;
  }
  const std::uint32_t partition = batch_->partition;
  position_.next[partition] = batch_->next;
  std::erase_if(tail_.quarantined,
                [&](const auto& one) { return one.first == partition && one.second < batch_->next; });
  batch_.reset();
  dirty_ = true;
  {
    const std::lock_guard lock(mutex_);
    done_[{options_.from, PartitionId(partition)}] = position_.next[partition];
  }
  return env_.steady_now() - checkpoint_at_ < options_.checkpoint_interval ? Status() : checkpoint();
}

Status TransformJob::quarantine() {
  std::vector<std::string> headers;
  std::vector<const SubscriptionMessage*> failed;
  for (std::size_t i = 0; i < batch_->messages.size(); ++i) {
    const FlowOutcome& outcome = *batch_->outcomes[i];
    if (outcome.kind != Kind::kFailed) continue;
    failed.push_back(&batch_->messages[i]);
    headers.push_back(
        quarantined_header(options_.name, *failed.back(), outcome.error, batch_->tries, env_.now()));
  }
  std::vector<NewRecord> records;
  // They were received before and count there: the books take them for none.
  for (std::size_t i = 0; i < failed.size(); ++i)
    records.push_back({failed[i]->key, headers[i], failed[i]->data, failed[i]->publish_time, 0});
  MILLRACE_TRY(append_and_wait(log_, {std::string(kQuarantineTopic), PartitionId(0)}, std::move(records)));
  if (metrics_ && !failed.empty()) metrics_->count_quarantined(failed.size());
  return {};
}

Status TransformJob::publish() {
  std::vector<std::string> headers(batch_->messages.size());
  std::vector<NewRecord> records;
  std::size_t bytes = 0;
  const TopicPartition to{options_.to, PartitionId(batch_->partition)};
  for (std::size_t i = 0; i < batch_->messages.size(); ++i) {
    const FlowOutcome& outcome = *batch_->outcomes[i];
    if (outcome.kind != Kind::kPublish) continue;
    const SubscriptionMessage& message = batch_->messages[i];
    headers[i] = published_header(options_.name, message);
    records.push_back({message.key, headers[i], outcome.data, message.publish_time, 1});
    bytes += headers[i].size() + outcome.data.size();
    if (bytes < kAppendBytesMax) continue;
    MILLRACE_TRY(append_and_wait(log_, to, std::exchange(records, {})));
    bytes = 0;
  }
  return append_and_wait(log_, to, std::move(records));
}

Status TransformJob::checkpoint() {
  // All that was published is of messages below `next`, so what comes after these ends is what `next` does
  // not cover.
  TransformPosition position = position_;
  for (std::uint32_t i = 0; i < position.published.size(); ++i) {
    MILLRACE_ASSIGN(const auto stats, log_.stats({options_.to, PartitionId(i)}));
    position.published[i] = stats.end;
  }
  MILLRACE_ASSIGN(const auto stats, log_.stats({std::string(kQuarantineTopic), PartitionId(0)}));
  if (tail_.quarantined.empty()) position.quarantined = stats.end;
  MILLRACE_TRY(write_file_atomically(env_, options_.position, position.json() + "\n"));
  position_ = std::move(position);
  for (std::uint32_t i = 0; i < position_.next.size(); ++i)
    MILLRACE_TRY(log_.commit(group(options_.name), {options_.from, PartitionId(i)}, position_.next[i]));
  dirty_ = false;
  checkpoint_at_ = env_.steady_now();
  return {};
}

}  // namespace millrace
