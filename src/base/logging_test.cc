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

}  // namespace
}  // namespace millrace
