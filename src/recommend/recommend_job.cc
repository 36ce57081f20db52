#include "recommend/recommend_job.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <pthread.h>

#include "base/logging.h"
#include "base/memory.h"
#include "log/topics.h"
#include "recommend/catalogue_json.h"
#include "recommend/memory_keeper.h"
#include "warehouse/interactions.h"

namespace millrace {
namespace {

/// Calls `refresh` at intervals until it is destroyed: where a refresh is cheap, sooner than `interval`, so
/// that a new shop sees its first items at once.
class Refresher {
 public:
  Refresher(Recommender& recommender, Env& env, DurationUs interval)
      : thread_([this, &recommender, &env, interval](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          while (!stop.stop_requested()) {
            const DurationUs began = env.steady_now();
            recommender.refresh();
            const DurationUs took = env.steady_now() - began;
            const DurationUs wait = std::clamp(took * kShareOfTime, interval / 5, interval);
            wake_.wait_for(lock, stop, std::chrono::microseconds(wait), [] { return false; });
          }
        }) {
    pthread_setname_np(thread_.native_handle(), "rec-lists");
  }

 private:
  static constexpr DurationUs kShareOfTime = 50;  ///< a refresh takes a fiftieth of the time, at most

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

/// Between two steps: under load it makes one batch of what would be many, and nobody notices a millisecond.
constexpr DurationUs kRest = kMillisecondUs;

/// After a batch of so many records there is no rest: more of them are waiting.
constexpr std::size_t kBacklogRecords = 256;

Event event_of(const Interaction& row, EventItem& item, EventOrder& order) {
  item = {.item_id = row.item_id,
          .category = row.category,
          .price = row.price,
          .quantity = row.quantity,
          .currency = row.currency,
          .in_cart = row.in_cart};
  Event event{.type = row.type,
              .type_name = row.type_name,
              .source = row.source,
              .user_id = row.user_id,
              .anonymous_id = row.anonymous_id,
              .session_id = row.session_id,
              .event_time = row.event_time,
              .country = row.country,
              .value = row.value,
              .items = std::span(&item, 1)};
  if (!row.order_id.empty()) {
    order.order_id = row.order_id;
    event.order = order;
  }
  return event;
}

/// Gives a recommender what the warehouse knows, in the order in which it happened: a person who was deleted
/// is forgotten where that comes between the interactions.
class Rebuild {
 public:
  explicit Rebuild(Recommender& recommender) : recommender_(recommender) {}

  /// Return the offsets that belong to what was given.
  Result<SnapshotOffsets> run(Warehouse& warehouse, std::optional<TimeUs> since);

 private:
  void note_deletions(std::span<const Deletion> rows);
  void put_items(std::span<const CatalogueItem> rows);
  void put_users(std::span<const KnownUser> rows);
  void apply(std::span<const Interaction> rows);
  void forget_users(TimeUs before);

  struct GoneUser {
    std::string id;
    TimeUs time;
  };

