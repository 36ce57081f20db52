#include "stream/subscription.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::size_t kReloadRecords = 64;  // read together when messages come again

const Record* find_record(const RecordBatch& batch, Offset offset) {
  const auto found = std::ranges::lower_bound(batch.records, offset, {}, &Record::offset);
  return found != batch.records.end() && found->offset == offset ? &*found : nullptr;
}

}  // namespace

Subscription::Subscription(std::string name, SubscriptionSettings settings, const EventLog& log,
                           std::uint64_t seed, const SubscriptionLimits& limits)
    : name_(std::move(name)), settings_(std::move(settings)), log_(log), limits_(limits), random_(seed) {
  next_lease_ = random_() >> 16;
  const auto topics = log.topics();
  const TopicConfig& topic = topics.at(settings_.topic);
  content_type_ = topic.content_type;
  for (std::uint32_t i = 0; i < topic.partitions; ++i)
    partitions_.emplace_back().where = {settings_.topic, PartitionId(i)};
}

void Subscription::restore(PartitionId id, SubscriptionProgress progress) {
  Partition& to = partition(id);
  to.scanned = progress.next;
  to.reach = to.restored_end = progress.reach;
  to.restored = std::move(progress.undone);
}

SubscriptionProgress Subscription::progress(PartitionId id) const {
  const Partition& of = partitions_[id.value()];
  SubscriptionProgress out{next(id), std::max(of.reach, of.restored_end), of.restored};
  for (const auto& [offset, message] : of.undone)
    if (message.attempts > 0) out.reach = std::max(out.reach, message.end);
  for (const auto& [offset, message] : of.undone)
    if (offset < out.reach) out.undone[offset] = message.attempts;
  out.reach = std::max(out.reach, out.next);
  return out;
}

Offset Subscription::next(PartitionId id) const {
  const Partition& of = partitions_[id.value()];
  if (!of.undone.empty()) return of.undone.begin()->first;
  if (!of.restored.empty()) return of.restored.begin()->first;
  return std::max(of.scanned, of.restored_end);
}

Subscription::Change Subscription::change() const {
  Change most = Change::kNone;
  for (const Partition& of : partitions_) most = std::max(most, of.change);
  return most;
}

std::vector<PartitionId> Subscription::take_changed() {
  std::vector<PartitionId> out;
  for (Partition& of : partitions_)
    if (std::exchange(of.change, Change::kNone) != Change::kNone) out.push_back(of.where.partition);
  return out;
}

void Subscription::mark_changed() {
  for (Partition& of : partitions_) of.change = Change::kDone;
}

// Reading.

Result<bool> Subscription::read_on() {
  bool more = false;
  ++first_read_;  // another partition comes first each time, or a busy one would hide the others
  for (std::uint32_t i = 0; i < partitions(); ++i) {
    MILLRACE_ASSIGN(const bool some, read_partition(PartitionId((first_read_ + i) % partitions())));
    more = more || some;
  }
  return more;
}

Result<bool> Subscription::read_partition(PartitionId id) {
  if (ready_.size() >= limits_.ready_low || tracked_ >= limits_.tracked_max) return true;
  Partition& from = partition(id);
  if (from.scanned < from.restored_end)
    from.scanned = from.restored.empty() ? from.restored_end : from.restored.begin()->first;
  const std::size_t room = std::min(limits_.read_records_max, limits_.tracked_max - tracked_);
  Result<RecordBatch> batch = log_.read(from.where, from.scanned, {room, limits_.read_bytes_max, 0});
  if (!batch) {
    MILLRACE_TRY(skip_removed(from, batch.error()));
    return true;
  }
  if (batch->records.empty()) return false;
  take_in(id, *std::move(batch));
  return true;
}

/// Go on where the log now starts, when retention was faster than the consumers.
Status Subscription::skip_removed(Partition& from, const Error& error) {
  if (error.code != Code::kOutOfRange) return fail(error);
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(from.where));
  if (stats.start <= from.scanned) return fail(error);
  const auto kept = from.restored.lower_bound(stats.start);
  counts_.lost += static_cast<std::uint64_t>(std::distance(from.restored.begin(), kept));
  from.restored.erase(from.restored.begin(), kept);
  const Offset unread = std::max(from.scanned, from.restored_end);
  if (unread < stats.start) counts_.lost += stats.start.value() - unread.value();
  from.scanned = stats.start;
  from.change = Change::kDone;
  return {};
}

