#include "stream/subscription_outlet.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"

namespace millrace {
namespace {

constexpr DurationUs kPushSlack = 30 * kSecondUs;  // a sender answers within the deadline, give or take
constexpr DurationUs kReadPause = kSecondUs;
constexpr std::size_t kReplayRecords = 1'000;
constexpr DurationUs kHeldAtLeast = 7 * kDayUs;

using Counts = SubscriptionCounts;

struct Counted {
  const char* name;
  const char* help;
  std::uint64_t Counts::* count;
};
constexpr Counted kCounted[] = {
    {"delivered", "Messages handed out or pushed, repeats too", &Counts::delivered},
    {"acked", "Messages acknowledged", &Counts::acked},
    {"nacked", "Deliveries refused, or pushes that failed", &Counts::nacked},
    {"expired", "Deliveries not acknowledged in time", &Counts::expired},
    {"dead", "Messages given up, in the dead-letter topic", &Counts::dead},
    {"lost", "Messages that retention removed before they were acknowledged", &Counts::lost},
};

}  // namespace

struct SubscriptionOutlet::Metrics {
  explicit Metrics(const std::string& name, const Counts& counts)
      : backlog(gauge("backlog", "Messages not acknowledged", name)),
        oldest(gauge("oldest_seconds", "Age of the oldest message not acknowledged", name)),
        outstanding(gauge("outstanding", "Messages handed out and not acknowledged", name)),
        shown(counts) {
    for (const Counted& one : kCounted)
      totals.push_back(&metrics::counter("millrace_subscription_" + std::string(one.name) + "_total",
                                         one.help, {{"subscription", name}}));
  }
  ~Metrics() {
    for (prometheus::Gauge* one : {&backlog, &oldest, &outstanding}) one->Set(0);
  }

  static prometheus::Gauge& gauge(const std::string& what, const std::string& help, const std::string& name) {
    return metrics::gauge("millrace_subscription_" + what, help, {{"subscription", name}});
  }

  void show(const Counts& counts) {
    for (std::size_t i = 0; i < totals.size(); ++i) {
      const std::uint64_t now = counts.*kCounted[i].count;
      const std::uint64_t before = shown.*kCounted[i].count;
      if (now > before) totals[i]->Increment(static_cast<double>(now - before));
    }
    shown = counts;
  }

