#include "model/input_drift.h"

#include <cmath>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr std::uint32_t kPeople = 400;
constexpr std::size_t kAfter = 2 * kPeople;  ///< two rows of each before, one after

/// Everyone meets three things; what is known of each row's user and item is given by the functions.
template <class Price, class City>
TrainingFeedback feedback_of(Price price, City city) {
  TrainingFeedback feedback;
  RankingFeatures features;
  features.users.columns = {{.name = "city", .kind = ColumnKind::kCategory}};
  features.items.columns = {{.name = "price", .kind = ColumnKind::kNumber}};
  for (std::uint32_t row = 0; row < 3 * kPeople; ++row) {
    const std::string user = fmt::format("p{}", row % kPeople), item = fmt::format("i{}", row * 7 % 90);
    feedback.set.rows.push_back({.user = feedback.set.users.add(user),
                                 .item = feedback.set.items.add(item),
                                 .row = row,
                                 .time = row});
    features.user_rows.push_back(row);
    features.item_rows.push_back(row);
    features.users.ids.push_back(user);
    features.items.ids.push_back(item);
    features.users.columns[0].texts.push_back(city(row));
    features.items.columns[0].numbers.push_back(price(row));
  }
  feedback.features = std::make_unique<const RankingFeatures>(std::move(features));
  return feedback;
}

const InputDrift& column(const InputComparison& found, std::string_view name) {
  for (const InputDrift& input : found.columns)
    if (input.name == name) return input;
  ADD_FAILURE() << name << " is not there";
  return found.columns.front();
}

std::string a_city(std::uint32_t row) {
  return row % 3 == 0 ? "Oslo" : row % 3 == 1 ? "Rome" : "";
}
double a_price(std::uint32_t row) {
  return static_cast<double>(row * 31 % 100);
}

TEST(InputDrift, WhatStaysIsStable) {
  const auto found = compare_inputs(feedback_of(a_price, a_city), kAfter);
  EXPECT_EQ(found.columns.size(), 3u) << "all weigh the same, so that says nothing";
  for (const InputDrift& input : found.columns)
    EXPECT_LE(input.stability.beyond_chance(), kStabilityMoved) << input.name;
  EXPECT_EQ(column(found, "price").of, "items");
  EXPECT_EQ(column(found, "price").bins, 10u);
  EXPECT_EQ(column(found, "city").bins, 3u) << "two, and none known";
  EXPECT_EQ(column(found, "item").bins, 40u) << "no more than a tenth of the people";
  EXPECT_EQ(found.users.after, 0);
}

TEST(InputDrift, NumbersThatGrowAndCategoriesThatGoAreSeen) {
  const auto found =
      compare_inputs(feedback_of([](std::uint32_t row) { return a_price(row) + (row >= kAfter ? 60 : 0); },
                                 [](std::uint32_t row) { return row >= kAfter ? "Oslo" : a_city(row); }),
                     kAfter);
  EXPECT_GT(column(found, "price").stability.beyond_chance(), kStabilityShifted);
  const InputDrift& city = column(found, "city");
  EXPECT_GT(city.stability.beyond_chance(), kStabilityShifted);
  EXPECT_NEAR(city.moved_most.front().before, 1 / 3.0, 0.01);
  EXPECT_EQ(city.moved_most.front().after, 0);
  EXPECT_LE(column(found, "item").stability.beyond_chance(), kStabilityMoved);
}

TEST(InputDrift, WhatIsMissingIsABinOfItsOwn) {
  const auto found = compare_inputs(
      feedback_of(
          [](std::uint32_t row) { return row >= kAfter && row % 2 == 0 ? std::nan("") : a_price(row); },
          a_city),
      kAfter);
  const InputDrift& price = column(found, "price");
  EXPECT_EQ(price.bins, 11u);
  EXPECT_GT(price.stability.beyond_chance(), kStabilityShifted);
  EXPECT_EQ(price.moved_most.front().value, "(missing)");
  EXPECT_NEAR(price.moved_most.front().after, 0.5, 0.01);
}

TEST(InputDrift, AValueThatWasTheOnlyOneIsABin) {
  const auto found = compare_inputs(
      feedback_of([](std::uint32_t row) { return row >= kAfter && row % 2 == 0 ? 7 : 5; }, a_city), kAfter);
  const InputDrift& price = column(found, "price");
  EXPECT_GT(price.stability.beyond_chance(), kStabilityShifted);
  EXPECT_THAT((std::vector<std::string>{price.moved_most[0].value, price.moved_most[1].value}),
              testing::UnorderedElementsAre("5", "more than 5"));
}

}  // namespace
}  // namespace millrace
