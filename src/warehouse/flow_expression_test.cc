#include "warehouse/flow_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Return what an expression makes of messages: the text, "NULL", or "failed: code".
std::vector<std::string> results(std::string_view sql, const std::vector<ExpressionRow>& rows,
                                 DurationUs limit = 10 * kSecondUs) {
  auto expression = FlowExpression::open(sql);
  if (!expression) return {expression.error().text()};
  auto outcomes = (*expression)->apply(rows, limit);
  if (!outcomes) return {outcomes.error().text()};
  std::vector<std::string> texts;
  for (const auto& outcome : *outcomes)
    texts.push_back(outcome ? outcome->value_or("NULL")
                            : "failed: " + std::string(code_name(outcome.error().code)));
  return texts;
}

ExpressionRow row(std::string_view data) {
  return {data, "k", 1'700'000'000'000'000, R"({"source":"web"})"};
}

TEST(FlowExpression, SeesTheColumnsOfAMessage) {
  EXPECT_THAT(results("data->>'a'", {row(R"({"a":1})"), row("{}"), row("no json")}),
              ElementsAre("1", "NULL", "NULL"));
  EXPECT_THAT(results("json_object('k', key, 's', attributes->>'source', 't', CAST(time AS VARCHAR)) -- all",
                      {row("{}")}),
              ElementsAre(R"({"k":"k","s":"web","t":"2023-11-14 22:13:20"})"));
  EXPECT_THAT(results("json_merge_patch(data, json_object('vip', (data->>'total')::INT > 100))",
                      {row(R"({"total":5})"), row(R"({"total":500})")}),
              ElementsAre(R"({"total":5,"vip":false})", R"({"total":500,"vip":true})"));
}

TEST(FlowExpression, OnlyTheRowsToBlameFail) {
  std::vector<ExpressionRow> rows(100, row(R"({"n":"1"})"));
  rows[17] = row(R"({"n":"x"})");
  rows[18] = row(R"({"n":"y"})");
  rows[99] = row(R"({"n":"z"})");
  const auto texts = results("CAST(data->>'n' AS INTEGER) + 1", rows);
  ASSERT_EQ(texts.size(), 100);
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(texts[i], i == 17 || i == 18 || i == 99 ? "failed: invalid" : "2") << i;
}

TEST(FlowExpression, EachMessageGetsItsOwnValueAndOneOnly) {
  EXPECT_THAT(results("unnest(CAST(data->'$.batch' AS VARCHAR[]))",
                      {row(R"({"batch":["a"]})"), row(R"({"batch":[]})"), row(R"({"batch":["b","c"]})"),
                       row("{}"), row(R"({"batch":["d"]})")}),
              ElementsAre("a", "failed: invalid", "failed: invalid", "failed: invalid", "d"));
  // As many in all as messages, yet not theirs.
  EXPECT_THAT(results("unnest(CAST(data->'$.batch' AS VARCHAR[]))",
                      {row(R"({"batch":[]})"), row(R"({"batch":["b","c"]})")}),
              ElementsAre("failed: invalid", "failed: invalid"));
  EXPECT_THAT(results("unnest(range(1000000))", {row("{}")}), ElementsAre("failed: invalid"));
  EXPECT_THAT(results("data) AS VARCHAR) FROM message WHERE n = 0 EXCEPT SELECT 1, CAST((NULL",
                      {row("{}"), row("{}")})
                  .front(),
              HasSubstr("syntax error"));
}

TEST(FlowExpression, EndsWhenItTakesTooLong) {
  const std::string_view slow =
      "CASE WHEN data->>'slow' = 'yes' THEN (SELECT count(*) FROM range(100000000000) a(i) WHERE "
      "hash(i) % 7 = 3)::VARCHAR ELSE 'quick' END";
  EXPECT_THAT(results(slow, {row(R"({"slow":"yes"})")}, 100 * kMillisecondUs),
              ElementsAre("failed: deadline"));
}

TEST(FlowExpression, ReachesNothingOutside) {
  EXPECT_THAT(results("(SELECT content FROM read_text('/etc/hostname'))", {row("{}")}).front(),
              ::testing::AnyOf(HasSubstr("disabled"), HasSubstr("failed")));
  EXPECT_THAT(results("1); DROP TABLE given; SELECT (1", {}).front(), HasSubstr("syntax error"));
  EXPECT_THAT(results("no_such_column", {}).front(), HasSubstr("no_such_column"));
}

}  // namespace
}  // namespace millrace
