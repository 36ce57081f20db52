#include "source/keyset.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using Form = KeyColumn::Form;

TEST(Keyset, ReadsFromTheBeginningInTheOrderOfTheKey) {
  const auto sql = keyset_sql({.database = "shop",
                               .table = "orders",
                               .expressions = {"`id`", "(`f` + 0e0)"},
                               .index = "PRIMARY",
                               .key = {{"id", Form::kNumber, "", ""}},
                               .limit = 100});
  ASSERT_TRUE(sql);
  EXPECT_EQ(*sql,
            "SELECT `id`, (`f` + 0e0) FROM `shop`.`orders` FORCE INDEX (`PRIMARY`) ORDER BY `id` LIMIT 100");
}

TEST(Keyset, GoesOnBehindAKeyOfSeveralColumns) {
  const auto sql = keyset_sql(
      {.database = "shop",
       .table = "t`x",
       .expressions = {"`a`"},
       .key = {{"a", Form::kNumber, "", ""}, {"b", Form::kBytes, "", ""}, {"c", Form::kQuoted, "", ""}},
       .after = {"-1.5", std::string("\0'", 2), "2024-07-01 00:00:00"},
       .from = "`u` >= 7"});
  ASSERT_TRUE(sql);
  EXPECT_EQ(
      *sql,
      "SELECT `a` FROM `shop`.`t``x` WHERE `u` >= 7 AND ((`a` > -1.5) OR (`a` = -1.5 AND `b` > X'0027') "
      "OR (`a` = -1.5 AND `b` = X'0027' AND `c` > '2024-07-01 00:00:00')) ORDER BY `a`, `b`, `c`");
}

TEST(Keyset, TextComparesAsItsColumnDoesAndCannotLeaveItsQuotes) {
  const auto literal = key_literal({"name", Form::kText, "latin1", "latin1_swedish_ci"}, "O'É");
  EXPECT_EQ(*literal, "CONVERT(_utf8mb4 X'4F27C389' USING latin1) COLLATE latin1_swedish_ci");
  EXPECT_EQ(*key_literal({"name", Form::kText, "utf8mb4", "utf8mb4_bin"}, ""),
            "CONVERT(_utf8mb4 X'' USING utf8mb4) COLLATE utf8mb4_bin");
}

TEST(Keyset, RefusesAValueThatIsNoneOfItsForm) {
  EXPECT_FALSE(key_literal({"id", Form::kNumber, "", ""}, "1 OR 1"));
  EXPECT_FALSE(key_literal({"id", Form::kNumber, "", ""}, ""));
  EXPECT_FALSE(key_literal({"at", Form::kQuoted, "", ""}, "2024' OR '1"));
  EXPECT_FALSE(keyset_sql({.key = {{"id", Form::kNumber, "", ""}}, .after = {"x"}}));
}

}  // namespace
}  // namespace millrace
