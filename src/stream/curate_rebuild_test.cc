#include "stream/curate_rebuild.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lake/local_object_store.h"
#include "stream/curate_job.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kHour10 = "events/dt=2026-07-01/hour=10/";

/// A store that ends, as a killed process does, at its next removal.
class FailingStore : public ObjectStore {
 public:
  explicit FailingStore(ObjectStore& store) : store_(store) {}

  int changes_left = 1 << 30;
  int overloaded_put = 0;  ///< which one, from the next on, finds memory short; 0: none

  Status put(std::string_view key, std::string_view bytes) override {
    if (overloaded_put > 0 && --overloaded_put == 0) return fail(Code::kOverloaded, "short of memory");
    return changes_left-- > 0 ? store_.put(key, bytes) : fail(Code::kIo, "killed");
  }
  Status remove(std::string_view key) override {
    return changes_left-- > 0 ? store_.remove(key) : fail(Code::kIo, "killed");
  }
  Result<std::string> get(std::string_view key, std::uint64_t from, std::uint64_t bytes_max) const override {
    return store_.get(key, from, bytes_max);
  }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) const override { return store_.list(prefix); }

 private:
  ObjectStore& store_;
};

class CurateRebuildTest : public StreamTest {
 protected:
  CurateRebuildTest() {
    store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
    dying_ = std::make_unique<FailingStore>(*store_);
    manifest_ = Manifest::open(dir_ / "manifest.sqlite").value();
    load_ = load_job();
    env_.now_is = kNine;
    curate();
    send(kNine + kMinuteUs);
    send(kNine + 2 * kMinuteUs);
    env_.now_is = kNine + kHourUs + 10 * kMinuteUs;
    curate();
    send(kNine + 3 * kMinuteUs);  // late: a file of the next cut
    send(kNine + kHourUs + 5 * kMinuteUs);
    env_.now_is = kNine + 2 * kHourUs + 10 * kMinuteUs;
    curate();
  }

  void send(TimeUs time) {
    Event event = make_event(EventType::kPageView, sent_++, time);
    event.received_time = env_.now();
    event.page_path = "/";
    append(event, 0);
    run(*load_);
  }

  void curate() {
    const auto job = CurateJob::make(*log_, *warehouse_, *store_, *manifest_, staging_);
    ASSERT_TRUE(job->start());
    run(*job);
  }

  Result<CurateRebuild::Step> rebuild(TimeUs from = kTimeMin, TimeUs to = kTimeMax) {
    MILLRACE_ASSIGN(const auto rebuild, CurateRebuild::open(*warehouse_, *dying_, *manifest_, staging_,
                                                            {.from = from, .to = to}));
    CurateRebuild::Step all;
    while (!rebuild->done()) {
      MILLRACE_ASSIGN(const auto step, rebuild->step());
      all.rows += step.rows;
      all.files += step.files;
      all.replaced += step.replaced;
    }
    return all;
  }

  /// Files as a stranger lists them, all of which the manifest must know.
  std::vector<std::string> files(const std::string& under = "") {
    std::vector<std::string> names;
    const auto found = store_->list("curated/" + under);
    for (const auto& object : found.value()) {
      const auto known = manifest_->file(object.key);
      EXPECT_TRUE(known && *known && (*known)->state == LakeFileState::kLive) << object.key;
      names.push_back(object.key.substr(8));
    }
    EXPECT_THAT(manifest_->unsettled().value(), IsEmpty());
    EXPECT_THAT(store_->list("staging/").value(), IsEmpty());
    return names;
  }

  std::string in_lake(const std::string& what) {
    return cell(fmt::format("SELECT {} FROM read_parquet('{}')", what,
                            (dir_ / "lake/curated/events/*/*/*.parquet").string()));
  }

  std::unique_ptr<LocalObjectStore> store_;
  std::unique_ptr<FailingStore> dying_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<LoadJob> load_;
  const Path staging_ = dir_ / "lake" / ".tmp" / "curate.parquet";
  std::uint64_t sent_ = 0;
};