  Recommender& recommender_;
  std::vector<std::string> gone_items_;
  std::deque<GoneUser> gone_users_;  ///< by time; those that were not forgotten yet
  std::set<std::string, std::less<>> gone_ids_;
  std::vector<UserFacts> returned_;  ///< put again after they were deleted
};

Result<SnapshotOffsets> Rebuild::run(Warehouse& warehouse, std::optional<TimeUs> since) {
  recommender_.clear();
  InteractionScan scan{.since = since};
  scan.on_deletions = [this](std::span<const Deletion> rows) { note_deletions(rows); };
  scan.on_items = [this](std::span<const CatalogueItem> rows) { put_items(rows); };
  scan.on_users = [this](std::span<const KnownUser> rows) { put_users(rows); };
  scan.on_interactions = [this](std::span<const Interaction> rows) { apply(rows); };
  MILLRACE_ASSIGN(auto offsets, scan_interactions(warehouse, scan));
  forget_users(kTimeMax);
  for (const auto& user : returned_) recommender_.put_user(user);
  // The events name deleted items, and would bring them back.
  for (const auto& id : gone_items_) recommender_.delete_item(id);
  return offsets;
}

void Rebuild::note_deletions(std::span<const Deletion> rows) {
  for (const auto& row : rows) {
    if (row.is_user) {
      gone_users_.push_back({std::string(row.id), row.time});
      gone_ids_.emplace(row.id);
    } else {
      gone_items_.emplace_back(row.id);
    }
  }
}

void Rebuild::put_items(std::span<const CatalogueItem> rows) {
  for (const CatalogueItem& row : rows) {
    ItemFacts facts{.id = std::string(row.item_id)};
    if (const Status read = read_item_attributes(row.attributes, facts); !read) {
      log_warning("recommend", "an item's attributes were left out",
                  {field("item", row.item_id), field("error", read.error().text())});
    }
    if (!row.name.empty()) facts.name = row.name;
    if (!row.category.empty()) facts.category = row.category;
    if (row.price) facts.price = row.price;
    if (!row.currency.empty()) facts.currency = row.currency;
    // The table knows nothing of stock.
    facts.available &= row.available;
    recommender_.put_item(facts);
  }
}

void Rebuild::put_users(std::span<const KnownUser> rows) {
  for (const auto& row : rows) {
    UserFacts facts{.id = std::string(row.user_id), .country = std::string(row.country)};
    if (gone_ids_.contains(row.user_id)) {
      returned_.push_back(std::move(facts));
    } else {
      recommender_.put_user(facts);
    }
  }
}

void Rebuild::forget_users(TimeUs before) {
  for (; !gone_users_.empty() && gone_users_.front().time < before; gone_users_.pop_front()) {
    recommender_.delete_user(gone_users_.front().id);
  }
}

void Rebuild::apply(std::span<const Interaction> rows) {
  std::vector<EventItem> items(rows.size());
  std::vector<EventOrder> orders(rows.size());
  std::vector<Event> events;
  events.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!gone_users_.empty() && gone_users_.front().time < rows[i].event_time) {
      recommender_.apply(events);
      events.clear();
      forget_users(rows[i].event_time);
    }
    events.push_back(event_of(rows[i], items[i], orders[i]));
  }
  recommender_.apply(events);
}

class Following final : public RecommendJob {
 public:
  Following(EventLog& log, EventFeed& feed, Warehouse& warehouse, Recommender& recommender,
            const RecommendJobOptions& options)
      : log_(log), feed_(feed), warehouse_(warehouse), recommender_(recommender), options_(options) {
    if (!options_.snapshot.empty() && !options_.rebuild_since)
      keeper_.emplace(warehouse.env(), log, recommender,
                      MemoryKeeper::Options{options_.snapshot, options_.snapshot_interval});
  }
  ~Following() override {
    if (keeper_ && ready_ && whole_) keeper_->save_at_end(cursors_);
  }

  std::string_view name() const override { return "recommend"; }
  Status start() override;
  Result<StepResult> step() override;
  bool ready() const override { return ready_; }
  bool restored() const override { return restored_; }
  bool caught_up() const override;
  JobPosition done() const override;

 private:
  std::vector<TopicPartition> followed_partitions() const;
  bool restore();
  Status rebuild();
  Status find_cursors(const SnapshotOffsets& offsets);
  Status follow(const TopicPartition& partition, Offset& cursor, StepResult& result);
  void take_in(const FeedBatch& batch, Offset from);
  void take_in_item(const Record& record);
  void take_in_user(const Record& record);

