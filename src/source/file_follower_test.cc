#include "source/file_follower.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/topics.h"
#include "net/http_testing.h"
#include "source/follow_state.h"
#include "source/ingest_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class GrowingLinesTest : public testing::Test {
 protected:
  void append(std::string_view text) { std::ofstream(path_, std::ios::app | std::ios::binary) << text; }
  std::unique_ptr<GrowingLines> open(const GrowingLines::Place& from = {},
                                     std::size_t line_bytes_max = 1 << 20) {
    return GrowingLines::open(Env::system(), path_, from, line_bytes_max).value();
  }
  static std::vector<std::string> all(GrowingLines& lines) {
    std::vector<std::string> texts;
    for (Row row;;) {
      const auto step = lines.next(row).value();
      if (step == RowReader::Step::kEnd) return texts;
      texts.push_back(fmt::format("{}{} {}", row.place.text(), step == RowReader::Step::kBadRow ? "!" : ":",
                                  row.raw.substr(0, 20)));
    }
  }

  TestFolder folder_;
  const Path path_ = folder_.write("lines", "");
};

TEST_F(GrowingLinesTest, AHalfWrittenLineWaitsForItsEnd) {
  const auto lines = open();
  EXPECT_THAT(all(*lines), IsEmpty());
  append("{\"a\":1}\n{\"b\"");
  EXPECT_THAT(all(*lines), ElementsAre("1: {\"a\":1}"));
  EXPECT_EQ(lines->place().offset, 8u);
  append(":2}\r\n\n  \n{\"c\":3}\n");
  EXPECT_THAT(all(*lines), ElementsAre("2: {\"b\":2}", "5: {\"c\":3}"));
  append("{\"d\":4}");
  EXPECT_THAT(all(*lines), IsEmpty());
  lines->close_last_line();
  EXPECT_THAT(all(*lines), ElementsAre("6: {\"d\":4}"));
}

TEST_F(GrowingLinesTest, GoesOnWhereItWas) {
  append("one\ntwo\nthree\n");
  const auto lines = open({.offset = 4, .line = 2});
  EXPECT_THAT(all(*lines), ElementsAre("2: two", "3: three"));
  EXPECT_EQ(lines->place().offset, 14u);
}

