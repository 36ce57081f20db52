#include "base/log_search.h"

#include <gtest/gtest.h>

#include "base/fault_env_testing.h"

namespace millrace {
namespace {

const Path kLogs = "/logs";

std::string line_of(std::string_view component, std::string_view level, std::string_view rest,
                    int second = 0) {
  return fmt::format(R"({{"time":"2026-01-31T12:00:{:02}Z","level":"{}","component":"{}","message":{}}})",
                     second, level, component, rest);
}

TEST(LogSearch, FiltersByComponentLevelAndTime) {
  const std::string line = line_of("load", "warning", R"("x")", 30);
  EXPECT_TRUE(matches({}, line));
  EXPECT_TRUE(matches({.components = {"app", "load"}}, line));
  EXPECT_FALSE(matches({.components = {"loa"}}, line));
  EXPECT_TRUE(matches({.level_min = LogLevel::kWarning}, line));
  EXPECT_FALSE(matches({.level_min = LogLevel::kError}, line));
  const TimeUs time = *parse_time("2026-01-31T12:00:30Z");
  EXPECT_TRUE(matches({.since = time, .until = time + 1}, line));
  EXPECT_FALSE(matches({.since = time + 1}, line));
  EXPECT_FALSE(matches({.until = time}, line));
}

TEST(LogSearch, FindsTextAsItWasWritten) {
  const std::string line = line_of("load", "info", R"("said \"Stop\"\n","path":"C:\\x")");
  EXPECT_TRUE(matches({.text = "said \"stop\"\n"}, line));
  EXPECT_TRUE(matches({.text = "c:\\X"}, line));
  EXPECT_FALSE(matches({.text = "stopped"}, line));
}

TEST(LogSearch, FindsARecordAndNotItsNeighbours) {
  const auto with = [](std::string_view record) {
    return line_of("load", "info", fmt::format(R"("x","record":"{}")", record));
  };
  const LogFilter filter{.record = "events:0:123"};
  EXPECT_TRUE(matches(filter, with("events:0:123")));
  EXPECT_TRUE(matches(filter, line_of("load", "info", R"("reading events:0:123, which failed")")));
  EXPECT_FALSE(matches(filter, with("events:0:1234")));
  EXPECT_FALSE(matches(filter, with("old-events:0:123")));
  EXPECT_FALSE(matches({.record = "m-1"}, with("m-1-2")));
  EXPECT_TRUE(matches({.record = "m-1"}, with("m-1")));
}

TEST(LogSearch, IgnoresWhatIsNoLine) {
  for (const char* wrong : {"", "{", "{}", "\0\0\0", R"({"time":"x","level":"info")", "nonsense",
                            R"({"time":"2026-01-31T12:00:00Z","level":"loud","component":"x","message":""})"})
    EXPECT_FALSE(matches({}, wrong)) << wrong;
}

TEST(LogSearch, RefusesATextThatIsTooLong) {
  FaultEnv env;
  EXPECT_FALSE(read_log_backwards(env, kLogs, {.text = std::string(257, 'a')}, {}));
  EXPECT_FALSE(read_log_forwards(env, kLogs, {.record = std::string(257, 'a')}, {}));
}

/// Files of `lines` lines each, numbered through in their messages.
class LogPages : public testing::Test {
 protected:
  void write(std::uint64_t file, int from, int lines, std::string_view tail = "") {
    ASSERT_TRUE(env_.make_dirs(kLogs));
    std::string text;
    for (int i = from; i < from + lines; ++i)
      text += line_of(i % 2 ? "odd" : "even", "info", std::to_string(i)) + "\n";
    text += tail;
    auto opened = env_.open(kLogs / fmt::format("{:06}.jsonl", file), OpenMode::kCreate);
    ASSERT_TRUE((*opened)->write_at(0, std::as_bytes(std::span(text.data(), text.size()))));
  }

  static int number_of(const LogLine& line) {
    return std::stoi(line.json.substr(line.json.find("\"message\":") + 10));
  }

  std::vector<int> backwards(const LogFilter& filter, const LogPageLimits& limits) {
    std::vector<int> numbers;
    std::optional<LogPosition> before;
    for (int pages = 0; pages < 1'000; ++pages) {
      const auto page = read_log_backwards(env_, kLogs, filter, before, limits);
      EXPECT_TRUE(page);
      EXPECT_LE(page->lines.size(), limits.lines);
      for (const LogLine& line : page->lines) numbers.push_back(number_of(line));
      if (!page->next) return numbers;
      before = page->next;
    }
    ADD_FAILURE() << "no end";
    return numbers;
  }

  FaultEnv env_;
};

TEST_F(LogPages, ShowEachLineOnceWhateverTheirSize) {
  write(3, 0, 10);
  write(4, 10, 1);
  write(9, 11, 9, R"({"time":"half)");
  for (const std::size_t lines : {1, 2, 3, 7, 100}) {
    for (const std::uint64_t bytes : {1, 1'000, 100'000}) {
      std::vector<int> expected;
      for (int i = 19; i >= 0; --i) expected.push_back(i);
      EXPECT_EQ(backwards({}, {lines, bytes}), expected) << lines << ' ' << bytes;
    }
  }
  EXPECT_EQ(backwards({.components = {"odd"}}, {3, 1 << 20}),
            (std::vector<int>{19, 17, 15, 13, 11, 9, 7, 5, 3, 1}));
}

TEST_F(LogPages, FollowOnAcrossFilesAndWaitForTheWholeLine) {
  write(3, 0, 10);
  write(4, 10, 2, R"({"time":"half)");
  std::vector<int> numbers;
  LogPosition from;
  for (int i = 0; i < 10; ++i) {
    const auto page = read_log_forwards(env_, kLogs, {}, from, {.lines = 5});
    for (const LogLine& line : page->lines) numbers.push_back(number_of(line));
    from = *page->next;
  }
  EXPECT_EQ(numbers, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  write(4, 10, 3);
  EXPECT_EQ(number_of(read_log_forwards(env_, kLogs, {}, from)->lines.at(0)), 12);
}

TEST_F(LogPages, ADirectoryThatIsNotThereHasNoLines) {
  EXPECT_TRUE(backwards({}, {}).empty());
  EXPECT_TRUE(read_log_forwards(env_, kLogs, {}, {3, 4})->lines.empty());
}

}  // namespace
}  // namespace millrace
