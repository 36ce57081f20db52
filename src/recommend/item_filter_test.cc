#include "recommend/item_filter.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

ItemFacts rake() {
  ItemFacts facts{.id = "rake", .category = "Garden/Tools", .currency = "EUR", .countries = {"CH", "DE"}};
  facts.price = Decimal::parse("49.90").value();
  return facts;
}

bool passes(std::string_view text, const ItemFacts& facts = rake()) {
  return ItemFilter::parse(text).value().matches(facts);
}

TEST(ItemFilter, MatchesByCategoryAndEverythingBelowIt) {
  EXPECT_TRUE(passes("category:Garden"));
  EXPECT_TRUE(passes("category:Garden/Tools"));
  EXPECT_FALSE(passes("category:Gard"));
  EXPECT_FALSE(passes("category:Garden/Tools/Rakes"));
  EXPECT_TRUE(passes("category:Kitchen|Garden"));
  EXPECT_FALSE(passes("!category:Garden"));
}

TEST(ItemFilter, MatchesByPriceAndCountryAndAllClausesTogether) {
  EXPECT_TRUE(passes("price<50"));
  EXPECT_FALSE(passes("price<49.9"));
  EXPECT_TRUE(passes("price<=49.9"));
  EXPECT_TRUE(passes("price>=49.90"));
  EXPECT_FALSE(passes("price>49.9"));
  EXPECT_TRUE(passes("country:CH"));
  EXPECT_FALSE(passes("country:FR"));
  EXPECT_TRUE(passes(" category:Garden/Tools , price<50 , !country:FR "));
  EXPECT_FALSE(passes("category:Garden/Tools,price<10"));
  EXPECT_TRUE(passes(""));
}

TEST(ItemFilter, AnItemWithoutAPriceMatchesNoPriceAndOneWithoutCountriesIsSoldEverywhere) {
  const ItemFacts plain{.id = "plain"};
  EXPECT_FALSE(passes("price<50", plain));
  EXPECT_FALSE(passes("price>=0", plain));
  EXPECT_TRUE(passes("country:CH", plain));
}

TEST(ItemFilter, RefusesWhatItCannotReadAndSaysWhatToWrite) {
  for (const char* bad :
       {"colour:red", "category", "category:", "price:5", "price<cheap", "!price<5", "country<CH", ","}) {
    const auto filter = ItemFilter::parse(bad);
    ASSERT_FALSE(filter) << bad;
    EXPECT_EQ(filter.error().code, Code::kInvalid);
    EXPECT_NE(filter.error().message.find("category:Garden/Tools"), std::string::npos)
        << filter.error().message;
  }
  std::string long_one = "price<1";
  for (std::size_t i = 0; i < ItemFilter::kClausesMax; ++i) long_one += ",price<1";
  EXPECT_FALSE(ItemFilter::parse(long_one));
}

}  // namespace
}  // namespace millrace
