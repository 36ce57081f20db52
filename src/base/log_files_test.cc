#include "base/log_files.h"

#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "base/log_search.h"

namespace millrace {
namespace {

const Path kDir = "/data/logs";

std::string line_of(int number, std::string_view component = "load", std::string_view level = "info",
                    std::string_view rest = "") {
  return fmt::format(
      R"({{"time":"2026-01-31T12:00:{:02}.000000Z","level":"{}","component":"{}","message":"line {}"{}}})",
      number % 60, level, component, number, rest);
}

std::unique_ptr<LogFiles> opened(Env& env, const LogFilesOptions& options = {}) {
  return std::make_unique<LogFiles>(env, kDir, options);
}

std::vector<std::string> all_lines(Env& env) {
  std::vector<std::string> lines;
  for (LogPosition from;;) {
    const auto page = read_log_forwards(env, kDir, {}, from);
    EXPECT_TRUE(page) << page.error().text();
    for (const LogLine& line : page->lines) lines.push_back(line.json);
    if (!page->next || *page->next == from) return lines;
    from = *page->next;
  }
}

TEST(LogFiles, KeepsLinesThroughTheEndOfTheProcess) {
  FaultEnv env;
  {
    const auto files = opened(env);
    for (int i = 0; i < 3; ++i) files->add(line_of(i));
  }
  {
    const auto files = opened(env);
    files->add(line_of(3));
    EXPECT_TRUE(files->flush());
    env.restart_process();  // as SIGKILL
  }
  EXPECT_EQ(all_lines(env), (std::vector<std::string>{line_of(0), line_of(1), line_of(2), line_of(3)}));
  EXPECT_EQ(list_log_files(env, kDir).size(), 1u);
}

TEST(LogFiles, StayWithinTheirBound) {
  FaultEnv env;
  const LogFilesOptions options{.bytes_max = 40'000, .file_bytes = 5'000};
  const auto files = opened(env, options);
  for (int i = 0; i < 2'000; ++i) {
    files->add(line_of(i));
    ASSERT_TRUE(files->flush());
  }
  const auto kept = list_log_files(env, kDir);
  EXPECT_EQ(kept.size(), 8u);
  std::uint64_t bytes = 0;
  for (const auto& [number, path] : kept) bytes += (*env.open(path, OpenMode::kRead))->size().value();
  EXPECT_LE(bytes, options.bytes_max);
  EXPECT_GT(bytes, options.bytes_max / 2);
  EXPECT_EQ(all_lines(env).back(), line_of(1'999));
}

TEST(LogFiles, EndsALineThatACrashTore) {
  FaultEnv env;
  {
    const auto files = opened(env);
    files->add(line_of(1));
    files->add(line_of(2));
  }
  const auto size = (*env.open(kDir / "000001.jsonl", OpenMode::kRead))->size();
  env.cut_file(kDir / "000001.jsonl", *size - 10);
  const auto files = opened(env);
  files->add(line_of(3));
  ASSERT_TRUE(files->flush());
  EXPECT_EQ(all_lines(env), (std::vector<std::string>{line_of(1), line_of(3)}));
}

TEST(LogFiles, AFullDiskLosesNothingThatFitsInMemoryAndSaysWhatElse) {
  FaultEnv env;
  const auto files = opened(env, {.waiting_bytes_max = 1'000, .retry_interval = kMillisecondUs});
  files->add(line_of(0));
  ASSERT_TRUE(files->flush());
  env.set_space(0);
  for (int i = 1; i <= 100; ++i) files->add(line_of(i));
  EXPECT_FALSE(files->flush());
  env.set_space({});
  while (!files->flush()) {
  }
  const auto lines = all_lines(env);
  const std::string& last = lines.back();
  EXPECT_EQ(lines[1], line_of(1));
  EXPECT_NE(last.find("lines were lost"), std::string::npos) << last;
  const std::size_t said = std::stoul(last.substr(last.find("\"lines\":") + 8));
  EXPECT_EQ(lines.size() - 2 + said, 100u) << "each line is kept or counted";
}

TEST(LogFiles, ADiskThatStaysFullDoesNotHoldUpTheEnd) {
  FaultEnv env;
  auto files = opened(env);
  env.set_space(0);
  files->add(line_of(1));
  files.reset();
  EXPECT_TRUE(all_lines(env).empty());
}

TEST(LogFiles, BeginOnceTheDiskTakesThem) {
  FaultEnv env;
  env.set_read_only(true);
  const auto files = opened(env, {.retry_interval = kMillisecondUs});
  files->add(line_of(1));
  EXPECT_FALSE(files->flush());
  env.set_read_only(false);
  while (!files->flush()) {
  }
  EXPECT_EQ(all_lines(env), std::vector<std::string>{line_of(1)});
}

TEST(LogFiles, AWriteThatFailedHalfwayLeavesNoHalfLine) {
  FaultEnv env;
  const auto files = opened(env, {.retry_interval = kMillisecondUs});
  env.fail_write(0);
  files->add(line_of(1));
  while (!files->flush()) {
  }
  EXPECT_EQ(all_lines(env), std::vector<std::string>{line_of(1)});
}

TEST(LogFiles, WakesWhoWaitsForMore) {
  FaultEnv env;
  const auto files = opened(env);
  const LogPosition before = files->end();
  EXPECT_EQ(files->wait_for_more(before, kMillisecondUs), before);
  files->add(line_of(1));
  EXPECT_GT(files->wait_for_more(before, 10 * kSecondUs), before);
}

TEST(LogPosition, ReadsWhatItWrites) {
  EXPECT_EQ(LogPosition::parse(LogPosition{7, 1'234}.text()), (LogPosition{7, 1'234}));
  for (const char* wrong : {"", ":", "7", "7:", ":7", "-1:2", "1:2x", "1:99999999999999999999"})
    EXPECT_FALSE(LogPosition::parse(wrong)) << wrong;
}

}  // namespace
}  // namespace millrace
