#include "recommend/item_attributes.h"

#include <gtest/gtest.h>

#include "recommend/catalogue_json.h"
#include "recommend/item_store.h"

namespace millrace {
namespace {

std::vector<std::string> texts_of(const ItemAttributes& attributes, std::string_view name) {
  std::vector<std::string> texts;
  static_cast<void>(attributes.any_of(AttributeName(name), [&](const ItemAttributes::Value& value) {
    texts.emplace_back(value.text.value_or("-"));
    return false;
  }));
  return texts;
}

TEST(ItemAttributes, KeepsValuesOfEveryKindUnderTheirNames) {
  ItemAttributes attributes;
  ASSERT_TRUE(attributes.add_text("brand", "Acme"));
  ASSERT_TRUE(attributes.add_text("tags", "a"));
  ASSERT_TRUE(attributes.add_text("tags", ""));
  ASSERT_TRUE(attributes.add_text("tags", "b"));
  ASSERT_TRUE(attributes.add_number("weight", -2.5));
  ASSERT_TRUE(attributes.add_truth("organic", false));
  ASSERT_TRUE(attributes.add_text("rating", "4.5"));
  ASSERT_TRUE(attributes.add_text("released", "1969-12-31T23:59:59Z"));
  ASSERT_TRUE(attributes.add_presence("image"));
  const auto value_of = [&](std::string_view name) {
    ItemAttributes::Value value;
    EXPECT_TRUE(attributes.any_of(AttributeName(name), [&](const auto& each) {
      value = each;
      return true;
    })) << name;
    return value;
  };
  EXPECT_EQ(value_of("brand").text, "Acme");
  EXPECT_FALSE(value_of("brand").number);
  EXPECT_EQ(texts_of(attributes, "tags"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(value_of("weight").number, -2.5);
  EXPECT_FALSE(value_of("weight").text);
  EXPECT_EQ(value_of("organic").truth, false);
  EXPECT_EQ(value_of("rating").text, "4.5");
  EXPECT_EQ(value_of("rating").number, 4.5);
  EXPECT_EQ(value_of("released").time, -kSecondUs);
  EXPECT_FALSE(value_of("image").text || value_of("image").number || value_of("image").time);
  EXPECT_FALSE(attributes.has(AttributeName("bran")));
  EXPECT_EQ(attributes.names().size(), 7u);
}

TEST(ItemAttributes, KeepsOfALongTextOnlyThatItIsThereAndOfALongNameNothing) {
  ItemAttributes attributes;
  EXPECT_TRUE(attributes.add_text("description", std::string(ItemAttributes::kTextBytesMax + 1, 'x')));
  EXPECT_EQ(texts_of(attributes, "description"), std::vector<std::string>{"-"});
  EXPECT_FALSE(attributes.add_text(std::string(ItemAttributes::kNameBytesMax + 1, 'n'), "x"));
  EXPECT_LT(attributes.bytes(), 32u);
}

TEST(ItemAttributes, LeavesOutWhatDoesNotFit) {
  ItemAttributes attributes;
  ASSERT_TRUE(attributes.add_text("a", std::string(20, 'x')));
  ASSERT_TRUE(attributes.add_text("b", std::string(200, 'x')));
  ASSERT_TRUE(attributes.add_text("c", std::string(20, 'x')));
  EXPECT_EQ(attributes.keep(1'000), 0u);
  EXPECT_EQ(attributes.keep(100), 1u);
  EXPECT_TRUE(attributes.has(AttributeName("a")) && attributes.has(AttributeName("c")));
  EXPECT_FALSE(attributes.has(AttributeName("b")));
  EXPECT_EQ(attributes.keep(0), 2u);
  EXPECT_EQ(attributes.bytes(), 0u);
}

TEST(ItemAttributes, ReadsNumbersWhole) {
  EXPECT_EQ(number_in("+1.5e2"), 150);
  for (const char* bad : {"", "1x", "x", "1e999", "nan", "inf", "0x10", "1,5", " 1"})
    EXPECT_FALSE(number_in(bad)) << bad;
}

TEST(ItemStore, BoundsTheAttributesOfAnItemAndOfAll) {
  ItemStore store(2, [](ItemRef) {}, {.of_item = 60, .of_all = 100});
  const auto put = [&](const char* id, std::size_t bytes) {
    ItemFacts facts{.id = id};
    ASSERT_TRUE(facts.attributes.add_text("t", std::string(bytes, 'x')));
    store.put(facts, {});
  };
  put("a", 100);
  EXPECT_EQ(store.attribute_bytes(), 0u) << "too much for an item";
  put("a", 50);
  EXPECT_EQ(store.attribute_bytes(), 59u);
  put("b", 50);
  EXPECT_EQ(store.attribute_bytes(), 59u) << "too much in all";
  put("a", 20);
  put("b", 50);
  EXPECT_EQ(store.attribute_bytes(), 29u + 59u);
  put("c", 10);
  EXPECT_EQ(store.attribute_bytes(), 59u + 19u) << "a has been dropped";
}

ItemFacts read(std::string_view attributes) {
  ItemFacts facts;
  EXPECT_TRUE(read_item_attributes(attributes, facts)) << attributes;
  return facts;
}

TEST(CatalogueJson, AStockOfNothingMakesAnItemUnavailableUnlessItIsSaidToBe) {
  EXPECT_FALSE(read(R"({"stock":0})").available);
  EXPECT_FALSE(read(R"({"stock":-1})").available);
  EXPECT_FALSE(read(R"({"stock":"0"})").available);
  EXPECT_FALSE(read(R"({"stock":0,"available":"yes"})").available) << "which says nothing";
  EXPECT_TRUE(read(R"({"stock":0,"available":true})").available);
  EXPECT_TRUE(read(R"({"stock":1})").available);
  EXPECT_TRUE(read(R"({"stock":null})").available);
  EXPECT_TRUE(read(R"({"stock":"some"})").available);
  EXPECT_FALSE(read(R"({"stock":5,"available":false})").available);
}

}  // namespace
}  // namespace millrace