TEST_F(GrowingLinesTest, ALineThatIsTooLongIsPassedOverOnce) {
  const auto lines = open({}, 1'000);
  append("a\n" + std::string(800'000, 'x'));
  EXPECT_THAT(all(*lines), ElementsAre("1: a", HasSubstr("2! xxx")));
  EXPECT_EQ(lines->place().offset, 2u) << "a start in between reads it again whole";
  append(std::string(900'000, 'x') + "\nb\n");
  EXPECT_THAT(all(*lines), ElementsAre("3: b"));
  EXPECT_EQ(lines->place().offset, 2u + 1'700'001u + 2u);
}

TEST_F(GrowingLinesTest, KnowsWhetherItIsStillTheSameFile) {
  append("first\n");
  const auto lines = open();
  all(*lines);
  const auto head = lines->head().value();
  append("second\n");
  EXPECT_TRUE(lines->still_begins(head).value());
  std::filesystem::resize_file(path_, 0);
  EXPECT_FALSE(lines->still_begins(head).value());
  append("other beginning\n");
  EXPECT_FALSE(lines->still_begins(head).value());
}

/// Follows one file into a real log.
class FileFollowerTest : public testing::Test {
 protected:
  void append(std::string_view text, const Path& path = {}) {
    std::ofstream(path.empty() ? path_ : path, std::ios::app | std::ios::binary) << text;
  }
  static std::string line(int n) {
    return fmt::format("{{\"type\":\"item_view\",\"user_id\":\"u\",\"items\":[{{\"item_id\":\"{}\"}}]}}\n",
                       n);
  }
  void append_lines(int from, int to) {
    std::string text;
    for (int n = from; n < to; ++n) text += line(n);
    append(text);
  }
  void start() {
    FollowOptions options;
    options.poll_interval = kMillisecondUs;
    options.save_interval = save_interval_;
    options.rotate_wait = 20 * kMillisecondUs;
    follower_ = std::make_unique<FileFollower>(
        *bench_.log, Env::system(), bench_.folder.path() / "follow",
        std::vector<FollowedFile>{
            {.name = "shop", .path = path_, .source = "shop", .codec = CodecId::kNative, .mapping = {}}},
        options);
  }
  std::vector<int> items() const {
    std::vector<int> ids;
    bench_.for_each_event(
        [&](const Event& event) { ids.push_back(std::stoi(std::string(event.items[0].item_id))); });
    std::ranges::sort(ids);
    return ids;
  }
  /// Wait until the log holds `count` events.
  void wait_for(std::size_t count) {
    for (int i = 0; i < 2'000 && items().size() < count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(items().size(), count);
  }
  static std::vector<int> numbers(int to) {
    std::vector<int> all(static_cast<std::size_t>(to));
    for (int n = 0; n < to; ++n) all[static_cast<std::size_t>(n)] = n;
    return all;
  }

  IngestBench bench_;
  const Path path_ = bench_.folder.path() / "events.jsonl";
  DurationUs save_interval_ = 5 * kMillisecondUs;
  std::unique_ptr<FileFollower> follower_;
};

TEST_F(FileFollowerTest, WaitsForTheFileAndBringsWhatIsWritten) {
  start();
  append_lines(0, 3);
  wait_for(3);
  append("not json\n");
  append_lines(3, 5);
  wait_for(5);
  EXPECT_EQ(items(), numbers(5));
  // Another topic: it may come after the events.
  ASSERT_TRUE(eventually([&] { return !bench_.records(kQuarantineTopic).empty(); }));
  const auto refused = bench_.records(kQuarantineTopic);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_THAT(refused[0].first, HasSubstr("events.jsonl:4"));
}

TEST_F(FileFollowerTest, EachLineComesOnceThroughStopsAtAnyPlace) {
  append_lines(0, 200);
  for (int round = 0; round < 12; ++round) {
    // Sometimes a note is never written, as when the program is killed: what came is then found in the log.
    save_interval_ = round % 3 < 2 ? kHourUs : kMillisecondUs;
    start();
    append_lines(200 + 50 * round, 225 + 50 * round);
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 5));
    follower_.reset();
    append_lines(225 + 50 * round, 250 + 50 * round);
  }
  start();
  wait_for(800);
  EXPECT_EQ(items(), numbers(800));
}

TEST_F(FileFollowerTest, LinesThatAreAlikeAreAsManyAsWereWritten) {
  save_interval_ = kHourUs;
  start();
  append(line(7) + line(7));
  wait_for(2);
  follower_.reset();
  append(line(7));
  start();
  wait_for(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(items(), (std::vector<int>{7, 7, 7}));
}

TEST_F(FileFollowerTest, AFileThatIsRenamedIsReadToItsEndAndTheNextFollows) {
  start();
  append_lines(0, 3);
  wait_for(3);
  const Path old = path_.string() + ".1";
  std::filesystem::rename(path_, old);
  append(line(3), old);  // the writer has not noticed yet
  append_lines(4, 6);
  append(line(6).substr(0, line(6).size() - 1), old);  // and never ends its last line
  wait_for(7);
  EXPECT_EQ(items(), numbers(7));
}

TEST_F(FileFollowerTest, FilesPutAwayWhileItWasDownAreReadInTheirOrder) {
  start();
  append_lines(0, 2);
  wait_for(2);
  follower_.reset();
  const auto put_away = [&](const char* name, int from, int to) {
    append_lines(from, to);
    std::filesystem::rename(path_, path_.string() + name);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  put_away("-20261125", 2, 4);
  put_away("-20261126", 4, 6);
  append_lines(6, 8);
  append("{\"not\":\"ours\"}\n", path_.string() + ".bak");
  start();
  wait_for(8);
  EXPECT_EQ(items(), numbers(8));
  EXPECT_THAT(bench_.records(kQuarantineTopic), IsEmpty());
}

TEST_F(FileFollowerTest, ATruncatedFileIsReadFromItsBeginning) {
  start();
  append_lines(0, 4);
  wait_for(4);
  std::filesystem::resize_file(path_, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  append_lines(4, 6);
  wait_for(6);
  EXPECT_EQ(items(), numbers(6));
}

TEST_F(FileFollowerTest, ADamagedNoteSaysWhatToDo) {
  bench_.folder.write("state.json", "{\"device\":1");
  const auto state = load_follow_state(Env::system(), bench_.folder.path() / "state.json");
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, Code::kCorrupt);
  EXPECT_THAT(state.error().message, HasSubstr("remove it"));
}

TEST_F(FileFollowerTest, RowsComeByAMapping) {
  const auto mapping = parse_mapping(
      "format: jsonl\ntype: read\ntime: at\nfields: {user_id: who}\nitem: {item_id: a}\n", "m.yaml");
  ASSERT_TRUE(mapping) << mapping.error().text();
  FollowOptions options;
  options.poll_interval = kMillisecondUs;
  follower_ = std::make_unique<FileFollower>(
      *bench_.log, Env::system(), bench_.folder.path() / "follow",
      std::vector<FollowedFile>{
          {.name = "rows", .path = path_, .source = "rows", .codec = {}, .mapping = *mapping}},
      options);
  append("{\"at\":\"2024-07-01\",\"who\":\"u\",\"a\":\"5\"}\n{\"who\":\"u\",\"a\":\"6\"}\n");
  wait_for(1);
  append("{\"at\":\"2024-07-01\",\"a\":\"8\",\"more\":true}\n");
  wait_for(2);
  EXPECT_EQ(items(), (std::vector<int>{5, 8}));
  EXPECT_TRUE(eventually([&] { return bench_.records(kQuarantineTopic).size() == 1; }));
}

}  // namespace
}  // namespace millrace
