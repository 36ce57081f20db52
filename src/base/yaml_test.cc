#include "base/yaml.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

enum class Format { kText, kJson };

struct Config {
  std::string listen = "127.0.0.1:8080";
  bool colours = true;
  int partitions = 4;
  double decay = 0.5;
  DurationUs retention = 7 * kDayUs;
  std::uint64_t segment_bytes = 64;
  std::vector<std::string> origins;
  Format format = Format::kText;
  std::vector<std::pair<std::string, std::string>> sources;
};

Status read_config(std::string_view text, Config& config) {
  MILLRACE_ASSIGN(const auto yaml, YamlDocument::parse(text, "millrace.yaml", YamlReferences::kExpand));
  const auto root = yaml.root();
  root.optional("listen", config.listen);
  root.optional("colours", config.colours);
  root.optional("decay", config.decay, 0, 1);
  root.optional("origins", config.origins);
  root.optional_choice<Format>("format", config.format, {{"text", Format::kText}, {"json", Format::kJson}});
  const auto log = root.map("log");
  log.optional("partitions", config.partitions, 1, 1024);
  log.optional_duration("retention", config.retention, kHourUs);
  log.optional_bytes("segment", config.segment_bytes, 16);
  for (const auto& [name, source] : root.map("sources").entries()) {
    source.map().required("key", config.sources.emplace_back(name, "").second);
  }
  return yaml.finish();
}

std::string refusal(std::string_view text) {
  Config config;
  const auto status = read_config(text, config);
  return status ? "accepted" : status.error().text();
}

