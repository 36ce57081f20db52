#include "stream/archive_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/archive_reader.h"
#include "lake/raw_file.h"
#include "stream/archive_simulation_testing.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TopicPartition kPartition{"events", PartitionId(0)};
// 2026-07-01T09:00:00Z

class ArchiveJobTest : public testing::Test {
 protected:
  ArchiveJobTest() : world_(1) {
    open();
    world_.env.jump(kNine - world_.env.now());
  }

  void open() {
    world_.close();
    EXPECT_EQ(world_.open(), std::nullopt);
    const Status started = world_.job->start();
    EXPECT_TRUE(started) << started.error().text();
  }

  void append(std::string_view value, TimeUs time) {
    world_.log->append(kPartition,
                       {{.key = "k\xFF",
                         .attributes = std::string_view("\0a\"\n", 4),
                         .value = value,
                         .time = time,
                         .count = 2}},
                       [](const Result<Offset>& done) { EXPECT_TRUE(done); });
    world_.log->run_queued();
  }

  void run() { EXPECT_TRUE(world_.run()); }

  /// Return the names of the data files, without year, month and day.
  std::vector<std::string> files() {
    std::vector<std::string> names;
    const auto found = world_.store->list("raw/events/");
    for (const auto& object : found.value()) names.push_back(object.key.substr(object.key.find("hour=")));
    return names;
  }

  std::vector<std::string> values(Offset from = Offset()) {
    ArchiveReader reader(*world_.manifest, *world_.store, std::string(ArchiveJob::kGroup));
    const auto batch = reader.read(kPartition, from);
    EXPECT_TRUE(batch) << batch.error().text();
    std::vector<std::string> values;
    for (const Record& record : batch->records) values.emplace_back(record.value);
    return values;
  }

  ArchiveWorld world_;
};

TEST_F(ArchiveJobTest, ALineIsTheEventAndItsTwinTheRest) {
  append(R"({"a":1})", kNine);
  append("{\n\r\"b\":2}", kNine + 1);
  append("", kNine + 2);
  world_.env.advance(2 * kMinuteUs);
  run();
  ASSERT_THAT(files(), ElementsAre("hour=09/0-0-2.jsonl.zst"));
  const auto objects = world_.objects();
  const std::string hour = "year=2026/month=07/day=01/hour=09/0-0-2.jsonl.zst";
  EXPECT_EQ(decompress_frames(objects.at("raw/events/" + hour), 19).value(), "{\"a\":1}\n{  \"b\":2}\n\n");
  const std::string rest = R"("count":2,"key":"k\u00ff","attributes":"\u0000a\u0022\u000a")";
  const std::string expected = R"({"offset":0,"time":1782896400000000,)" + rest + "}\n" +
                               R"({"offset":1,"time":1782896400000001,)" + rest +
                               R"(,"value":"{\u000a\u000d\u0022b\u0022:2}"})" + "\n" +
                               R"({"offset":2,"time":1782896400000002,)" + rest + "}\n";
  EXPECT_EQ(decompress_frames(objects.at("raw/events.meta/" + hour), expected.size()).value(), expected);
  EXPECT_THAT(values(), ElementsAre(R"({"a":1})", "{\n\r\"b\":2}", ""));
  EXPECT_THAT(values(Offset(2)), ElementsAre(""));
}

TEST_F(ArchiveJobTest, AFileEndsWithItsIntervalOnly) {
  append("one", kNine + 59 * kSecondUs);
  world_.env.advance(61 * kSecondUs);
  run();
  EXPECT_THAT(files(), IsEmpty()) << "within the margin a record of that minute may still come";
  append("straggler", kNine + 59 * kSecondUs + 1);
  world_.env.advance(2 * kSecondUs);
  run();
  EXPECT_THAT(files(), ElementsAre("hour=09/0-0-1.jsonl.zst"));
  append("two", kNine + 61 * kSecondUs);
  append("three", kNine + 121 * kSecondUs);
  run();
  EXPECT_THAT(files(), ElementsAre("hour=09/0-0-1.jsonl.zst", "hour=09/0-2-2.jsonl.zst"));
}