  prometheus::Gauge& backlog;
  prometheus::Gauge& oldest;
  prometheus::Gauge& outstanding;
  std::vector<prometheus::Counter*> totals;
  Counts shown;
};

SubscriptionOutlet::SubscriptionOutlet(const World& world, StoredSubscription stored, std::uint64_t seed,
                                       Post post)
    : world_(world),
      post_(std::move(post)),
      messages_(stored.name, std::move(stored.settings), world.log, seed, world.options.limits),
      dead_letters_replayed_(stored.dead_letters_replayed),
      random_(seed + 1),
      held_(messages_.partitions()),
      metrics_(std::make_unique<Metrics>(stored.name, stored.counts)) {
  messages_.set_epoch(stored.epoch);
  messages_.set_counts(stored.counts);
  open_sender();
}

SubscriptionOutlet::~SubscriptionOutlet() {
  end();
}

void SubscriptionOutlet::set_settings(SubscriptionSettings settings) {
  if (settings == messages_.settings()) return;  // what is under way goes on
  messages_.set_settings(std::move(settings));
  if (messages_.settings().push) end();  // nobody pulls any more
  open_sender();
}

void SubscriptionOutlet::end() {
  sender_.reset();
  ++sender_number_;
  under_way_ = 0;
  for (WaitingPull& waiting : std::exchange(pulls_, {})) waiting.done(std::vector<SubscriptionMessage>());
}

void SubscriptionOutlet::open_sender() {
  sender_.reset();
  window_.reset();
  push_error_.clear();
  ++sender_number_;
  under_way_ = 0;
  const SubscriptionSettings& settings = messages_.settings();
  if (!settings.push) return;
  const std::size_t most = std::min<std::size_t>(world_.options.push_at_once_max, settings.max_outstanding);
  window_.emplace(
      PushWindow::Options{.most = most, .pause_min = settings.retry_min, .pause_max = settings.retry_max});
  auto sender = world_.targets.open(settings.push->url, settings.ack_deadline, most);
  if (sender) {
    sender_ = *std::move(sender);
  } else {
    push_error_ = sender.error().text();
    log_warning("subscription", "nothing is pushed",
                {field("subscription", messages_.name()), field("error", push_error_)});
  }
}

void SubscriptionOutlet::pull(std::size_t count, DurationUs wait, PullDone done) {
  if (messages_.settings().push)
    return done(fail(Code::kInvalid,
                     "'" + messages_.name() + "' pushes its messages; make another subscription to pull"));
  if (pulls_.size() >= world_.options.waiting_pulls_max)
    return done(fail(Code::kOverloaded, "too many pulls of '" + messages_.name() + "' are waiting"));
  pulls_.push_back({count, world_.env.steady_now() + wait, std::move(done)});
}

Status SubscriptionOutlet::seek(const SeekTo& to) {
  std::vector<std::optional<Offset>> places(messages_.partitions());
  if (to.partition && to.partition->value() >= places.size())
    return fail(Code::kInvalid, fmt::format("the topic has {} partitions, from 0", places.size()));
  for (std::uint32_t i = 0; i < places.size(); ++i) {
    const TopicPartition partition{messages_.settings().topic, PartitionId(i)};
    if (to.partition && to.partition != partition.partition) continue;
    MILLRACE_ASSIGN(const PartitionStats stats, world_.log.stats(partition));
    Offset place = to.offset.value_or(stats.end);
    if (to.time) {
      MILLRACE_ASSIGN(place, world_.log.offset_at_time(partition, *to.time));
    }
    places[i] = std::clamp(place, stats.start, stats.end);
  }
  messages_.seek(places);
  more_to_read_ = true;
  return {};
}

bool SubscriptionOutlet::advance(bool appended) {
  const DurationUs now = world_.env.steady_now();
  messages_.expire(now);
  bury_doomed();
  more_to_read_ = more_to_read_ || appended;
  if (more_to_read_ && now >= reading_pause_until_) {
    const Result<bool> more = messages_.read_on();
    if (more) {
      more_to_read_ = *more;
    } else {
      note(more.error());
    }
  }
  const std::size_t ready = messages_.ready();
  serve_pulls(now);
  serve_pushes(now);
  // Something left, so there is room to read more at once.
  return more_to_read_ && messages_.ready() < ready && now >= reading_pause_until_;
}

void SubscriptionOutlet::note(const Error& error) {
  reading_pause_until_ = world_.env.steady_now() + kReadPause;
  log_warning("subscription", "the topic cannot be read; will try again",
              {field("subscription", messages_.name()), field("error", error.text())});
}

std::optional<DurationUs> SubscriptionOutlet::next_due() const {
  std::optional<DurationUs> due = messages_.next_due();
  const auto consider = [&](DurationUs time) { due = std::min(due.value_or(time), time); };
  for (const WaitingPull& waiting : pulls_) consider(waiting.until);
  if (sender_ && messages_.ready() > 0 && under_way_ < window_->size()) consider(window_->paused_until());
  if (reading_pause_until_ > 0 && more_to_read_ && messages_.has_room()) consider(reading_pause_until_);
  return due;
}

void SubscriptionOutlet::serve_pulls(DurationUs now) {
  while (!pulls_.empty() && messages_.ready() > 0) {
    auto taken = messages_.take(pulls_.front().count, world_.options.pull_bytes_max, now,
                                messages_.settings().ack_deadline);
    if (taken && taken->empty()) break;  // as many are handed out as may be
    pulls_.front().done(std::move(taken));
    pulls_.pop_front();
  }
  std::deque<WaitingPull> waiting;
  for (WaitingPull& one : pulls_) {
    if (one.until <= now) {
      one.done(std::vector<SubscriptionMessage>());
    } else {
      waiting.push_back(std::move(one));
    }
  }
  pulls_ = std::move(waiting);
}

// Pushing.

double SubscriptionOutlet::jitter() {
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

void SubscriptionOutlet::serve_pushes(DurationUs now) {
  if (!sender_ || now < window_->paused_until() || under_way_ >= window_->size()) return;
  auto taken = messages_.take(window_->size() - under_way_, world_.options.pull_bytes_max, now,
                              messages_.settings().ack_deadline + kPushSlack);
  if (!taken) return note(taken.error());
  for (SubscriptionMessage& message : *taken) push(std::move(message));
}

void SubscriptionOutlet::push(SubscriptionMessage message) {
  ++under_way_;
  sender_->send(message.id(), push_body(message, messages_.settings().push->format, messages_.name()),
                [post = post_, id = message.ack_id, number = sender_number_](const PushOutcome& outcome) {
                  post([id, number, outcome](SubscriptionOutlet& self) {
                    // An earlier sender's failures say nothing of the one there is now.
                    if (self.sender_number_ == number) return self.pushed(id, outcome);
                    if (outcome.kind == PushOutcome::Kind::kAcknowledged) {
                      self.messages_.ack(id);
                    } else {
                      self.messages_.give_back(id);
                    }
                  });
                });
}

void SubscriptionOutlet::pushed(const AckId& id, const PushOutcome& outcome) {
  --under_way_;
  push_error_ = outcome.text;
  const DurationUs now = world_.env.steady_now();
  if (outcome.kind == PushOutcome::Kind::kAcknowledged) {
    messages_.ack(id);
    window_->succeeded();
    return;
  }
  window_->failed(now, jitter(), outcome.retry_after);
  note_failed_push(id, outcome);
  if (outcome.kind == PushOutcome::Kind::kUnreachable) {
    messages_.give_back(id);
  } else {
    messages_.nack(id, now);
  }
}

std::string SubscriptionOutlet::record_of(const AckId& id) const {
  return record_id({messages_.settings().topic, id.place.partition}, id.place.offset);
}

void SubscriptionOutlet::note_failed_push(const AckId& id, const PushOutcome& outcome) {
  const auto left_out = push_lines_.take(world_.env.steady_now());
  if (!left_out) return;
  log_warning("subscription", "a push failed; will try again",
              {field("subscription", messages_.name()), field("record", record_of(id)),
               field("error", outcome.text), field("not_shown_before", *left_out)});
}

// Dead letters.

void SubscriptionOutlet::bury_doomed() {
  auto doomed = messages_.take_doomed();
  if (!doomed) return note(doomed.error());
  for (const SubscriptionMessage& message : *doomed) {
    const std::string reason = push_error_.empty() ? "not acknowledged" : push_error_;
    const std::string attributes = dead_letter_attributes(message, messages_.name(), reason);
    world_.log.append({messages_.settings().dead_letter_topic, PartitionId(0)},
                      {{message.key, attributes, message.data, world_.env.now(), 1}},
                      [post = post_, id = message.ack_id](const Result<Offset>& offset) {
                        post([id, offset](SubscriptionOutlet& self) { self.buried(id, offset); });
                      });
  }
}

void SubscriptionOutlet::buried(const AckId& id, const Result<Offset>& offset) {
  if (offset) {
    messages_.bury(id);
    if (const auto left_out = dead_lines_.take(world_.env.steady_now()))
      log_warning(
          "subscription", "gave a message up; it is in the dead-letter topic",
          {field("subscription", messages_.name()), field("record", record_of(id)),
           field("dead_letter", record_id({messages_.settings().dead_letter_topic, PartitionId(0)}, *offset)),
           field("not_shown_before", *left_out)});
    return;
  }
  log_warning("subscription", "a dead letter could not be written; will try again",
              {field("subscription", messages_.name()), field("error", offset.error().text())});
  messages_.nack(id, world_.env.steady_now());
}

Result<ReplayCounts> SubscriptionOutlet::replay_dead_letters() {
  const SubscriptionSettings& settings = messages_.settings();
  if (settings.dead_letter_topic.empty())
    return fail(Code::kInvalid, "'" + messages_.name() + "' has no dead_letter_topic");
  const TopicPartition letters{settings.dead_letter_topic, PartitionId(0)};
  MILLRACE_ASSIGN(const PartitionStats stats, world_.log.stats(letters));
  dead_letters_replayed_ = std::clamp(dead_letters_replayed_, stats.start, stats.end);
  MILLRACE_ASSIGN(const RecordBatch batch,
                  world_.log.read(letters, dead_letters_replayed_, {.records_max = kReplayRecords}));
  ReplayCounts counts;
  for (const Record& record : batch.records) {
    if (!messages_.has_room()) break;
    const auto place = dead_letter_place(record.attributes, messages_.name(), settings.topic);
    if (place) {
      const Result<bool> revived = messages_.revive(*place);
      if (!revived && revived.error().code != Code::kOutOfRange) return fail(revived.error());
      if (!revived) ++counts.gone;
      if (revived && *revived) ++counts.replayed;
    }
    dead_letters_replayed_ = record.offset + 1;
  }
  counts.more = dead_letters_replayed_ < stats.end;
  return counts;
}

// What is seen and stored of it.

StoredSubscription SubscriptionOutlet::stored() const {
  return {messages_.name(), messages_.settings(), messages_.epoch(), dead_letters_replayed_,
          messages_.counts()};
}

SubscriptionInfo SubscriptionOutlet::info() const {
  SubscriptionInfo info{messages_.name(), messages_.settings(), messages_.counts(), messages_.backlog(),
                        messages_.outstanding()};
  if (const auto oldest = messages_.oldest_undone())
    info.oldest_age = std::max<DurationUs>(world_.env.now() - *oldest, 0);
  for (std::uint32_t i = 0; i < messages_.partitions(); ++i)
    info.next.push_back(messages_.next(PartitionId(i)));
  info.waiting_pulls = pulls_.size();
  if (window_)
    info.push = {under_way_, window_->size(),
                 std::max<DurationUs>(window_->paused_until() - world_.env.steady_now(), 0), push_error_};
  return info;
}

/// Return whether a subscription that nobody serves keeps so much of the log that others would be turned
/// away.
bool SubscriptionOutlet::must_let_go(PartitionId partition) const {
  const auto topics = world_.log.topics();
  const auto topic = topics.find(messages_.settings().topic);
  const auto stats = world_.log.stats({messages_.settings().topic, partition});
  if (topic == topics.end() || !stats) return false;
  const TopicConfig& config = topic->second;
  const TimeUs oldest = messages_.oldest_undone().value_or(world_.env.now());
  return stats->bytes > config.bytes_soft + (config.bytes_hard - config.bytes_soft) / 2 ||
         world_.env.now() - oldest > std::max(config.retention, kHeldAtLeast);
}

std::vector<RetentionHold> SubscriptionOutlet::tick() {
  metrics_->show(messages_.counts());
  metrics_->backlog.Set(static_cast<double>(messages_.backlog()));
  metrics_->outstanding.Set(static_cast<double>(messages_.outstanding()));
  const TimeUs now = world_.env.now();
  metrics_->oldest.Set(static_cast<double>(now - messages_.oldest_undone().value_or(now)) / kSecondUs);
  std::vector<RetentionHold> holds;
  bool letting = false;
  for (std::uint32_t i = 0; i < held_.size(); ++i) {
    const PartitionId partition(i);
    Offset next = messages_.next(partition);
    if (must_let_go(partition)) {
      letting = true;
      if (const auto stats = world_.log.stats({messages_.settings().topic, partition})) next = stats->end;
    }
    if (held_[i] == next) continue;
    held_[i] = next;
    holds.push_back({"subscription." + messages_.name(), {messages_.settings().topic, partition}, next});
  }
  if (letting && !said_let_go_)
    log_warning("subscription", "has not acknowledged for so long that its oldest messages may be removed",
                {field("subscription", messages_.name())});
  said_let_go_ = letting;
  return holds;
}

RetentionHold SubscriptionOutlet::letting_go() const {
  return {"subscription." + messages_.name(), {messages_.settings().topic, PartitionId(0)}, {}};
}

}  // namespace millrace