void Subscription::take_in(PartitionId id, RecordBatch batch) {
  Partition& from = partition(id);
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const Record& record = batch.records[i];
    const Offset end = i + 1 < batch.records.size() ? batch.records[i + 1].offset : batch.next;
    const auto known = from.restored.find(record.offset);
    if (record.offset < from.restored_end && known == from.restored.end()) continue;
    const std::uint32_t attempts = known == from.restored.end() ? 0 : known->second;
    if (known != from.restored.end()) from.restored.erase(known);
    settle({id, record.offset}, track(id, record, end, attempts));
  }
  from.scanned = batch.next;
  // What was undone here and did not come is not in the log any more.
  const auto passed = from.restored.lower_bound(batch.next);
  counts_.lost += static_cast<std::uint64_t>(std::distance(from.restored.begin(), passed));
  from.restored.erase(from.restored.begin(), passed);
  batch_ = std::move(batch);
  batch_partition_ = id;
}

Subscription::Tracked& Subscription::track(PartitionId id, const Record& record, Offset end,
                                           std::uint32_t attempts) {
  Tracked& message = partition(id).undone[record.offset];
  message.end = end;
  message.time = record.time;
  message.bytes = record.key.size() + record.attributes.size() + record.value.size();
  message.attempts = attempts;
  message.sequence = ++sequence_;
  if (settings_.ordered && !record.key.empty()) {
    message.key = record.key;
    keys_[message.key].push_back({id, record.offset});
  }
  ++tracked_;
  return message;
}

/// Read so far that the place is known, as after a restart, when an earlier hand-out is acknowledged.
bool Subscription::read_up_to(MessagePlace place) {
  if (place.partition.value() >= partitions_.size()) return false;
  Partition& of = partition(place.partition);
  while (of.scanned <= place.offset) {
    if (place.offset < of.restored_end && !of.restored.contains(place.offset)) return true;  // it is done
    if (tracked_ >= 2 * limits_.tracked_max) return false;
    Result<RecordBatch> batch =
        log_.read(of.where, of.scanned, {limits_.read_records_max, limits_.read_bytes_max, 0});
    if (!batch || batch->records.empty()) return false;
    take_in(place.partition, *std::move(batch));
  }
  return true;
}

// States.

Subscription::Tracked* Subscription::find(MessagePlace place) {
  if (place.partition.value() >= partitions_.size()) return nullptr;
  auto& undone = partition(place.partition).undone;
  const auto found = undone.find(place.offset);
  return found == undone.end() ? nullptr : &found->second;
}

/// Return the message if this very delivery still holds it.
Subscription::Tracked* Subscription::find_held(const AckId& id) {
  Tracked* message = id.epoch == epoch_ ? find(id.place) : nullptr;
  if (!message || message->lease != id.lease) return nullptr;
  return message->state == State::kLeased || message->state == State::kDoomed ? message : nullptr;
}

void Subscription::leave_state(MessagePlace place, Tracked& message) {
  switch (message.state) {
    case State::kReady:
      ready_.erase({message.sequence, place});
      break;
    case State::kLeased:
      --outstanding_;
      outstanding_bytes_ -= message.bytes;
      due_.erase({message.due, place});
      break;
    case State::kWaiting:
      due_.erase({message.due, place});
      break;
    case State::kDoomed:
      std::erase(doomed_, place);
      break;
    case State::kQueued:
      break;
  }
  message.state = State::kQueued;
}

bool Subscription::used_up(const Tracked& message) const {
  return settings_.max_attempts > 0 && message.attempts >= settings_.max_attempts;
}

/// Make it ready, or doomed when its deliveries are used up, or leave it queued behind another of its key.
void Subscription::settle(MessagePlace place, Tracked& message) {
  leave_state(place, message);
  if (!message.key.empty() && keys_.at(message.key).front() != place) return;
  if (used_up(message)) {
    message.state = State::kDoomed;
    message.lease = ++next_lease_;
    doomed_.push_back(place);
  } else {
    message.state = State::kReady;
    ready_.insert({message.sequence, place});
  }
}

