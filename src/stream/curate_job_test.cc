#include "stream/curate_job.h"

#include <deque>
#include <filesystem>
#include <future>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "event/json_writer.h"
#include "lake/local_object_store.h"
#include "stream/stream_testing.h"
#include "warehouse/curated_rows.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A store that ends, as a killed process does, before or after a put.
class DyingStore : public ObjectStore {
 public:
  explicit DyingStore(ObjectStore& store) : store_(store) {}

  int puts_left = 1 << 30;
  bool put_the_last = false;  ///< it dies after it

  Status put(std::string_view key, std::string_view bytes) override {
    if (puts_left-- > 0) return store_.put(key, bytes);
    if (put_the_last) MILLRACE_TRY(store_.put(key, bytes));
    return fail(Code::kIo, "killed");
  }
  Result<std::string> get(std::string_view key, std::uint64_t from, std::uint64_t bytes_max) const override {
    return store_.get(key, from, bytes_max);
  }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) const override { return store_.list(prefix); }
  Status remove(std::string_view key) override { return store_.remove(key); }

 private:
  ObjectStore& store_;
};

class CurateJobTest : public StreamTest {
 protected:
  CurateJobTest() {
    env_.now_is = kNine;
    store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
    dying_ = std::make_unique<DyingStore>(*store_);
    manifest_ = Manifest::open(dir_ / "manifest.sqlite").value();
    load_ = load_job();
  }

  /// Begin anew, as after a kill.
  void restart() { job_.reset(); }

  CurateJob& job() {
    if (!job_) {
      job_ = CurateJob::make(*log_, *warehouse_, *dying_, *manifest_,
                             dir_ / "lake" / ".tmp" / "curate.parquet", options_);
      const auto started = job_->start();
      EXPECT_TRUE(started) << started.error().text();
    }
    return *job_;
  }

  /// Append an event that happened at `time` and is received now, and load it.
  void send(TimeUs time, std::uint32_t partition = 0, std::size_t items = 0) {
    send_unloaded(time, partition, items);
    run(*load_);
  }

  void send_unloaded(TimeUs time, std::uint32_t partition = 0, std::size_t items = 0) {
    static const std::vector<EventItem> kItems(3, EventItem{.item_id = "p1"});
    Event event = make_event(items > 0 ? EventType::kPurchase : EventType::kPageView, sent_++, time);
    event.received_time = env_.now();
    event.page_path = "/";
    event.items = std::span(kItems).first(items);
    append(event, partition);
  }

  void curate_at(TimeUs time) {
    env_.now_is = time;
    run(job());
  }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    const auto found = store_->list("curated/");
    for (const auto& object : found.value()) names.push_back(object.key.substr(8));
    return names;
  }

  /// Read a file of the lake as another engine would.
  std::string parquet(const std::string& glob) { return "'" + (dir_ / "lake/curated" / glob).string() + "'"; }

  /// Fail unless the files hold each row of the tables whose hour is closed once, in log order, and no other.
  void expect_all_published(TimeUs closed_before) {
    for (const auto& table : curated_tables()) {
      const auto glob = parquet(fmt::format("{}/*/*/*.parquet", table.name));
      const auto want = fmt::format("SELECT * FROM {} WHERE {} < make_timestamp({})", table.name, table.time,
                                    closed_before);
      if (cell(fmt::format("SELECT count(*) FROM ({})", want)) == "0") continue;
      const auto columns = fmt::format("SELECT * EXCLUDE (dt) FROM ({})", want);
      const auto found = fmt::format("SELECT * EXCLUDE (dt, hour) FROM read_parquet({})", glob);
      EXPECT_THAT(rows(fmt::format("({} EXCEPT ALL {}) UNION ALL ({} EXCEPT ALL {})", columns, found, found,
                                   columns)),
                  IsEmpty())
          << table.name;
      EXPECT_THAT(rows(fmt::format("SELECT filename FROM read_parquet({}, filename = true) WHERE "
                                   "strftime({}, 'dt=%Y-%m-%d/hour=%H') <> 'dt=' || dt || '/hour=' || hour",
                                   glob, table.time)),
                  IsEmpty());
    }
  }

  CurateJobOptions options_;
  std::unique_ptr<LocalObjectStore> store_;
  std::unique_ptr<DyingStore> dying_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<LoadJob> load_;
  std::unique_ptr<CurateJob> job_;
  std::uint64_t sent_ = 0;
};

TEST_F(CurateJobTest, PublishesAnHourAtItsEndPlusLateness) {
  curate_at(kNine);
  env_.now_is = kNine + 10 * kMinuteUs;
  send(kNine + 9 * kMinuteUs);
  env_.now_is = kNine + kHourUs + kMinuteUs;
  send(kNine + 50 * kMinuteUs, 1);  // late, but not too late
  send(kNine + 61 * kMinuteUs);     // of the hour that is not over
  curate_at(kNine + 65 * kMinuteUs + 4 * kSecondUs);
  EXPECT_THAT(files(), IsEmpty());
  curate_at(kNine + 65 * kMinuteUs + 6 * kSecondUs);
  EXPECT_THAT(files(), ElementsAre(kHour9 + "20260701T100000Z-0.parquet"));
  EXPECT_THAT(rows("SELECT message_id, log_partition FROM read_parquet(" + parquet(files().front()) + ")"),
              ElementsAre("m0|0", "m1|1"));
  expect_all_published(kNine + kHourUs);
}

