#include "source/gtid.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

GtidPosition parse(std::string_view text) {
  auto position = GtidPosition::parse(text);
  EXPECT_TRUE(position) << text;
  return position.value_or(GtidPosition());
}

TEST(GtidPosition, IsWrittenAsItWasRead) {
  for (const char* text :
       {"gtid:", "gtid:0-1-42", "gtid:0-1-42,3-7-18446744073709551615", "gtid:0-1-41 0-1-42+3"})
    EXPECT_EQ(parse(text).text(), text);
  EXPECT_EQ(parse("").text(), "gtid:");
  EXPECT_EQ(parse("file:bin.000001:328").text(), "gtid:");
  for (const char* text :
       {"0-1-2", "gtid:0-1", "gtid:x", "gtid:0-1-2;0-1-3", "gtid:0-1-2 0-1-3", "gtid:0-1-2 0-1-3+x"})
    EXPECT_FALSE(GtidPosition::parse(text)) << text;
}

TEST(GtidPosition, CoversWhatIsDoneInItsDomain) {
  GtidPosition position = parse("gtid:0-1-42");
  EXPECT_TRUE(position.covers({0, 9, 42}));
  EXPECT_FALSE(position.covers({0, 1, 43}));
  EXPECT_FALSE(position.covers({1, 1, 1}));
  position.advance({1, 2, 5});
  EXPECT_EQ(position.list(), "0-1-42,1-2-5");
}

TEST(GtidPosition, KnowsHowFarATransactionIsUntilItIsDone) {
  GtidPosition position = parse("gtid:0-1-41");
  position.advance_within({0, 1, 42}, 3);
  EXPECT_EQ(position.events_done({0, 1, 42}), 3u);
  EXPECT_EQ(position.events_done({0, 1, 43}), 0u);
  EXPECT_FALSE(position.covers({0, 1, 42}));
  position.advance({0, 1, 42});
  EXPECT_EQ(position.text(), "gtid:0-1-42");
}

TEST(GtidPosition, LaterAndEarlierGoByDomain) {
  const auto a = parse("gtid:0-1-5,1-1-9");
  const auto b = parse("gtid:0-2-7,2-1-1");
  EXPECT_EQ(GtidPosition::later(a, b).list(), "0-2-7,1-1-9,2-1-1");
  EXPECT_EQ(GtidPosition::earlier(a, b).list(), "0-1-5");
  // What a new snapshot holds is no longer done in part.
  EXPECT_EQ(GtidPosition::later(parse("gtid:0-1-5 0-1-6+2"), parse("gtid:0-1-8")).text(), "gtid:0-1-8");
  EXPECT_EQ(GtidPosition::later(parse("gtid:0-1-5 0-1-6+2"), parse("gtid:0-1-4")).text(),
            "gtid:0-1-5 0-1-6+2");
}

}  // namespace
}  // namespace millrace