void Subscription::wait_until(MessagePlace place, Tracked& message, DurationUs due) {
  leave_state(place, message);
  message.state = State::kWaiting;
  message.due = due;
  due_.insert({due, place});
}

void Subscription::lease(MessagePlace place, Tracked& message, DurationUs until) {
  leave_state(place, message);
  message.state = State::kLeased;
  message.lease = ++next_lease_;
  message.due = until;
  ++message.attempts;
  due_.insert({until, place});
  ++outstanding_;
  outstanding_bytes_ += message.bytes;
  ++counts_.delivered;
  Change& change = partition(place.partition).change;
  change = std::max(change, Change::kDeliveries);
}

void Subscription::finish(MessagePlace place) {
  Partition& of = partition(place.partition);
  const auto found = of.undone.find(place.offset);
  assert(found != of.undone.end());
  leave_state(place, found->second);
  of.reach = std::max(of.reach, found->second.end);
  of.change = Change::kDone;
  const std::string key = std::move(found->second.key);
  of.undone.erase(found);
  --tracked_;
  if (key.empty()) return;
  const auto queue = keys_.find(key);
  std::erase(queue->second, place);
  if (queue->second.empty()) {
    keys_.erase(queue);
    return;
  }
  const MessagePlace front = queue->second.front();
  if (Tracked* waiting = find(front); waiting->state == State::kQueued) settle(front, *waiting);
}

DurationUs Subscription::back_off(std::uint32_t attempts) {
  const std::uint32_t doublings = std::min(attempts > 0 ? attempts - 1 : 0, 30u);
  const DurationUs longest = std::min(settings_.retry_min << doublings, settings_.retry_max);
  return longest - static_cast<DurationUs>(random_() % static_cast<std::uint64_t>(longest / 2 + 1));
}

// Deliveries.

Result<const Record*> Subscription::load(MessagePlace place) {
  if (batch_partition_ == place.partition)
    if (const Record* found = find_record(batch_, place.offset)) return found;
  Result<RecordBatch> batch =
      log_.read(partition(place.partition).where, place.offset, {kReloadRecords, limits_.read_bytes_max, 0});
  if (!batch && batch.error().code == Code::kOutOfRange) return nullptr;
  if (!batch) return fail(std::move(batch).error());
  batch_ = *std::move(batch);
  batch_partition_ = place.partition;
  return find_record(batch_, place.offset);
}

SubscriptionMessage Subscription::message_of(MessagePlace place, const Tracked& tracked,
                                             const Record& record) const {
  SubscriptionMessage message;
  message.ack_id = {place, epoch_, tracked.lease};
  message.attempt = tracked.attempts;
  message.topic = settings_.topic;
  take_record(record, content_type_, message);
  return message;
}

Result<std::vector<SubscriptionMessage>> Subscription::take(std::size_t count, std::uint64_t bytes_max,
                                                            DurationUs now, DurationUs hold) {
  std::vector<SubscriptionMessage> out;
  std::uint64_t bytes = 0;
  while (out.size() < count && !ready_.empty() && outstanding_ < settings_.max_outstanding) {
    const MessagePlace place = ready_.begin()->second;
    Tracked& message = *find(place);
    if (!out.empty() && bytes + message.bytes > bytes_max) break;
    if (outstanding_ > 0 && outstanding_bytes_ + message.bytes > settings_.max_outstanding_bytes) break;
    const Result<const Record*> record = load(place);
    if (!record && out.empty()) return fail(record.error());
    if (!record) break;
    if (!*record) {
      ++counts_.lost;
      finish(place);
      continue;
    }
    lease(place, message, now + hold);
    bytes += message.bytes;
    out.push_back(message_of(place, message, **record));
  }
  return out;
}

Subscription::AckResult Subscription::ack(const AckId& id) {
  if (id.epoch != epoch_ || !read_up_to(id.place)) return AckResult::kUnknown;
  if (!find(id.place)) return AckResult::kDone;
  ++counts_.acked;
  finish(id.place);
  return AckResult::kDone;
}