  EventLog& log_;
  EventFeed& feed_;
  Warehouse& warehouse_;
  Recommender& recommender_;
  const RecommendJobOptions options_;
  std::map<TopicPartition, Offset> cursors_;  ///< of the job's thread
  bool whole_ = true;                   ///< the memory is that of the cursors, not in the midst of a batch
  std::optional<MemoryKeeper> keeper_;  ///< none: nothing is kept
  mutable std::mutex reached_mutex_;
  JobPosition reached_;  ///< the cursors after the last step; guarded by reached_mutex_
  std::unique_ptr<Refresher> refresher_;
  std::atomic<bool> ready_ = false;
  bool restored_ = false;
};

Status Following::start() {
  const DurationUs begin = warehouse_.env().steady_now();
  restored_ = restore();
  if (!restored_) MILLRACE_TRY(rebuild());
  recommender_.refresh();
  return_freed_memory();  // the scan went through far more than what is kept of it
  refresher_ = std::make_unique<Refresher>(recommender_, warehouse_.env(), options_.refresh_interval);
  ready_ = true;
  const RecommenderStats stats = recommender_.stats();
  log_info("recommend", restored_ ? "memory restored from its snapshot" : "memory rebuilt",
           {field("interactions", stats.events_applied), field("items", stats.items),
            field("people", stats.profiles),
            field("ms", (warehouse_.env().steady_now() - begin) / kMillisecondUs)});
  return {};
}

std::vector<TopicPartition> Following::followed_partitions() const {
  std::vector<TopicPartition> partitions;
  const std::map<std::string, TopicConfig> topics = log_.topics();
  for (const std::string_view topic : {kEventsTopic, kItemsTopic, kUsersTopic}) {
    const auto config = topics.find(std::string(topic));
    if (config == topics.end()) continue;
    for (std::uint32_t i = 0; i < config->second.partitions; ++i)
      partitions.push_back({std::string(topic), PartitionId(i)});
  }
  return partitions;
}

bool Following::restore() {
  if (!keeper_) return false;
  auto reached = keeper_->restore(followed_partitions());
  if (!reached) return false;
  cursors_ = *std::move(reached);
  return true;
}

Status Following::rebuild() {
  MILLRACE_ASSIGN(const SnapshotOffsets offsets,
                  Rebuild(recommender_).run(warehouse_, options_.rebuild_since));
  return find_cursors(offsets);
}

/// Begin where the warehouse ends.
Status Following::find_cursors(const SnapshotOffsets& offsets) {
  for (const TopicPartition& partition : followed_partitions()) {
    if (const auto known = offsets.find(partition); known != offsets.end()) {
      cursors_[partition] = known->second;
      continue;
    }
    MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
    cursors_[partition] = stats.start;
  }
  return {};
}

Result<StepResult> Following::step() {
  StepResult result{.rest = kRest};
  for (auto& [partition, cursor] : cursors_) {
    MILLRACE_TRY(follow(partition, cursor, result));
  }
  if (keeper_) keeper_->save_if_due(cursors_);
  const std::lock_guard lock(reached_mutex_);
  reached_ = cursors_;
  return result;
}

JobPosition Following::done() const {
  const std::lock_guard lock(reached_mutex_);
  return reached_;
}

bool Following::caught_up() const {
  const std::lock_guard lock(reached_mutex_);
  return !reached_.empty() && std::all_of(reached_.begin(), reached_.end(), [this](const auto& entry) {
    const auto stats = log_.stats(entry.first);
    return stats && entry.second >= stats->end;
  });
}

/// Take in the next batch of one partition, if there is one.
Status Following::follow(const TopicPartition& partition, Offset& cursor, StepResult& result) {
  auto batch = feed_.read(partition, cursor);
  if (!batch && batch.error().code == Code::kOutOfRange) {
    MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
    log_warning("recommend", "retention overtook the recommender; it goes on at the start of the log",
                {field("topic", partition.topic), field("partition", partition.partition.value()),
                 field("offset", stats.start.value())});
    cursor = stats.start;
    result.more = true;
    result.rest = 0;
    return {};
  }
  if (!batch) return fail(std::move(batch).error());
  if ((*batch)->next <= cursor) return {};
  whole_ = false;
  take_in(**batch, cursor);
  for (const Record& record : (*batch)->records_from(cursor)) {
    ++result.records;
    result.events += (*batch)->events_in(record);
  }
  cursor = (*batch)->next;
  whole_ = true;
  result.more = true;
  if ((*batch)->records.records.size() >= kBacklogRecords) result.rest = 0;
  return {};
}

void Following::take_in(const FeedBatch& batch, Offset from) {
  if (batch.partition.topic == kEventsTopic) {
    recommender_.apply(batch.events_from(from));
    return;
  }
  for (const Record& record : batch.records_from(from)) {
    batch.partition.topic == kItemsTopic ? take_in_item(record) : take_in_user(record);
  }
}

void Following::take_in_item(const Record& record) {
  const auto change = parse_item_record(record.value);
  if (!change) {
    log_warning("recommend", "a change of an item was left out",
                {field("record", record_id({std::string(kItemsTopic), PartitionId(0)}, record.offset)),
                 field("error", change.error().text())});
  } else if (change->put) {
    recommender_.put_item(change->facts, record.time);
  } else {
    recommender_.delete_item(change->facts.id);
  }
}

void Following::take_in_user(const Record& record) {
  const auto change = parse_user_record(record.value);
  if (!change) {
    log_warning("recommend", "a change of a user was left out",
                {field("record", record_id({std::string(kUsersTopic), PartitionId(0)}, record.offset)),
                 field("error", change.error().text())});
  } else if (change->put) {
    recommender_.put_user(change->facts);
  } else {
    recommender_.delete_user(change->facts.id);
  }
}

}  // namespace

std::unique_ptr<RecommendJob> RecommendJob::make(EventLog& log, EventFeed& feed, Warehouse& warehouse,
                                                 Recommender& recommender,
                                                 const RecommendJobOptions& options) {
  return std::make_unique<Following>(log, feed, warehouse, recommender, options);
}

}  // namespace millrace
