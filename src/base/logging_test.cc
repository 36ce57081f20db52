#include "base/logging.h"

#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

std::string written_by(LogFormat format, LogLevel level, const std::function<void()>& act) {
  configure_logging(format, level);
  testing::internal::CaptureStderr();
  act();
  auto text = testing::internal::GetCapturedStderr();
  configure_logging(LogFormat::kText, LogLevel::kInfo);
  return text;
}

TEST(Logging, WritesTextWithFields) {
  const auto text = written_by(LogFormat::kText, LogLevel::kInfo, [] {
    log_info("ingest", "file done", {field("rows", 12), field("file", "a b.csv"), field("ratio", 0.5)});
  });
  EXPECT_NE(text.find("info  ingest: file done rows=12 file=\"a b.csv\" ratio=0.5\n"), std::string::npos)
      << text;
  EXPECT_EQ(text.find('T'), 10u) << "begins with the UTC time";
}

TEST(Logging, WritesOneJsonObjectALine) {
  const auto text = written_by(LogFormat::kJson, LogLevel::kInfo, [] {
    log_error("log", "disk \"full\"\n",
              {field("bytes", 12), field("path", "/x"), field("id", std::string("7")),
               field("rate", 1.0 / 0.0), field("ok", true), field("bad", "\xFF")});
  });
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["component"], "log");
  EXPECT_EQ(line["message"], "disk \"full\"\n");
  EXPECT_EQ(line["bytes"], 12);
  EXPECT_EQ(line["id"], "7");
  EXPECT_EQ(line["rate"], "inf");
  EXPECT_EQ(line["time"].get<std::string>().size(), std::string("2024-07-01T09:00:00.123456Z").size());
}

TEST(Logging, LeavesOutWhatIsBelowTheLevel) {
  const auto text = written_by(LogFormat::kText, LogLevel::kWarning, [] {
    log_info("x", "hidden");
    log_line(LogLevel::kDebug, "x", "hidden");
    log_warning("x", "shown");
  });
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_NE(text.find("shown"), std::string::npos);
}

TEST(Logging, NeverLetsAValueForgeALine) {
  const auto text = written_by(LogFormat::kText, LogLevel::kInfo, [] {
    log_info("x", "first\nsecond", {field("user", "a\n2024 error forged")});
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST(Logging, TakesBracesAsTheyAre) {
  const auto text = written_by(LogFormat::kText, LogLevel::kInfo, [] { log_info("x", "{} {0} %v"); });
  EXPECT_NE(text.find("{} {0} %v"), std::string::npos) << text;
}

std::vector<nlohmann::json> kept_by(const std::function<void()>& act, std::string* text = nullptr) {
  std::vector<nlohmann::json> lines;
  set_log_sink(std::make_shared<LogSink>([&](std::string_view line) {
    EXPECT_LE(line.size(), kLogLineBytesMax);
    lines.push_back(nlohmann::json::parse(line));
  }));
  const auto written = written_by(LogFormat::kText, LogLevel::kInfo, act);
  if (text) *text = written;
  set_log_sink(nullptr);
  return lines;
}

TEST(Logging, HandsLinesToTheSinkAsJsonWhateverItsOwnFormat) {
  const auto lines = kept_by([] {
    log_warning("load", "put aside", {field("record", "events:0:7"), field("rows", 3)});
    log_line(LogLevel::kDebug, "load", "below the level");
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["level"], "warning");
  EXPECT_EQ(lines[0]["component"], "load");
  EXPECT_EQ(lines[0]["record"], "events:0:7");
  EXPECT_EQ(lines[0]["rows"], 3);
  EXPECT_TRUE(parse_time(lines[0]["time"].get<std::string>()));
}

TEST(Logging, CutsWhatIsTooLongToBeKept) {
  const auto lines = kept_by([] {
    log_info("x", "long", {field("a", std::string(1 << 20, 'a')), field("b", "short")});
    log_info("x", std::string(1 << 20, '\x01'));
  });
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["a"].get<std::string>().size(), 1'000u);
  EXPECT_EQ(lines[0]["b"], "short");
}

TEST(Logging, NeverShowsASecret) {
  set_log_secrets({"hunter2hunter2", "short", "\"quoted\""});
  std::string text;
  const auto lines = kept_by(
      [] {
        log_info("x", "got hunter2hunter2", {field("token", "Bearer hunter2hunter2!"), field("w", "short")});
        log_info("x", "a \"quoted\" one");
      },
      &text);
  set_log_secrets({});
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  EXPECT_NE(text.find("***"), std::string::npos) << text;
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["message"], "a *** one");
  EXPECT_EQ(lines[0]["token"], "Bearer ***!");
  EXPECT_EQ(lines[0]["w"], "short");
}

TEST(LogLimiter, LetsABurstPassThenAFewAndCountsTheRest) {
  LogLimiter limiter(3, 2);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.take(kSecondUs), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limiter.take(kSecondUs));
  EXPECT_EQ(limiter.take(kSecondUs + kSecondUs / 2), 5u);
  EXPECT_FALSE(limiter.take(kSecondUs + kSecondUs / 2));
  EXPECT_EQ(limiter.take(kHourUs), 1u);
}

}  // namespace
}  // namespace millrace