bool Subscription::nack(const AckId& id, DurationUs now, std::optional<DurationUs> after) {
  Tracked* message = find_held(id);
  if (!message) return false;
  if (message->state == State::kLeased) ++counts_.nacked;
  wait_until(id.place, *message, now + after.value_or(back_off(message->attempts)));
  return true;
}

bool Subscription::give_back(const AckId& id) {
  Tracked* message = find_held(id);
  if (!message || message->state != State::kLeased) return false;
  --message->attempts;
  --counts_.delivered;
  settle(id.place, *message);
  return true;
}

bool Subscription::extend(const AckId& id, DurationUs until) {
  Tracked* message = find_held(id);
  if (!message || message->state != State::kLeased) return false;
  due_.erase({message->due, id.place});
  message->due = until;
  due_.insert({until, id.place});
  return true;
}

void Subscription::expire(DurationUs now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const MessagePlace place = due_.begin()->second;
    Tracked& message = *find(place);
    if (message.state == State::kLeased) ++counts_.expired;
    settle(place, message);
  }
}

std::optional<DurationUs> Subscription::next_due() const {
  if (due_.empty()) return {};
  return due_.begin()->first;
}

Result<std::vector<SubscriptionMessage>> Subscription::take_doomed() {
  std::vector<SubscriptionMessage> out;
  while (!doomed_.empty()) {
    const MessagePlace place = doomed_.back();
    const Result<const Record*> record = load(place);
    if (!record && out.empty()) return fail(record.error());
    if (!record) break;
    if (*record) {
      doomed_.pop_back();
      out.push_back(message_of(place, *find(place), **record));
    } else {
      ++counts_.lost;
      finish(place);
    }
  }
  return out;
}

bool Subscription::bury(const AckId& id) {
  const Tracked* message = find_held(id);
  if (!message || message->state != State::kDoomed) return false;
  ++counts_.dead;
  finish(id.place);
  return true;
}

void Subscription::seek(const std::vector<std::optional<Offset>>& to) {
  assert(to.size() == partitions_.size());
  std::vector<SubscriptionProgress> after;
  for (std::uint32_t i = 0; i < to.size(); ++i)
    after.push_back(to[i] ? SubscriptionProgress{*to[i], *to[i], {}} : progress(PartitionId(i)));
  ready_.clear();
  due_.clear();
  doomed_.clear();
  keys_.clear();
  tracked_ = outstanding_ = 0;
  outstanding_bytes_ = 0;
  for (std::uint32_t i = 0; i < to.size(); ++i) {
    partitions_[i] = {.where = {settings_.topic, PartitionId(i)}};
    restore(PartitionId(i), std::move(after[i]));
  }
  mark_changed();
  ++epoch_;
}

Result<bool> Subscription::revive(MessagePlace place) {
  if (place.partition.value() >= partitions_.size() || tracked_ >= limits_.tracked_max) return false;
  Partition& of = partition(place.partition);
  if (find(place) || of.restored.contains(place.offset)) return false;
  if (place.offset >= std::max(of.scanned, of.restored_end)) return false;
  MILLRACE_ASSIGN(const Record* const record, load(place));
  if (!record) return fail(Code::kOutOfRange, "the topic has no such message any more");
  if (place.offset < of.scanned) {
    settle(place, track(place.partition, *record, place.offset + 1, 0));
  } else {
    of.restored[place.offset] = 0;
  }
  of.change = Change::kDone;
  return true;
}

std::uint64_t Subscription::backlog() const {
  std::uint64_t count = tracked_;
  for (const Partition& of : partitions_) {
    count += of.restored.size();
    const Offset unread = std::max(of.scanned, of.restored_end);
    if (const auto stats = log_.stats(of.where); stats && stats->end > unread)
      count += stats->end.value() - unread.value();
  }
  return count;
}

std::optional<TimeUs> Subscription::oldest_undone() const {
  std::optional<TimeUs> oldest;
  for (const Partition& of : partitions_)
    if (!of.undone.empty()) {
      const TimeUs time = of.undone.begin()->second.time;
      oldest = std::min(oldest.value_or(time), time);
    }
  return oldest;
}

}  // namespace millrace