TEST(Yaml, FillsAConfiguration) {
  Config config;
  const auto status = read_config(R"(
listen: 0.0.0.0:80
colours: no
decay: 0.25
origins: [https://a.example, https://b.example]
format: json
log:
  partitions: 8
  retention: 30d
  segment: 1MiB
sources:
  web: {key: abc}
  app: {key: "12"}
)",
                                  config);
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(config.listen, "0.0.0.0:80");
  EXPECT_FALSE(config.colours);
  EXPECT_EQ(config.decay, 0.25);
  EXPECT_THAT(config.origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(config.format, Format::kJson);
  EXPECT_EQ(config.partitions, 8);
  EXPECT_EQ(config.retention, 30 * kDayUs);
  EXPECT_EQ(config.segment_bytes, 1u << 20);
  EXPECT_THAT(config.sources, ElementsAre(testing::Pair("web", "abc"), testing::Pair("app", "12")));
}

TEST(Yaml, LeavesDefaultsWhereNothingIsSaid) {
  for (const auto* text : {"", "# nothing yet\n", "log:\n", "{}"}) {
    Config config;
    ASSERT_TRUE(read_config(text, config)) << text;
    EXPECT_EQ(config.partitions, 4);
    EXPECT_EQ(config.listen, "127.0.0.1:8080");
  }
}

TEST(Yaml, RefusesUnknownKeysWithTheNearestName) {
  EXPECT_EQ(refusal("listen: x\nlog:\n  retenton: 3d\n"),
            "millrace.yaml:3: unknown key 'retenton'; did you mean 'retention'?");
  EXPECT_THAT(refusal("log: {zebra: 1}"),
              HasSubstr("unknown key 'zebra'; known here: partitions, retention, segment"));
  EXPECT_THAT(refusal("sources:\n  web: {key: k, kee: j}"), HasSubstr("millrace.yaml:2: unknown key 'kee'"));
}

TEST(Yaml, SaysWhatItExpected) {
  EXPECT_EQ(refusal("listen: [a]"), "millrace.yaml:1: expected text, found a list");
  EXPECT_EQ(refusal("\ncolours: maybe"), "millrace.yaml:2: expected true or false, found 'maybe'");
  EXPECT_EQ(refusal("decay: much"), "millrace.yaml:1: expected a number, found 'much'");
  EXPECT_EQ(refusal("decay: 2"), "millrace.yaml:1: expected a number from 0 to 1, found '2'");
  EXPECT_EQ(refusal("log: {partitions: 4.5}"), "millrace.yaml:1: expected a whole number, found '4.5'");
  EXPECT_EQ(refusal("log: {partitions: 0}"),
            "millrace.yaml:1: expected a whole number from 1 to 1024, found '0'");
  EXPECT_EQ(refusal("log: {partitions: 99999999999999999999}"),
            "millrace.yaml:1: expected a whole number from 1 to 1024, found '99999999999999999999'");
  EXPECT_EQ(refusal("log: {retention: 7}"),
            "millrace.yaml:1: expected a duration such as 30s or 7d, found '7'");
  EXPECT_THAT(refusal("log: {retention: 7s}"), HasSubstr("expected a duration from 3600000 ms"));
  EXPECT_EQ(refusal("log: {segment: big}"), "millrace.yaml:1: expected a size such as 64MB, found 'big'");
  EXPECT_EQ(refusal("format: xml"), "millrace.yaml:1: expected one of text, json, found 'xml'");
  EXPECT_EQ(refusal("log: 5"), "millrace.yaml:1: expected a map, found '5'");
  EXPECT_EQ(refusal("listen:"), "millrace.yaml:1: expected text, found nothing");
  EXPECT_EQ(refusal("origins: {a: b}"), "millrace.yaml:1: expected a list, found a map");
}

TEST(Yaml, RefusesMissingAndRepeatedKeys) {
  EXPECT_EQ(refusal("sources:\n  web: {}\n"), "millrace.yaml:2: 'key' is missing");
  EXPECT_EQ(refusal("listen: a\nlisten: b\n"), "millrace.yaml:2: key 'listen' is given twice");
}

TEST(Yaml, ReportsEveryErrorInTheOrderOfTheFile) {
  EXPECT_EQ(refusal("lisen: x\ncolours: 3\nlog: 4\n"),
            "millrace.yaml:1: unknown key 'lisen'; did you mean 'listen'?\n"
            "millrace.yaml:2: expected true or false, found '3'\n"
            "millrace.yaml:3: expected a map, found '4'");
}

TEST(Yaml, PointsAtTheLineThatIsNoYaml) {
  EXPECT_THAT(refusal("listen: a\ncolours: [unclosed\n"), HasSubstr("millrace.yaml:"));
  EXPECT_THAT(refusal("- a\n- b\n"), HasSubstr("expected a map, found a list"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("more than one"));
  EXPECT_THAT(refusal(","), HasSubstr("cannot be read from here on")) << "ends at all";
}

TEST(Yaml, TakesValuesFromTheEnvironmentAndFiles) {
  const auto file = Path(testing::TempDir()) / "millrace_yaml_test_secret";
  std::ofstream(file) << "from the file\n";
  ::setenv("MILLRACE_YAML_TEST", "from the environment", 1);
  Config config;
  ASSERT_TRUE(read_config("listen: <${env:MILLRACE_YAML_TEST}> <${file:" + file.string() + "}>", config));
  EXPECT_EQ(config.listen, "<from the environment> <from the file>");
  EXPECT_THAT(refusal("listen: ${env:MILLRACE_NOT_SET}"), HasSubstr("MILLRACE_NOT_SET is not set"));
  EXPECT_THAT(refusal("listen: ${file:/does/not/exist}"), HasSubstr("/does/not/exist"));
  EXPECT_THAT(refusal("listen: ${vault:x}"), HasSubstr("neither ${env:NAME} nor ${file:PATH}"));
  EXPECT_THAT(refusal("listen: ${env:X"), HasSubstr("without its '}'"));
}

TEST(Yaml, TakesNothingFromElsewhereUnlessItIsAConfiguration) {
  ::setenv("MILLRACE_YAML_TEST", "hunter2", 1);
  const auto yaml =
      YamlDocument::parse("a: ${env:MILLRACE_YAML_TEST}\nb: [\"${file:/x}\", \"${\"]", "m.yaml");
  std::string a;
  std::vector<std::string> b;
  yaml->root().required("a", a);
  yaml->root().required("b", b);
  EXPECT_TRUE(yaml->finish());
  EXPECT_EQ(a, "${env:MILLRACE_YAML_TEST}");
  EXPECT_THAT(b, ElementsAre("${file:/x}", "${"));
}

TEST(Yaml, NeverPrintsASecret) {
  ::setenv("MILLRACE_YAML_TEST", "hunter2", 1);
  const auto message = refusal(
      "colours: ${env:MILLRACE_YAML_TEST}\ndecay: ${env:MILLRACE_YAML_TEST}\nformat: "
      "${env:MILLRACE_YAML_TEST}\n"
      "log: {partitions: \"${env:MILLRACE_YAML_TEST}\", retention: \"${env:MILLRACE_YAML_TEST}\"}");
  EXPECT_THAT(message, HasSubstr("found '${env:MILLRACE_YAML_TEST}'"));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace millrace
