#include "recommend/item_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/catalogue_json.h"
#include "recommend/item_filter_report.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr TimeUs kNow = 1'800'000'000 * kSecondUs;

ItemFacts rake() {
  ItemFacts facts{.id = "rake", .name = "Copper Rake", .category = "Garden/Tools", .currency = "EUR"};
  facts.countries = {"CH", "DE"};
  facts.price = Decimal::parse("49.90").value();
  facts.published_us = kNow - 3 * kDayUs;
  facts.expires_us = kNow + 2 * kDayUs;
  EXPECT_TRUE(read_item_attributes(
      R"({"brand":"Acme","stock":4,"weight":2.5,"rating":"4.5","organic":true,"vegan":false,"sku":"007",
          "tags":["summer","sale, now",9],"image":{"url":"x"},"released":"2026-01-01T09:00:00Z","empty":"",
          "none":null,"size":"5\" | 12 cm","no ads":"yes","grade":"B","title: short":"t"})",
      facts));
  return facts;
}

bool passes(std::string_view text, const ItemFacts& facts = rake(), const MatchContext& context = {}) {
  const auto filter = ItemFilter::parse(text);
  EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().text());
  return filter && filter->matches(facts, context);
}

std::string error_of(std::string_view text) {
  const auto filter = ItemFilter::parse(text);
  EXPECT_FALSE(filter) << text;
  if (filter) return {};
  EXPECT_EQ(filter.error().code, Code::kInvalid);
  EXPECT_EQ(filter.error().where, "filter");
  return filter.error().message;
}

TEST(ItemFilter, MatchesByCategoryAndEverythingBelowIt) {
  EXPECT_TRUE(passes("category:Garden"));
  EXPECT_TRUE(passes("category:Garden/Tools"));
  EXPECT_FALSE(passes("category:Gard"));
  EXPECT_FALSE(passes("category:Garden/Tools/Rakes"));
  EXPECT_TRUE(passes("category:Kitchen|Garden"));
  EXPECT_TRUE(passes("category:Kitchen | Garden/Tools | Attic"));
  EXPECT_FALSE(passes("category:Kitchen|Attic"));
  EXPECT_FALSE(passes("!category:Garden"));
  EXPECT_FALSE(passes(R"(category:"")"));
  EXPECT_TRUE(passes(R"(category:"")", ItemFacts{.id = "plain"})) << "has none";
}

TEST(ItemFilter, MatchesByPriceAndCountryAndAllClausesTogether) {
  EXPECT_TRUE(passes("price<50"));
  EXPECT_FALSE(passes("price<49.9"));
  EXPECT_TRUE(passes("price<=49.9"));
  EXPECT_TRUE(passes("price>=49.90"));
  EXPECT_FALSE(passes("price>49.9"));
  EXPECT_TRUE(passes("price:10|49.9"));
  EXPECT_FALSE(passes("price:49"));
  EXPECT_TRUE(passes("country:CH"));
  EXPECT_FALSE(passes("country:FR"));
  EXPECT_TRUE(passes("country:FR|DE"));
  EXPECT_TRUE(passes(" category:Garden/Tools , price<50 , ! country : FR "));
  EXPECT_FALSE(passes("category:Garden/Tools,price<10"));
  EXPECT_TRUE(passes(""));
  EXPECT_TRUE(passes(" \n "));
}

TEST(ItemFilter, AnItemWithoutAPriceMatchesNoPriceAndOneWithoutCountriesIsSoldEverywhere) {
  const ItemFacts plain{.id = "plain"};
  EXPECT_FALSE(passes("price<50", plain));
  EXPECT_FALSE(passes("price>=0", plain));
  EXPECT_TRUE(passes("!price<50", plain)) << "turned round";
  EXPECT_TRUE(passes("country:CH", plain));
}

