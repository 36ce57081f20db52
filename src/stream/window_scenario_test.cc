#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/window_scenario_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// Tests run in the folder of the sources.
Path scenario_folder() {
  return Path("tests") / "windows";
}

TEST(WindowScenarios, HoldAsWritten) {
  Env& env = Env::system();
  const auto names = env.list_dir(scenario_folder());
  ASSERT_TRUE(names) << names.error().text();
  std::size_t scenarios = 0;
  for (const auto& name : *names) {
    if (!name.ends_with(".yaml")) continue;
    const auto report =
        run_scenarios(read_file(env, scenario_folder() / name).value(), "tests/windows/" + name);
    for (const auto& failure : report.failures) ADD_FAILURE() << failure;
    scenarios += report.scenarios;
  }
  EXPECT_GE(scenarios, 25u);
}

std::vector<std::string> failures(std::string_view text) {
  return run_scenarios(text, "some.yaml").failures;
}

TEST(WindowScenarioRunner, TellsTheLineOfAWrongExpectation) {
  EXPECT_THAT(failures("wrong:\n  window: fixed 10\n  steps:\n    - add: a@1\n    - watermark: 10\n"
                       "    - expect: [\"a [0,11) on_time 1\"]\n"),
              ElementsAre(AllOf(StartsWith("some.yaml:6: expected"), HasSubstr("a [0,10) on_time 1"))));
}

TEST(WindowScenarioRunner, RefusesPanesNobodyExpects) {
  EXPECT_THAT(failures("missing:\n  window: fixed 10\n  steps:\n    - add: a@1\n    - watermark: 10\n"
                       "    - watermark: 20\n"),
              ElementsAre(StartsWith("some.yaml:6: nothing expects")));
  EXPECT_THAT(
      failures("missing at the end:\n  window: fixed 10\n  steps:\n    - add: a@1\n    - watermark: 10\n"),
      ElementsAre(StartsWith("some.yaml:5: nothing expects")));
}

TEST(WindowScenarioRunner, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(failures("a:\n  window: round 10\n  steps: []\n"),
              ElementsAre(HasSubstr("some.yaml:1: window: expected")));
  EXPECT_THAT(failures("a:\n  window: fixed 10\n  steps:\n    - at: a@1\n"),
              ElementsAre(HasSubstr("some.yaml:4")));
  EXPECT_THAT(failures("a:\n  window: fixed 10\n  steps:\n    - add: a1\n"),
              ElementsAre(HasSubstr("some.yaml:4")));
  EXPECT_THAT(failures("a:\n  window: sliding 10 20\n  steps: []\n"), ElementsAre(HasSubstr("longer than")));
}

}  // namespace
}  // namespace millrace
