#include "recommend/streaming_job.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "base/metrics.h"
#include "log/topics.h"
#include "recommend/activity_record.h"
#include "recommend/streaming_position.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

/// While the recommender is behind, so long until the next look at it.
constexpr DurationUs kLookPause = kMillisecondUs;

/// Between two steps that found something, so that under load a batch is read once by the recommender and
/// found decoded here, and the collector keeps the processor.
constexpr DurationUs kAnswerRest = 2 * kMillisecondUs;

/// After a step of so many records there is no rest: more of them are waiting.
constexpr std::size_t kAnswerBacklog = 256;

constexpr std::size_t kBytesMax = 4u << 20;  ///< of one append, beyond its last record's answers

const TopicPartition& answers_partition() {
  static const TopicPartition partition{std::string(kRecommendationsTopic), PartitionId(0)};
  return partition;
}

bool is_activity(const Event& event) {
  return event.type == EventType::kActivity;
}

/// The ids of the last answers.
class RecentAnswers {
 public:
  explicit RecentAnswers(std::size_t max) : max_(max) {}

  bool knows(const std::string& id) const { return ids_.contains(id); }

  void add(const std::string& id) {
    if (!ids_.insert(id).second) return;
    order_.push_back(id);
    if (order_.size() <= max_) return;
    ids_.erase(order_.front());
    order_.pop_front();
  }

 private:
  const std::size_t max_;
  std::unordered_set<std::string> ids_;
  std::deque<std::string> order_;  ///< oldest first
};

class Streaming final : public StreamingJob {
 public:
  Streaming(const Tools& tools, StreamingJobOptions options)
      : tools_(tools), options_(std::move(options)), recent_(options_.recent_max) {}

  std::string_view name() const override { return "streaming"; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;

 private:
  /// What one step has made, and where it leads.
  struct Work {
    StepResult result;
    std::vector<Offset> next;
    std::vector<std::string> headers;  ///< of the answers
    std::vector<StreamedAnswer> answers;
    std::vector<TimeUs> received;         ///< when the events of the answers were
    std::unordered_set<std::string> ids;  ///< of the answers
    std::uint64_t skipped = 0, repeated = 0;
    std::size_t bytes = 0;
  };

  Status open_position();
  Status sync();
  Result<std::shared_ptr<const FeedBatch>> read(const TopicPartition& partition, Offset& next);
  Status take(const TopicPartition& partition, Offset known, Work& work);
  void take_record(std::span<const Event> events, Work& work);
  bool wants(const Event& event, Work& work) const;
  void answer(const Event& event, std::string id, Work& work) const;
  ActivityAnswer recommend(const Event& event) const;
  Status keep(const Work& work);
  void move_on(const Work& work);
  void tell(const Work& work);
  Status checkpoint();

  const Tools tools_;
  const StreamingJobOptions options_;
  StreamingPosition position_;
  bool synced_ = false;  ///< position_ is what the log says
  bool dirty_ = false;   ///< position_ is ahead of its file
  DurationUs checkpoint_at_ = 0;
  RecentAnswers recent_;

  mutable std::mutex mutex_;
  JobPosition done_;  ///< guarded by mutex_

  prometheus::Counter& answers_total_ =
      metrics::counter("millrace_streaming_answers_total", "Activity events answered with recommendations");
  prometheus::Counter& skipped_total_ = metrics::counter(
      "millrace_streaming_skipped_total", "Activity events too old to be answered when the job came to them");
  prometheus::Counter& repeated_total_ = metrics::counter(
      "millrace_streaming_repeated_total", "Activity events sent again, which have been answered before");
  prometheus::Histogram& seconds_ = metrics::latency_seconds(
      "millrace_streaming_seconds", "Time from an activity event's receipt until its answer was kept");
};

Status Streaming::start() {
  MILLRACE_TRY(open_position());
  return sync();
}

Status Streaming::open_position() {
  const auto topics = tools_.log.topics();
  const auto events = topics.find(std::string(kEventsTopic));
  if (events == topics.end()) return fail(Code::kNotFound, "the log has no topic events");
  position_ = {};
  if (tools_.env.exists(options_.position)) {
    MILLRACE_ASSIGN(const std::string text, read_file(tools_.env, options_.position, 1 << 20));
    auto position = StreamingPosition::parse(text);
    if (!position) return fail(Code::kCorrupt, position.error().message, options_.position.string());
    position_ = *std::move(position);
  } else {
    MILLRACE_ASSIGN(const PartitionStats kept, tools_.log.stats(answers_partition()));
    position_.kept = kept.end;
    dirty_ = true;
  }
  for (auto i = static_cast<std::uint32_t>(position_.next.size()); i < events->second.partitions; ++i) {
    MILLRACE_ASSIGN(const PartitionStats stats, tools_.log.stats({events->first, PartitionId(i)}));
    position_.next.push_back(stats.end);
  }
  return dirty_ ? checkpoint() : Status();
}

/// Find out what was kept beyond the checkpoint: after a start, or an append of which one cannot know.
Status Streaming::sync() {
  MILLRACE_ASSIGN(const auto ids, read_streaming_tail(tools_.log, position_));
  for (const std::string& id : ids) recent_.add(id);
  synced_ = true;
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < position_.next.size(); ++i)
    done_[{std::string(kEventsTopic), PartitionId(i)}] = position_.next[i];
  return {};
}