TEST(ItemFilter, MatchesByIdNameAndCurrency) {
  EXPECT_TRUE(passes("id:hoe|rake|spade"));
  EXPECT_FALSE(passes("id:hoe|spade"));
  EXPECT_FALSE(passes("!id:rake"));
  EXPECT_TRUE(passes("name:Copper Rake"));
  EXPECT_TRUE(passes("currency:EUR|CHF"));
  EXPECT_EQ(*ItemFilter::parse("price<5,id:b|a|b")->only_ids(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ItemFilter::parse("!id:a")->only_ids(), nullptr);
}

TEST(ItemFilter, ComparesNumbersOfAnyAttribute) {
  EXPECT_TRUE(passes("stock>0"));
  EXPECT_FALSE(passes("stock>4"));
  EXPECT_TRUE(passes("stock>=4,stock<=4,stock:4,stock:4.0"));
  EXPECT_TRUE(passes("weight<2.6,weight>+2.4,weight>-1e3"));
  EXPECT_TRUE(passes("weight:1|2.5"));
  EXPECT_FALSE(passes("weight:2"));
  EXPECT_TRUE(passes("rating>=4,rating<4.6")) << "a text that is a number has an order";
  EXPECT_FALSE(passes("brand>0")) << "one that is none has not";
  EXPECT_TRUE(passes("tags>8")) << "any element";
}

TEST(ItemFilter, MatchesTextsListsAndBooleans) {
  EXPECT_TRUE(passes("brand:Acme|Bosch"));
  EXPECT_FALSE(passes("brand:acme"));
  EXPECT_FALSE(passes("!brand:Acme"));
  EXPECT_TRUE(passes("tags:summer"));
  EXPECT_TRUE(passes("tags:winter|9"));
  EXPECT_FALSE(passes("tags:winter"));
  EXPECT_TRUE(passes("organic:true,vegan:false,!vegan:true"));
  EXPECT_FALSE(passes("organic:1"));
  EXPECT_FALSE(passes("sku:7")) << "a code is a text";
  EXPECT_TRUE(passes("sku:007"));
}

TEST(ItemFilter, ReadsQuotedValuesAndNames) {
  EXPECT_TRUE(passes(R"(tags:"sale, now")"));
  EXPECT_TRUE(passes(R"(size:"5"" | 12 cm" , stock>0)"));
  EXPECT_TRUE(passes(R"(tags : "winter" | "summer")"));
  EXPECT_TRUE(passes("no ads:yes"));
  EXPECT_TRUE(passes(R"("title: short":t)"));
  EXPECT_FALSE(passes(R"("price":49.9)")) << "in quotes it is an attribute, and there is none";
  ItemFacts inches{.id = "i"};
  ASSERT_TRUE(read_item_attributes(R"({"size":"5\""})", inches));
  EXPECT_TRUE(passes(R"(size:5")", inches)) << "a quote further on is a letter";
}

TEST(ItemFilter, ComparesTimesAndTimesFromNow) {
  EXPECT_TRUE(passes("published>2026-01-01"));
  EXPECT_FALSE(passes("published>2027-01-12T08:00:00Z"));
  const MatchContext context{.now = kNow};
  EXPECT_TRUE(passes("published>-7d", rake(), context));
  EXPECT_FALSE(passes("published>-2d", rake(), context));
  EXPECT_TRUE(passes("expires<+3d", rake(), context));
  EXPECT_TRUE(passes("expires<3d", rake(), context)) << "a + in a URL is a blank";
  EXPECT_FALSE(passes("expires<24h", rake(), context));
  EXPECT_FALSE(passes("expires>-7d")) << "without a now";
  EXPECT_TRUE(passes("released>=2026-01-01,released<2026-01-02"));
  EXPECT_FALSE(passes("released>-7d", rake(), context));
  EXPECT_FALSE(passes("stock<2026-01-01")) << "a number is no time";
  EXPECT_TRUE(ItemFilter::parse("released>-7d")->needs_now());
  EXPECT_FALSE(passes("published>2000-01-01", ItemFacts{.id = "plain"}));
}

TEST(ItemFilter, AsksWhatIsThere) {
  EXPECT_TRUE(passes("has:image"));
  EXPECT_TRUE(passes("has:video|brand"));
  EXPECT_FALSE(passes("has:video"));
  EXPECT_TRUE(passes("!has:video"));
  EXPECT_FALSE(passes("has:empty|none"));
  EXPECT_TRUE(passes("has:price,has:name,has:category,has:currency,has:country,has:published,has:expires"));
  EXPECT_FALSE(
      passes("has:price|name|category|currency|country|published|expires", ItemFacts{.id = "plain"}));
  EXPECT_FALSE(passes("image:x")) << "what lies in an object is not read";
}

TEST(ItemFilter, AsksForStatesOfItems) {
  EXPECT_TRUE(passes("available,!hidden,!expired"));
  EXPECT_TRUE(passes("expired", rake(), {.expired = true}));
  ItemFacts gone = rake();
  gone.available = false;
  gone.hidden = true;
  EXPECT_TRUE(passes("!available,hidden,available:false,hidden:true", gone));
  EXPECT_FALSE(passes("available:true", gone));
  EXPECT_TRUE(ItemFilter::parse("available:false")->asks_against(ItemState::kAvailable));
  EXPECT_TRUE(ItemFilter::parse("!available:false")->asks_for(ItemState::kAvailable));
}

TEST(ItemFilter, AsksWhatThePersonDid) {
  const auto did = [](ItemState state) {
    return MatchContext{.person = static_cast<std::uint8_t>(1u << static_cast<unsigned>(state))};
  };
  const std::pair<const char*, ItemState> states[] = {{"seen", ItemState::kSeen},
                                                      {"bought", ItemState::kBought},
                                                      {"read", ItemState::kRead},
                                                      {"cart", ItemState::kCart},
                                                      {"disliked", ItemState::kDisliked}};
  for (const auto& [name, state] : states) {
    EXPECT_TRUE(passes(name, rake(), did(state))) << name;
    EXPECT_FALSE(passes(name)) << "nothing is known of someone unknown: " << name;
    EXPECT_TRUE(passes(std::string("!") + name)) << name;
    const auto filter = ItemFilter::parse(name);
    EXPECT_TRUE(filter->needs_person() && filter->asks_for(state) && filter->asks_for_deed()) << name;
  }
  EXPECT_FALSE(passes("seen", rake(), did(ItemState::kCart)));
  EXPECT_FALSE(ItemFilter::parse("!seen")->asks_for_deed());
  EXPECT_TRUE(ItemFilter::parse("!seen")->needs_person());
  EXPECT_FALSE(ItemFilter::parse("hidden,expired,available")->needs_person());
  EXPECT_TRUE(passes("!read:5,!cart:x")) << "followed by a value they are attributes";
}

struct Wrong {
  const char* text;
  const char* message;
};

class ItemFilterErrors : public testing::TestWithParam<Wrong> {};

TEST_P(ItemFilterErrors, PointAtThePlace) {
  EXPECT_THAT(error_of(GetParam().text), HasSubstr(GetParam().message)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, ItemFilterErrors,
    testing::Values(
        Wrong{"price<5,boght",
              "clause 2, character 9: 'boght' has none of : < > behind it; alone may stand seen"},
        Wrong{"boght", "did you mean bought?"}, Wrong{"category", "write category:Garden/Tools"},
        Wrong{R"("seen")", "'seen' has none of"},
        Wrong{"category:", "clause 1, character 10: 'category' has no value here"},
        Wrong{"stock> ", "character 8: 'stock' has no value here"},
        Wrong{"brand:a||b", "clause 1, character 9: 'brand' has no value here"},
        Wrong{"brand:a|", "character 9: 'brand' has no value"},
        Wrong{",", "clause 1, character 1: a clause is empty"},
        Wrong{"price<5,", "clause 2, character 9: a clause is empty"},
        Wrong{"price<5,,stock>1", "clause 2, character 9: a clause is empty"},
        Wrong{"!", "character 2: a clause is empty"}, Wrong{"!!seen", "character 2: one ! is enough"},
        Wrong{":x", "character 1: a name must stand before ':'"},
        Wrong{"seen|bought", "character 5: | stands between values"},
        Wrong{"brand=x", "character 6: equal is written brand:…, not equal !brand:…"},
        Wrong{"brand!=x", "character 6: equal is written brand:…"},
        Wrong{R"(brand"x")", R"(character 6: one of : < <= > >= must stand behind 'brand')"},
        Wrong{"price<cheap", "character 7: price needs a number: 'cheap'"},
        Wrong{"price:1|x", "character 9: price needs a number"},
        Wrong{"price<1e20", "character 7: price needs a number"},
        Wrong{"weight<1e999", "character 8: '1e999' is too large or too small"},
        Wrong{"weight<nan", "'weight' is compared with a number such as 4.5"},
        Wrong{"weight<heavy",
              "character 8: 'weight' is compared with a number such as 4.5, a time such as 2026-01-01"},
        Wrong{"stock<1|2", "character 9: only : takes several values"},
        Wrong{"country<CH", "character 1: country is followed by :"},
        Wrong{"has>image", "has is followed by :"},
        Wrong{"published:2026-01-01", "published is compared by <, <=, > or >="},
        Wrong{"expires<soon",
              "expires needs a time such as 2026-01-01, or one from now such as -7d or 3d, not 'soon'"},
        Wrong{"published>40000d", "character 11: 40000d is more than a hundred years"},
        Wrong{"published>2026-13-01", "published needs a time"},
        Wrong{"available:yes", "character 11: available is :true or :false"},
        Wrong{"hidden<1", "hidden is :true or :false"},
        Wrong{R"(brand:"Acme)", "character 7: this quote is not closed"},
        Wrong{R"("brand:Acme)", "character 1: this quote is not closed"},
        Wrong{R"(brand:"a"b)", "character 10: a comma, a bar or the end must follow the closing quote"},
        Wrong{"farbe:grün|größer,größe<groß", "clause 2, character 25: 'größe' is compared"}));

TEST(ItemFilter, RefusesControlCharactersAndWhatIsTooMuch) {
  EXPECT_THAT(error_of(std::string_view("brand:a\0b", 9)), HasSubstr("character 8: a control character"));
  EXPECT_THAT(error_of("brand:\"a\x7f\""), HasSubstr("character 9: a control"));
  std::string clauses = "price<1";
  for (std::size_t i = 1; i < ItemFilter::kClausesMax; ++i) clauses += ",price<1";
  EXPECT_TRUE(ItemFilter::parse(clauses));
  EXPECT_THAT(error_of(clauses + ",price<1"), HasSubstr("clause 17, character 129: there may be 16 clauses"));

  std::string values = "id:0";
  for (std::size_t i = 1; i < ItemFilter::kValuesMax; ++i) values += "|" + std::to_string(i);
  ASSERT_TRUE(ItemFilter::parse(values));
  EXPECT_TRUE(passes(values, ItemFacts{.id = "999"}));
  EXPECT_FALSE(passes(values, ItemFacts{.id = "1000"}));
  EXPECT_THAT(error_of(values + ",brand:x"), HasSubstr("there may be 1000 values at most"));
  std::string many = "id:0";
  for (std::size_t i = 1; i < 10'000; ++i) many += "|" + std::to_string(i % 10);
  EXPECT_THAT(error_of(many), HasSubstr("there may be 1000 values at most"));
  EXPECT_THAT(error_of("brand:" + std::string(ItemFilter::kTextBytesMax, 'x')), HasSubstr("at most 32768"));
  EXPECT_THAT(error_of(std::string(300, 'x') + ":1"), HasSubstr("a name has 255 bytes at most"));
  EXPECT_LT(error_of(std::string(255, 'x')).size(), 600u) << "messages quote a part only";
}

TEST(FilterReport, TellsAStrictClauseFromAMisspeltOne) {
  const auto filter = ItemFilter::parse("stock>100, colour:red,catgory:Garden,brnd:Acme,!seen").value();
  FilterReport report(filter);
  report.look_at(rake(), {});
  report.look_at(ItemFacts{.id = "plain"}, {});
  const auto clauses = report.take();
  ASSERT_EQ(clauses.size(), 5u);
  EXPECT_EQ(clauses[0].clause, "stock>100");
  EXPECT_EQ(clauses[0].looked_at, 2u);
  EXPECT_EQ(clauses[0].found, 1u);
  EXPECT_EQ(clauses[0].matched, 0u);
  EXPECT_EQ(clauses[0].hint, "");
  EXPECT_EQ(clauses[1].clause, "colour:red");
  EXPECT_EQ(clauses[1].hint, "no item looked at has 'colour'");
  EXPECT_EQ(clauses[2].hint, "no item looked at has 'catgory'; did you mean category?");
  EXPECT_EQ(clauses[3].hint, "no item looked at has 'brnd'; did you mean brand?");
  EXPECT_EQ(clauses[4].matched, 2u);
  EXPECT_EQ(clauses[4].hint, "");
}

}  // namespace
}  // namespace millrace
