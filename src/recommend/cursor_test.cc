#include "recommend/cursor.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Cursor, ComesBackAsItWent) {
  Cursor cursor;
  for (int i = 0; i < 300; ++i) cursor.add("item" + std::to_string(i));
  const auto read = Cursor::parse(cursor.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->shown(), cursor.shown());
  EXPECT_TRUE(read->contains(item_fingerprint("item7")));
  EXPECT_FALSE(read->contains(item_fingerprint("item300")));
  EXPECT_EQ(cursor.text().find_first_of("+/="), std::string::npos) << "goes into a URL as it is";
}

TEST(Cursor, EmptyTextIsTheStart) {
  ASSERT_TRUE(Cursor::parse(""));
  EXPECT_EQ(Cursor::parse("")->size(), 0u);
}

TEST(Cursor, RefusesWhatWeDidNotWrite) {
  Cursor cursor;
  cursor.add("a");
  const std::string good = cursor.text();
  for (std::size_t i = 0; i < good.size() - 1; ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Cursor::parse(bad)) << bad;
  }
  for (const std::string& bad :
       {std::string("x"), std::string("!!!"), good + good, std::string(100'000, 'A')}) {
    EXPECT_FALSE(Cursor::parse(bad)) << bad.substr(0, 40);
  }
}

}  // namespace
}  // namespace millrace