TEST_F(CurateJobTest, AddsAFileForLaterRowsAndChangesNone) {
  curate_at(kNine);
  send(kNine);
  curate_at(kNine + 66 * kMinuteUs);
  const auto before = store_->get("curated/" + files().front());
  send(kNine + kMinuteUs);
  send(kNine - 24 * kHourUs);
  curate_at(kNine + 126 * kMinuteUs);
  EXPECT_THAT(files(),
              ElementsAre("events/dt=2026-06-30/hour=09/20260701T110000Z-0.parquet",
                          kHour9 + "20260701T100000Z-0.parquet", kHour9 + "20260701T110000Z-0.parquet"));
  EXPECT_TRUE(store_->get("curated/" + files()[1]) == before);
  expect_all_published(kNine + 2 * kHourUs);
}

TEST_F(CurateJobTest, WaitsForTheWarehouse) {
  curate_at(kNine);
  send_unloaded(kNine);
  curate_at(kNine + 70 * kMinuteUs);
  EXPECT_THAT(files(), IsEmpty());
  run(*load_);
  curate_at(kNine + 70 * kMinuteUs);
  EXPECT_EQ(files().size(), 1u);
}

/// What was received later than the lateness allows belongs to the next cut, also when both are made late.
TEST_F(CurateJobTest, CutsWhereTheLogSaysAndNotWhenItRuns) {
  curate_at(kNine);
  send(kNine);
  env_.now_is = kNine + 66 * kMinuteUs;
  send(kNine + kMinuteUs);
  restart();
  curate_at(kNine + 5 * kHourUs);
  EXPECT_THAT(files(),
              ElementsAre(kHour9 + "20260701T100000Z-0.parquet", kHour9 + "20260701T110000Z-0.parquet"));
}

TEST_F(CurateJobTest, PublishesWhatWasThereBeforeItInOneCut) {
  for (int hour = 0; hour < 12; ++hour) send_unloaded(kNine - hour * kHourUs, hour % 4, hour % 3);
  append(kQuarantineTopic, 0, "bad", "");
  append(
      kRecommendationsTopic, 0,
      fmt::format(R"({{"recommendation_id":"r1","served_us":{},"kind":"recommend","items":[{{"id":"p1"}}]}})",
                  kNine - kMinuteUs),
      "");
  run(*load_);
  options_.rows_at_once = 7;
  curate_at(kNine + 90 * kMinuteUs);
  EXPECT_EQ(files().size(), 12u + 8u + 1u + 1u);  // events, order_lines, quarantine, recommendations
  expect_all_published(kNine + kHourUs);
}

TEST_F(CurateJobTest, CutsALargeHourIntoSeveralFiles) {
  options_.file_rows_max = 5'000;
  curate_at(kNine);
  Event event = make_event(EventType::kPageView, 0, kNine);
  event.page_path = "/";
  std::deque<std::string> values;
  std::vector<NewRecord> batch;
  const std::string attributes = envelope_of(event);
  for (int i = 0; i < 10'000; ++i) {
    event.message_id = values.emplace_back(fmt::format("x{}", i));
    auto& own = values.emplace_back();
    append_native_event(event, own);
    batch.push_back({.attributes = attributes, .value = own, .time = kNine, .count = 1});
  }
  for (std::uint32_t partition : {0u, 1u}) {
    std::promise<void> done;
    log_->append({"events", PartitionId(partition)}, batch, [&](const auto&) { done.set_value(); });
    done.get_future().wait();
  }
  run(*load_);
  curate_at(kNine + 66 * kMinuteUs);
  EXPECT_EQ(files().size(), 3u);  // the second partition's events are retries of the first's
  EXPECT_THAT(rows("SELECT count(*), count(DISTINCT log_offset) FROM read_parquet(" +
                   parquet("events/*/*/*.parquet") + ")"),
              ElementsAre("10000|10000"));
  expect_all_published(kNine + kHourUs);
}

TEST_F(CurateJobTest, IgnoresAClockThatIsPutBack) {
  curate_at(kNine);
  send(kNine);
  curate_at(kNine + 126 * kMinuteUs);
  env_.now_is = kNine + 30 * kMinuteUs;
  send(kNine + 29 * kMinuteUs);
  curate_at(kNine + 66 * kMinuteUs);
  EXPECT_EQ(files().size(), 1u);
  curate_at(kNine + 186 * kMinuteUs);
  expect_all_published(kNine + 3 * kHourUs);
}

/// Kill the job at every put, before and after; the same files must come out as without.
TEST_F(CurateJobTest, MakesTheSameFilesThroughKills) {
  curate_at(kNine);
  for (int i = 0; i < 30; ++i) send_unloaded(kNine - (i % 6) * kHourUs, i % 4, i % 3);
  run(*load_);
  options_.rows_at_once = 5;
  env_.now_is = kNine + 66 * kMinuteUs;
  int kills = 0;
  for (int life = 0;; ++life) {
    restart();
    dying_->puts_left = life % 3;
    dying_->put_the_last = life % 2 == 0;
    Result<StepResult> result = StepResult{.more = true};
    while (result && result->more) result = job().step();
    if (result) break;
    ++kills;
    // What comes meanwhile belongs to the next cut.
    send(kNine - kHourUs);
    ASSERT_LT(kills, 100);
  }
  EXPECT_GT(kills, 7);
  const auto killed = files();
  std::map<std::string, std::string> bytes;
  for (const auto& name : killed) bytes[name] = store_->get("curated/" + name).value();

  restart();
  std::filesystem::remove_all(dir_ / "lake");
  std::filesystem::create_directory(dir_ / "other");
  store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
  dying_ = std::make_unique<DyingStore>(*store_);
  manifest_ = Manifest::open(dir_ / "other" / "manifest.sqlite").value();
  curate_at(kNine);
  curate_at(kNine + 66 * kMinuteUs);
  EXPECT_EQ(files(), killed);
  for (const auto& name : files()) EXPECT_TRUE(store_->get("curated/" + name) == bytes[name]) << name;
}

}  // namespace
}  // namespace millrace