TEST_F(CurateRebuildTest, WritesChangedHoursAnewAndLeavesOthersAlone) {
  EXPECT_THAT(files(),
              ElementsAre(kHour9 + "20260701T100000Z-0.parquet", kHour9 + "20260701T110000Z-0.parquet",
                          kHour10 + "20260701T110000Z-0.parquet"));
  execute("UPDATE events SET page_path = '/mended' WHERE message_id IN ('m0', 'm3')");
  const auto done = rebuild(kNine, kNine + kHourUs);
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(done->rows, 3u);
  EXPECT_EQ(done->files, 1u);
  EXPECT_EQ(done->replaced, 2u);
  EXPECT_THAT(files(),
              ElementsAre(kHour9 + "20260701T110000Z-1.parquet", kHour10 + "20260701T110000Z-0.parquet"));
  EXPECT_EQ(in_lake("count(*)"), "4");
  EXPECT_EQ(in_lake("string_agg(message_id, ' ') FILTER (page_path = '/mended')"),
            "m0");  // m3 is of another hour
  ASSERT_TRUE(rebuild());
  EXPECT_EQ(in_lake("count(*) FILTER (page_path = '/mended')"), "2");
  const auto before = files();
  const auto again = rebuild();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->files + again->replaced, 0u);  // the same byte for byte
  EXPECT_EQ(files(), before);
}

TEST_F(CurateRebuildTest, RowsMoveToTheirHoursAndLaterCutsGoOn) {
  execute("UPDATE events SET event_time = event_time + INTERVAL 1 HOUR WHERE message_id <> 'm3'");
  send(kNine + 4 * kMinuteUs);  // of a cut that is still to come
  ASSERT_TRUE(rebuild());
  EXPECT_THAT(files(), ElementsAre(kHour10 + "20260701T110000Z-1.parquet"));
  EXPECT_EQ(in_lake("count(*)"), "4");
  env_.now_is = kNine + 3 * kHourUs + 10 * kMinuteUs;
  curate();
  EXPECT_THAT(files(kHour9), ElementsAre(kHour9 + "20260701T120000Z-0.parquet"));
  EXPECT_EQ(in_lake("count(*)"), "5");
}

TEST_F(CurateRebuildTest, KilledAnywhereItLeavesOldOrNewFilesAndGoesOn) {
  for (int changes = 0; changes < 8; ++changes) {
    execute(fmt::format("UPDATE events SET page_path = '/{}'", changes));
    dying_->changes_left = changes;
    const auto killed = rebuild(kNine, kNine + kHourUs);
    dying_->changes_left = 1 << 30;
    curate();  // what the job does when it starts
    files();
    EXPECT_EQ(in_lake("count(*)"), "4") << changes;
    ASSERT_TRUE(rebuild(kNine, kNine + kHourUs));
    EXPECT_EQ(in_lake(fmt::format("count(*) FILTER (page_path = '/{}')", changes)), "3");
    if (killed) {
      EXPECT_GT(changes, 3);
      return;
    }
  }
  FAIL() << "never reached its end";
}

TEST_F(CurateRebuildTest, LargeHoursArePutFileByFileAndSmallerWhenMemoryIsShort) {
  execute(
      "INSERT INTO events BY NAME SELECT e.* REPLACE (i AS log_offset) FROM events e, range(100, 60000) r(i) "
      "WHERE message_id = 'm0'");
  execute("UPDATE _offsets SET next_offset = 60000 WHERE log_topic = 'events' AND log_partition = 0");
  const TopicPartition partition{"events", PartitionId(0)};
  auto position = manifest_->position(CurateJob::kName, partition).value().value();
  position.next = Offset(60'000);
  ASSERT_TRUE(manifest_->apply({.positions = {position}}));
  const auto rebuild = CurateRebuild::open(*warehouse_, *dying_, *manifest_, staging_,
                                           {.from = kNine, .to = kNine + kHourUs, .file_rows_max = 40'000});
  ASSERT_TRUE(rebuild);
  const auto before = files();
  dying_->overloaded_put = 2;  // the first lies there by then
  ASSERT_EQ((*rebuild)->step().error().code, Code::kOverloaded);
  EXPECT_EQ(files(), before);  // which leaves nothing staged
  const auto step = (*rebuild)->step();
  ASSERT_TRUE(step) << step.error().text();
  EXPECT_EQ(step->rows, 59'903u);
  EXPECT_GT(step->files, 2u);  // of 40,000 rows there would be two
  EXPECT_EQ(files(kHour9).size(), step->files);
  EXPECT_EQ(in_lake("count(DISTINCT log_offset)"), "59904");
}

TEST_F(CurateRebuildTest, SaysSoWhenThereIsNothingYet) {
  const auto empty = Manifest::open(dir_ / "other.sqlite").value();
  const auto rebuild = CurateRebuild::open(*warehouse_, *store_, *empty, staging_, {});
  ASSERT_FALSE(rebuild);
  EXPECT_THAT(rebuild.error().message, HasSubstr("no files yet"));
}

}  // namespace
}  // namespace millrace