TEST_F(ArchiveJobTest, HoursThatMeetHaveFilesBesideOneAnother) {
  append("a", kNine + kHourUs);
  append("b", kNine + kHourUs - 1);
  append("c", kNine + kHourUs + 1);
  append("d", kNine + kHourUs - 1);
  append("e", kNine + kHourUs + kMinuteUs);
  run();
  EXPECT_THAT(files(), ElementsAre("hour=09/0-1-3.jsonl.zst", "hour=10/0-0-2.jsonl.zst"));
  EXPECT_THAT(values(), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(values(Offset(2)), ElementsAre("c", "d"));
}

TEST_F(ArchiveJobTest, AFileEndsWhenItIsLarge) {
  for (int i = 0; i < 7; ++i) append(std::string(2'000, 'x'), kNine);
  run();
  EXPECT_THAT(files(), ElementsAre("hour=09/0-0-2.jsonl.zst", "hour=09/0-3-5.jsonl.zst"));
}

TEST_F(ArchiveJobTest, SmallFilesOfAnHourBecomeOneWhenItIsOver) {
  for (int minute = 0; minute < 5; ++minute) append(std::string(1'500, 'x'), kNine + minute * kMinuteUs);
  world_.env.advance(10 * kMinuteUs);
  run();
  EXPECT_EQ(files().size(), 5u);
  world_.env.advance(kHourUs);
  run();
  EXPECT_THAT(files(), ElementsAre("hour=09/0-0-2.jsonl.zst", "hour=09/0-3-4.jsonl.zst"))
      << "6,000 bytes at most";
  append("late", kNine + 6 * kMinuteUs);
  world_.env.advance(kMinuteUs);
  run();
  EXPECT_EQ(files().size(), 3u) << "what was brought together does not change any more";
  EXPECT_EQ(values().size(), 6u);
  EXPECT_TRUE(world_.store->list("staging/")->empty());
}

TEST_F(ArchiveJobTest, ADamagedFileIsNamedWithItsChecksumAndStopsNothing) {
  append("one", kNine);
  append("two", kNine + kMinuteUs);
  world_.env.advance(10 * kMinuteUs);
  run();
  const std::string key = "raw/events/year=2026/month=07/day=01/hour=09/0-0-0.jsonl.zst";
  world_.env.flip_bits(Path("/data/lake") / key, 12, 0x40);
  ArchiveReader reader(*world_.manifest, *world_.store, std::string(ArchiveJob::kGroup));
  const auto batch = reader.read(kPartition, Offset());
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().code, Code::kCorrupt);
  EXPECT_THAT(batch.error().text(), HasSubstr(key));
  EXPECT_THAT(batch.error().text(), HasSubstr(to_hex(world_.manifest->file(key).value()->checksum)));
  EXPECT_THAT(values(Offset(1)), ElementsAre("two"));

  append("three", kNine + 3 * kHourUs);
  world_.env.advance(4 * kHourUs);
  run();
  EXPECT_THAT(values(Offset(1)), ElementsAre("two", "three"));

  ASSERT_TRUE(world_.store->remove(key));
  EXPECT_THAT(reader.read(kPartition, Offset()).error().text(), HasSubstr(key)) << "a missing one, too";
}

TEST_F(ArchiveJobTest, AFullDiskIsWaitedOut) {
  append(std::string(3'000, 'x'), kNine);
  world_.env.advance(2 * kMinuteUs);
  world_.env.set_space(600);
  for (int i = 0; i < 3; ++i) {
    const auto result = world_.job->step();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kNoSpace);
  }
  EXPECT_THAT(files(), IsEmpty());
  world_.env.set_space(std::nullopt);
  run();
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(ArchiveJobTest, TheArchiveSaysWhereItBeginsAndEnds) {
  append("one", kNine);
  ArchiveReader reader(*world_.manifest, *world_.store, std::string(ArchiveJob::kGroup));
  EXPECT_EQ(reader.read(kPartition, Offset()).error().code, Code::kNotFound);
  world_.env.advance(2 * kMinuteUs);
  run();
  const auto behind = reader.read(kPartition, Offset(1));
  ASSERT_TRUE(behind);
  EXPECT_TRUE(behind->records.empty());
  EXPECT_EQ(behind->next, Offset(1));
  EXPECT_EQ(world_.log->committed(ArchiveJob::kGroup, kPartition).value(), Offset(1));
}

TEST_F(ArchiveJobTest, ALogThatIsBehindItsArchiveIsRefused) {
  append("one", kNine);
  world_.env.advance(2 * kMinuteUs);
  run();
  ASSERT_TRUE(world_.log->delete_topic("events"));
  ASSERT_TRUE(world_.log->create_topic("events", {.partitions = 2}));
  const Status started = world_.job->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kCorrupt);
  EXPECT_THAT(started.error().message, HasSubstr("do not belong"));
}

}  // namespace
}  // namespace millrace
