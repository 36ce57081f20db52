#include "recommend/answer_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recommend/catalogue_json.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Recommendations an_answer() {
  Recommendations answer{
      .recommendation_id = "0193", .time = 1'752'000'000'000'000, .user = "u1", .model = "m@1"};
  answer.latency_us = 412;
  answer.items.push_back(
      {"p1", 0.5, "co_bought", {"bought_together", "Often bought together with \"A\"", {"a"}}});
  return answer;
}

TEST(AnswerJson, HasTheShapeClientsRelyOn) {
  Recommendations answer = an_answer();
  EXPECT_EQ(answer_json(answer),
            R"({"recommendation_id":"0193","user":"u1","model":"m@1","fallback":null,"items":[{"id":"p1",)"
            R"("score":0.5,"source":"co_bought","reason":{"code":"bought_together",)"
            R"("text":"Often bought together with \"A\"","because":["a"]}}],"cursor":null})");
  answer.user.clear();
  answer.fallback = "cold";
  answer.cursor = "AQ";
  const Json json = Json::parse(answer_json(answer));
  EXPECT_TRUE(json.at("user").is_null());
  EXPECT_EQ(json.at("fallback"), "cold");
  EXPECT_EQ(json.at("cursor"), "AQ");
  EXPECT_FALSE(json.contains("explanation"));
}

TEST(AnswerJson, ExplainsWhenAsked) {
  Recommendations answer = an_answer();
  answer.explanation =
      Explanation{.candidates = {{"popular", 7}}, .filtered = {{"bought", 2}}, .stages_us = {{"rank", 9}}};
  const Json how = Json::parse(answer_json(answer)).at("explanation");
  EXPECT_EQ(how.at("candidates").at("popular"), 7);
  EXPECT_EQ(how.at("filtered").at("bought"), 2);
  EXPECT_EQ(how.at("stages_us").at("rank"), 9);
  EXPECT_EQ(how.at("latency_us"), 412);
  EXPECT_TRUE(how.at("error").is_null());
  EXPECT_FALSE(how.contains("filter"));
  answer.explanation->filter = {{"a:b", 3, 0, 1, "no item"}, {"stock>0", 3, 2, 1, ""}};
  EXPECT_EQ(Json::parse(answer_json(answer)).at("explanation").at("filter"),
            Json::parse(R"([{"clause":"a:b","looked_at":3,"found":0,"matched":1,"hint":"no item"},
                            {"clause":"stock>0","looked_at":3,"found":2,"matched":1}])"));
}

TEST(AnswerJson, ABadByteInAnIdDoesNotBreakTheJson) {
  Recommendations answer = an_answer();
  answer.items[0].id = "p\xff";
  EXPECT_EQ(Json::parse(answer_json(answer)).at("items").at(0).at("id"), "p\xEF\xBF\xBD");
}

TEST(RecordJson, KeepsTheRequestBesideTheAnswer) {
  RecommendRequest request{.user = "u1", .n = 5, .items = {"a", "b"}, .exclude = {"c"}};
  request.filter = ItemFilter::parse("price<50").value();
  const Json json = Json::parse(record_json(an_answer(), request, "similar"));
  EXPECT_EQ(json.at("kind"), "similar");
  EXPECT_EQ(json.at("served_us"), 1'752'000'000'000'000);
  EXPECT_TRUE(json.at("session").is_null());
  EXPECT_EQ(json.at("placement"), "home");
  EXPECT_EQ(json.at("latency_us"), 412);
  EXPECT_EQ(json.at("items").at(0).at("reason").at("because"), Json::array({"a"}));
  EXPECT_EQ(json.at("request"),
            Json::parse(R"({"n":5,"items":["a","b"],"exclude":["c"],"filter":"price<50"})"));
}

TEST(CatalogueJson, ReadsWhatAnItemIs) {
  const auto change = parse_item_record(
      R"({"op":"put","id":"r1","attributes":{"name":"Rake","category":"Garden/Tools","price":"49.90","currency":"EUR",
          "available":false,"countries":["CH","DE"],"published":"2024-07-01T09:00:00Z","expires":1800000000000000,"colour":"red"}})");
  ASSERT_TRUE(change) << change.error().text();
  EXPECT_TRUE(change->put);
  const ItemFacts& facts = change->facts;
  EXPECT_EQ(facts.id, "r1");
  EXPECT_EQ(facts.name, "Rake");
  EXPECT_EQ(facts.category, "Garden/Tools");
  EXPECT_EQ(facts.price->text(), "49.9");
  EXPECT_FALSE(facts.available);
  EXPECT_EQ(facts.countries, (std::vector<std::string>{"CH", "DE"}));
  EXPECT_EQ(format_time(*facts.published_us), "2024-07-01T09:00:00Z");
  EXPECT_EQ(facts.expires_us, 1'800'000'000'000'000);
}

TEST(CatalogueJson, TakesPricesAsNumbersAndLeavesWrongTypesAlone) {
  const auto change = parse_item_record(
      R"({"id":"r1","attributes":{"price":12.5,"name":7,"available":"yes","country":"CH","published":"soon"}})");
  ASSERT_TRUE(change);
  EXPECT_EQ(change->facts.price->text(), "12.5");
  EXPECT_TRUE(change->facts.name.empty());
  EXPECT_TRUE(change->facts.available);
  EXPECT_EQ(change->facts.countries, std::vector<std::string>{"CH"});
  EXPECT_FALSE(change->facts.published_us);
}

TEST(CatalogueJson, RefusesWhatIsNoChange) {
  for (const char* bad : {"", "[]", "{", R"({"op":"put"})", R"({"op":"burn","id":"a"})", R"({"id":5})"}) {
    EXPECT_FALSE(parse_item_record(bad)) << bad;
  }
  EXPECT_FALSE(parse_item_record(R"({"op":"delete","id":"a"})")->put);
  EXPECT_EQ(parse_user_record(R"({"id":"u","attributes":{"country":"CH"}})")->facts.country, "CH");
}

}  // namespace
}  // namespace millrace
