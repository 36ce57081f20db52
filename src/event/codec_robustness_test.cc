// Whatever the bytes: no crash, no garbage accepted, and what is accepted reads the same for ever.
#include <random>

#include <gtest/gtest.h>

#include "event/codec_testing.h"

namespace millrace {
namespace {

TEST(CodecRobustness, ExamplesAreAcceptedWholly) {
  for (const ExampleBody& example : example_bodies()) {
    const DecodedBody decoded = decode_body(example.codec, example.text);
    EXPECT_EQ(decoded.reason(), "") << example.name;
    EXPECT_FALSE(decoded.events().empty()) << example.name;
    EXPECT_NO_THROW(check_any_body(example.codec, example.text)) << example.name;
  }
}

TEST(CodecRobustness, TruncatedBodiesAreRefused) {
  for (const ExampleBody& example : example_bodies()) {
    if (example.name == "native lines") continue;  // whole lines are right without the rest
    for (std::size_t length = 0; length < example.text.size(); ++length) {
      const auto text = example.text.substr(0, length);
      const DecodedBody decoded = decode_body(example.codec, text);
      ASSERT_FALSE(decoded.split.has_value()) << example.name << " cut to " << text;
      ASSERT_EQ(decoded.split.error().code, Code::kInvalid);
    }
  }
}

TEST(CodecRobustness, TruncatedLinesLoseOnlyTheLast) {
  const std::string_view text = example_bodies().back().text;
  for (std::size_t length = text.find('\n') + 2; length < text.size() - 1; ++length) {
    const DecodedBody decoded = decode_body(CodecId::kNative, text.substr(0, length));
    ASSERT_TRUE(decoded.split.has_value()) << length;
    ASSERT_EQ(decoded.split->accepted.size(), 1u) << length;
    ASSERT_EQ(decoded.split->refused.size(), 1u) << length;
  }
}

/// Changes a text as damage, attackers and odd clients do.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t n = 1 + below(4); n > 0 && !text.empty(); --n) step(text);
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  void step(std::string& text) {
    static constexpr std::string_view kPieces[] = {"\"",
                                                   "\\",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "null",
                                                   "true",
                                                   "1e999",
                                                   "-",
                                                   "0123",
                                                   "1.",
                                                   "\n",
                                                   "\x01",
                                                   "\xFF",
                                                   "\xC3",
                                                   "\\u0000",
                                                   "\\ud800",
                                                   "\\u00e9",
                                                   "\"\"",
                                                   "{}",
                                                   "[]",
                                                   " ",
                                                   "9223372036854775808",
                                                   "\"type\":\"\",",
                                                   "-0.0001",
                                                   "\"NaN\"",
                                                   std::string_view("\0", 1),
                                                   "[[[[[[[[[[[[[[[[",
                                                   "\\\"",
                                                   "2100-01-01T00:00:00Z"};
    const std::size_t at = below(text.size());
    const std::size_t length = std::min(below(24), text.size() - at);
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(below(text.size()), length));
        break;
      case 3:
        text.replace(at, 1, kPieces[below(std::size(kPieces))]);
        break;
      case 4:
        text.insert(at, kPieces[below(std::size(kPieces))]);
        break;
      default:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
    }
  }

  std::mt19937 random_;
};

TEST(CodecRobustness, MutatedBodiesKeepEveryInvariant) {
  constexpr std::uint32_t kSeeds = 1'500;
  for (const ExampleBody& example : example_bodies()) {
    for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
      const std::string text = Mutator(seed).mutate(std::string(example.text));
      ASSERT_NO_THROW(check_any_body(example.codec, text))
          << example.name << ", seed " << seed << ": " << text;
    }
  }
}

TEST(CodecRobustness, EveryCodecSurvivesEveryExample) {
  for (const ExampleBody& example : example_bodies()) {
    for (int codec = 1; codec <= 7; ++codec) {
      EXPECT_NO_THROW(check_any_body(static_cast<CodecId>(codec), example.text)) << example.name;
    }
  }
}

TEST(CodecRobustness, DeepNestingIsRefusedNotFollowed) {
  for (const std::size_t depth : {65u, 1'000u, 10'000u}) {
    const std::string deep =
        R"({"type":"x","properties":{"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
    const DecodedBody decoded =
        decode_body(CodecId::kNative, deep, test_facts(), {.event_bytes_max = 100'000});
    EXPECT_NE(decoded.reason().find("nested"), std::string::npos) << decoded.reason();
    EXPECT_NO_THROW(check_any_body(CodecId::kSegment, deep));
  }
}

}  // namespace
}  // namespace millrace