JobPosition Streaming::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

Result<StepResult> Streaming::step() {
  if (!synced_) MILLRACE_TRY(sync());
  // Before it is rebuilt the recommender knows nothing: an answer would be empty.
  if (!tools_.recommend_job.ready()) return StepResult{};
  const JobPosition known = tools_.recommend_job.done();
  Work work;
  work.next = position_.next;
  for (std::uint32_t i = 0; i < position_.next.size(); ++i) {
    const TopicPartition partition{std::string(kEventsTopic), PartitionId(i)};
    const auto reached = known.find(partition);
    MILLRACE_TRY(take(partition, reached == known.end() ? Offset() : reached->second, work));
  }
  if (const Status kept = keep(work); !kept) {
    synced_ = false;
    return fail(kept.error());
  }
  move_on(work);
  tell(work);
  if (dirty_ && tools_.env.steady_now() - checkpoint_at_ >= options_.checkpoint_interval)
    MILLRACE_TRY(checkpoint());
  if (work.result.records > 0 && work.result.records < kAnswerBacklog) work.result.rest = kAnswerRest;
  return work.result;
}

/// Return the batch to read on with; nothing when `next` had to be moved first.
Result<std::shared_ptr<const FeedBatch>> Streaming::read(const TopicPartition& partition, Offset& next) {
  auto batch = tools_.feed.read(partition, next);
  if (batch || batch.error().code != Code::kOutOfRange) return batch;
  MILLRACE_ASSIGN(const PartitionStats stats, tools_.log.stats(partition));
  log_warning(name(), "events were removed before they were answered",
              {field("partition", partition.partition.value()), field("offset", stats.start.value())});
  next = stats.start;
  return std::shared_ptr<const FeedBatch>();
}

/// Look at the events of one partition, up to one that the recommender does not know yet.
Status Streaming::take(const TopicPartition& partition, Offset known, Work& work) {
  Offset& next = work.next[partition.partition.value()];
  MILLRACE_ASSIGN(const auto batch, read(partition, next));
  if (!batch) {
    work.result.more = true;
    return {};
  }
  const TimeUs waited = tools_.env.now() - options_.wait_max;
  std::span<const Event> events = batch->events_from(next);
  for (const Record& record : batch->records_from(next)) {
    const auto mine =
        std::ranges::find_if(events, [&](const Event& event) { return event.log_offset != record.offset; });
    const auto of_record = std::span(events.begin(), mine);
    const bool is_known = record.offset < known || record.time <= waited;
    if (!is_known && std::ranges::any_of(of_record, is_activity)) {
      work.result.more = true;
      work.result.rest = kLookPause;
      return {};
    }
    if (work.answers.size() >= options_.batch_max || work.bytes >= kBytesMax) {
      work.result.more = true;
      return {};
    }
    take_record(of_record, work);
    events = std::span(mine, events.end());
    next = record.offset + 1;
    ++work.result.records;
    work.result.events += batch->events_in(record);
    work.result.more = true;
  }
  next = std::max(next, batch->next);
  return {};
}

