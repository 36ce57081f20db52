#include "base/child_process.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr int kPatienceMs = 10'000;

ChildProcess start(const std::string& script, bool own_group = false) {
  auto child = ChildProcess::start({{"sh", "-c", script}, {{"ANSWER", "42"}}, own_group});
  EXPECT_TRUE(child) << child.error().text();
  return *std::move(child);
}

/// Return the next line of its output; "" at its end.
std::string line_of(const ChildProcess& child, LineReader& reader) {
  for (;;) {
    if (auto line = reader.next()) return *line;
    pollfd wait = {child.output(), POLLIN, 0};
    if (poll(&wait, 1, kPatienceMs) != 1 || !reader.read(child.output())) return "";
  }
}

/// Return whether a process runs no more, or ceases to within `kPatienceMs`; a zombie runs no more.
bool is_gone(pid_t pid) {
  for (int waited = 0; waited < kPatienceMs; waited += 10) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    if (stat.empty() || stat.contains(") Z")) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(ChildProcess, SpeaksThroughPipes) {
  ChildProcess child = start("read line; echo \"got $line $ANSWER\"; exit 3");
  EXPECT_EQ(child.wait(0), std::nullopt);
  ASSERT_EQ(::write(child.input(), "this\n", 5), 5);
  LineReader reader(1024);
  EXPECT_EQ(line_of(child, reader), "got this 42");
  EXPECT_EQ(child.wait(kPatienceMs), "exit code 3");
  EXPECT_EQ(child.wait(0), "exit code 3") << "it stays known";
}

TEST(ChildProcess, SaysWhatCannotBeRun) {
  const auto missing = ChildProcess::start({{"no-such-program-here"}, {}, false});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("cannot run 'no-such-program-here'"));
  EXPECT_EQ(ChildProcess::start({{"/tmp"}, {}, false}).error().code, Code::kDenied);
}

TEST(ChildProcess, SeesTheEndOfItsInputAndNoBlockedSignals) {
  ChildProcess first = start("cat; echo over");
  // Were the first one's pipe inherited here, it would never see the end of its input.
  ChildProcess second = start("trap 'echo caught; exit 0' TERM; echo set; while :; do sleep 0.02; done");
  first.close_input();
  LineReader of_first(1024), of_second(1024);
  EXPECT_EQ(line_of(first, of_first), "over");
  EXPECT_EQ(line_of(second, of_second), "set");
  second.signal(SIGTERM);
  EXPECT_EQ(line_of(second, of_second), "caught");
}

TEST(ChildProcess, IsKilledEvenWhenItIsStoppedAndItsGroupWithIt) {
  ChildProcess child = start("sleep 100 & echo $!; kill -STOP $$", true);
  LineReader reader(1024);
  const pid_t grandchild = std::stoi(line_of(child, reader));
  const pid_t pid = child.pid();
  child.kill();
  EXPECT_EQ(child.wait(0), "signal 9 (Killed)");
  EXPECT_TRUE(is_gone(pid));
  EXPECT_TRUE(is_gone(grandchild));
}

TEST(ChildProcess, LeavesNothingOfItsGroupWhenItEndsByItself) {
  ChildProcess child = start("sleep 100 & echo $!", true);
  LineReader reader(1024);
  const pid_t grandchild = std::stoi(line_of(child, reader));
  EXPECT_EQ(child.wait(kPatienceMs), "exit code 0");
  EXPECT_TRUE(is_gone(grandchild));
}

TEST(ChildProcess, DiesWithTheThreadThatStartedIt) {
  std::optional<ChildProcess> child;
  std::thread([&] { child = start("while :; do sleep 0.02; done"); }).join();
  EXPECT_EQ(child->wait(kPatienceMs), "signal 9 (Killed)");
}

TEST(LineReader, RefusesALineWithoutEnd) {
  ChildProcess child = start("yes | tr -d '\\n'");
  LineReader reader(1000);
  Status read;
  while (read) {
    pollfd wait = {child.output(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, kPatienceMs), 1);
    read = reader.read(child.output());
  }
  EXPECT_EQ(read.error().code, Code::kInvalid);
}

}  // namespace
}  // namespace millrace
