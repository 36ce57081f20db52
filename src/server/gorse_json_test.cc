#include "server/gorse_json.h"

#include <gtest/gtest.h>

#include "server/gorse_feedback.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

const Json kWholeItem = {
    {"ItemId", "7"},     {"IsHidden", true},
    {"Labels", {"a"}},   {"Categories", {"d", "e"}},
    {"Comment", "text"}, {"Timestamp", "2022-08-07T00:26:46Z"},
};

TEST(GorseJsonTest, AnItemComesBackAsItWentIn) {
  Json attributes = Json::object();
  ASSERT_TRUE(apply_gorse_item(attributes, kWholeItem));
  EXPECT_EQ(attributes["category"], "d");
  EXPECT_EQ(attributes["published"], "2022-08-07T00:26:46Z");
  EXPECT_EQ(gorse_item("7", attributes), kWholeItem);
}

TEST(GorseJsonTest, NamedLabelsAreAttributesButTakeNoMembersPlace) {
  Json attributes = Json::object();
  ASSERT_TRUE(
      apply_gorse_item(attributes, {{"Labels", {{"brand", "Acme"}, {"hidden", true}, {"price", "x"}}}}));
  EXPECT_EQ(attributes["brand"], "Acme");
  EXPECT_FALSE(attributes.contains("hidden"));
  EXPECT_FALSE(attributes.contains("price"));
  ASSERT_TRUE(apply_gorse_item(attributes, {{"Labels", {{"colour", "red"}}}}));
  EXPECT_FALSE(attributes.contains("brand"));
  EXPECT_EQ(attributes["colour"], "red");
}

TEST(GorseJsonTest, WhatAPatchDoesNotNameStays) {
  Json attributes = Json::object();
  ASSERT_TRUE(apply_gorse_item(attributes, kWholeItem));
  ASSERT_TRUE(apply_gorse_item(attributes, {{"Comment", "new"}, {"Categories", nullptr}}));
  Json expected = kWholeItem;
  expected["Comment"] = "new";
  EXPECT_EQ(gorse_item("7", attributes), expected);
}

TEST(GorseJsonTest, TheFirstCategoryLeftIsTheCategory) {
  Json attributes = {{"category", "Garden"}};
  add_gorse_category(attributes, "Tools");
  add_gorse_category(attributes, "Tools");
  EXPECT_EQ(attributes["categories"], Json({"Garden", "Tools"}));
  remove_gorse_category(attributes, "Garden");
  EXPECT_EQ(attributes["category"], "Tools");
  remove_gorse_category(attributes, "Tools");
  EXPECT_FALSE(attributes.contains("category"));
}

TEST(GorseFeedbackTest, TheIdTellsTypeUserItemAndTimeApart) {
  const GorseFeedback one = {.type = "like", .user = "ab", .item = "c", .time = 5};
  EXPECT_EQ(gorse_message_id(one), gorse_message_id(GorseFeedback(one)));
  for (const GorseFeedback& other : {GorseFeedback{.type = "like", .user = "a", .item = "bc", .time = 5},
                                     GorseFeedback{.type = "like", .user = "ab", .item = "c", .time = 6},
                                     GorseFeedback{.type = "like", .user = "ab", .item = "c"},
                                     GorseFeedback{.type = "read", .user = "ab", .item = "c", .time = 5}})
    EXPECT_NE(gorse_message_id(one), gorse_message_id(other));
}

TEST(GorseFeedbackTest, BodiesAreCutAtBytesAndEvents) {
  const std::vector<GorseFeedback> five(5, {.type = "dislike", .user = "u", .item = "i"});
  const std::vector<std::string> bodies = gorse_event_bodies(five, 1'000'000, 2);
  ASSERT_EQ(bodies.size(), 3u);
  const Json first = Json::parse(bodies[0]);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0]["type"], "rating");
  EXPECT_EQ(first[0]["value"], 1);
  EXPECT_EQ(Json::parse(bodies[2]).size(), 1u);
  const std::size_t pair_bytes = bodies[0].size();
  EXPECT_EQ(gorse_event_bodies(five, pair_bytes, 100).size(), 3u);
  EXPECT_EQ(gorse_event_bodies(five, pair_bytes - 1, 100).size(), 5u);
}

TEST(GorseFeedbackTest, PropertiesOfOthersAreNoFeedback) {
  const Json row = {"item_view", "u", "i", "2026-01-31T12:00:00Z", R"({"feedback_type":7,"comment":[]})"};
  EXPECT_EQ(gorse_feedback_json(row)["FeedbackType"], "item_view");
  EXPECT_EQ(gorse_feedback_json(row)["Comment"], "");
}

}  // namespace
}  // namespace millrace
