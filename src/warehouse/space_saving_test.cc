#include "warehouse/space_saving.h"

#include <cmath>
#include <map>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

/// Values of which the n-th comes about 1/n as often as the first.
std::vector<std::string> skewed(std::size_t count, unsigned seed, int values) {
  std::mt19937 random(seed);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    const double u = (static_cast<double>(random()) + 1) / 4294967297.0;
    out.push_back(fmt::format("/page/{}", static_cast<int>(std::pow(values, u))));
  }
  return out;
}

TEST(SpaceSaving, IsExactWhileThereAreFew) {
  SpaceSaving sketch(2);
  for (const auto* value : {"b", "a", "b", "c", "b", "c"}) sketch.add(value);
  EXPECT_EQ(sketch.top(), (std::vector<SpaceSaving::Entry>{{"b", 3}, {"c", 2}}));
  EXPECT_EQ(sketch.error(), 0u);
  EXPECT_EQ(sketch.total(), 6u);
}

/// The promise of the header against exact counts, for one summary and for the merge of many.
TEST(SpaceSaving, KeepsToItsBounds) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const auto values = skewed(50'000, seed, 20'000);
    std::map<std::string, std::uint64_t> exact;
    SpaceSaving whole(10), merged(10);
    std::vector<SpaceSaving> parts(13, SpaceSaving(10));
    for (std::size_t i = 0; i < values.size(); ++i) {
      ++exact[values[i]];
      whole.add(values[i]);
      parts[i % parts.size()].add(values[i]);
    }
    for (const auto& part : parts) merged.merge(*SpaceSaving::parse(part.bytes()));
    for (const auto& sketch : {whole, merged}) {
      EXPECT_EQ(sketch.total(), values.size());
      EXPECT_GT(sketch.error(), 0u);
      EXPECT_LE(sketch.error(), sketch.total() / 81);
      std::map<std::string, std::uint64_t> found;
      for (const auto& entry : sketch.top()) {
        found[entry.value] = entry.count;
        EXPECT_LE(entry.count, exact[entry.value]);
        EXPECT_GE(entry.count + sketch.error(), exact[entry.value]);
      }
      EXPECT_EQ(found.size(), 10u);
      EXPECT_TRUE(found.contains("/page/1"));
    }
  }
}

TEST(SpaceSaving, TakesLongValuesAtTheirBeginning) {
  SpaceSaving sketch(1);
  std::string value(SpaceSaving::kValueBytesMax - 1, 'x');
  sketch.add(value + "äb");  // the limit would cut the ä
  EXPECT_EQ(sketch.top()[0].value, value);
  EXPECT_TRUE(SpaceSaving::parse(sketch.bytes()));
}

TEST(SpaceSaving, RefusesOtherBytes) {
  SpaceSaving sketch(3);
  sketch.add("a");
  const auto sound = sketch.bytes();
  EXPECT_FALSE(SpaceSaving::parse(""));
  EXPECT_FALSE(SpaceSaving::parse(sound + "x"));
  EXPECT_FALSE(SpaceSaving::parse(sound.substr(0, sound.size() - 1)));
  auto none = sound;
  none[4] = 0;  // k
  EXPECT_FALSE(SpaceSaving::parse(none));
  auto many = sound;
  many[24] = 100;  // entries
  EXPECT_FALSE(SpaceSaving::parse(many));
}

TEST(SpaceSaving, SurvivesDamage) {
  std::mt19937 random(3);
  for (const std::size_t count : {0u, 3u, 200u, 5000u}) {
    SpaceSaving sketch(10);
    for (const auto& value : skewed(count, 1, 1000)) sketch.add(value);
    const auto sound = sketch.bytes();
    for (int round = 0; round < 2000; ++round) {
      auto bytes = sound.substr(0, round % 3 == 0 ? random() % (sound.size() + 1) : sound.size());
      for (int flips = 0; flips < 3 && !bytes.empty(); ++flips)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      if (const auto parsed = SpaceSaving::parse(bytes)) {
        auto other = sketch;
        other.merge(*parsed);
        EXPECT_LE(other.top().size(), SpaceSaving::kTopMax);
        EXPECT_TRUE(SpaceSaving::parse(other.bytes()));
      }
    }
  }
}

}  // namespace
}  // namespace millrace