/// Answer the events of a record that want it.
void Streaming::take_record(std::span<const Event> events, Work& work) {
  for (const Event& event : events) {
    if (!is_activity(event) || !wants(event, work)) continue;
    std::string id = activity_answer_id(event);
    if (recent_.knows(id) || !work.ids.insert(id).second) {
      ++work.repeated;
    } else {
      answer(event, std::move(id), work);
    }
  }
}

bool Streaming::wants(const Event& event, Work& work) const {
  const bool late = tools_.env.now() - event.received_time > options_.settings.age_max;
  const bool history = event.received_time - event.event_time > options_.history_age;
  if (late || history) ++work.skipped;
  return !late && !history;
}

ActivityAnswer Streaming::recommend(const Event& event) const {
  ActivityAnswer answer;
  const std::vector<std::string> products = activity_products(event, options_.products_max);
  RecommendRequest request;
  request.user = event.user_id.empty() ? event.anonymous_id : event.user_id;
  request.session = event.session_id;
  request.country = event.country;
  request.n = options_.items;
  if (request.user.empty() && request.session.empty()) request.items = products;
  answer.recommended = tools_.recommender.recommend(request);
  for (const std::string& product : products) {
    const Recommendations similar = tools_.recommender.recommend({.country = request.country,
                                                                  .placement = Placement::kItem,
                                                                  .n = options_.items,
                                                                  .items = {product},
                                                                  .exclude = products});
    answer.similar.push_back({product, similar.items});
  }
  return answer;
}

void Streaming::answer(const Event& event, std::string id, Work& work) const {
  ActivityAnswer made = recommend(event);
  made.recommended.recommendation_id = std::move(id);
  made.recommended.time = tools_.env.now();
  made.recommended.latency_us = std::max<DurationUs>(0, made.recommended.time - event.received_time);
  StreamedAnswer out{made.recommended.user, made.recommended.session, activity_record(event, made)};
  work.bytes += out.json.size();
  work.headers.push_back(streaming_header(event.log_partition, event.log_offset));
  work.answers.push_back(std::move(out));
  work.received.push_back(event.received_time);
}

Status Streaming::keep(const Work& work) {
  std::vector<NewRecord> records;
  const TimeUs now = tools_.env.now();
  for (std::size_t i = 0; i < work.answers.size(); ++i)
    records.push_back({.attributes = work.headers[i], .value = work.answers[i].json, .time = now});
  return append_and_wait(tools_.log, answers_partition(), std::move(records));
}

void Streaming::move_on(const Work& work) {
  for (const std::string& id : work.ids) recent_.add(id);
  dirty_ |= work.next != position_.next;
  position_.next = work.next;
  const std::lock_guard lock(mutex_);
  for (auto& [partition, next] : done_) next = position_.next[partition.partition.value()];
}

void Streaming::tell(const Work& work) {
  if (!work.answers.empty() && options_.on_answers) options_.on_answers(work.answers);
  const TimeUs now = tools_.env.now();
  for (const TimeUs received : work.received) seconds_.Observe(static_cast<double>(now - received) / 1e6);
  answers_total_.Increment(static_cast<double>(work.answers.size()));
  skipped_total_.Increment(static_cast<double>(work.skipped));
  repeated_total_.Increment(static_cast<double>(work.repeated));
}

Status Streaming::checkpoint() {
  // All that was kept belongs to events below `next`: what comes after this end is what `next` does not
  // cover.
  MILLRACE_ASSIGN(const PartitionStats kept, tools_.log.stats(answers_partition()));
  StreamingPosition position{position_.next, kept.end};
  MILLRACE_TRY(write_file_atomically(tools_.env, options_.position, position.json() + "\n"));
  position_ = std::move(position);
  dirty_ = false;
  checkpoint_at_ = tools_.env.steady_now();
  return {};
}

}  // namespace

std::unique_ptr<StreamingJob> StreamingJob::make(const Tools& tools, StreamingJobOptions options) {
  return std::make_unique<Streaming>(tools, std::move(options));
}

Status StreamingJob::forget(Env& env, const Path& position) {
  return env.exists(position) ? env.remove(position) : Status();
}

}  // namespace millrace
