#include "source/sim_world.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "source/sim_visit.h"

namespace millrace {
namespace {

TEST(SimWorld, TheSameOptionsGiveTheSameWorld) {
  const SimWorld a = SimWorld::make({.seed = 7});
  const SimWorld b = SimWorld::make({.seed = 7});
  const SimWorld c = SimWorld::make({.seed = 8});
  ASSERT_EQ(a.products().size(), 200u);
  for (std::size_t i = 0; i < a.products().size(); ++i)
    EXPECT_EQ(a.products()[i].price, b.products()[i].price);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.products().size(); ++i)
    equal += a.products()[i].price == c.products()[i].price;
  EXPECT_LT(equal, 100u);
}

TEST(SimWorld, HasEightDepartmentsTenCountriesAndNoNameTwice) {
  const SimWorld world = SimWorld::make({});
  std::set<std::string> names, ids, departments, countries;
  for (const SimProduct& product : world.products()) {
    names.insert(product.name);
    ids.insert(product.id);
    departments.insert(product.category.substr(0, product.category.find('/')));
    EXPECT_GT(product.price.units(), 0);
  }
  for (const SimPerson& person : world.people()) countries.insert(person.country);
  EXPECT_EQ(names.size(), 200u);
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(departments.size(), 8u);
  EXPECT_EQ(countries.size(), 10u);
}

/// Share of choices that fall into the person's favourite department.
double favourite_share(const SimWorld& world) {
  SimWorld::Random random(3);
  std::size_t hits = 0;
  constexpr std::size_t kDraws = 20'000;
  for (std::size_t i = 0; i < kDraws; ++i) {
    const SimPerson& person = world.people()[i % world.people().size()];
    hits += world.products()[world.choose_product(person, random)].department == person.favourite_department;
  }
  return static_cast<double>(hits) / kDraws;
}

TEST(SimWorld, TastesDecideAndShufflingTakesThemAway) {
  EXPECT_GT(favourite_share(SimWorld::make({})), 0.4);
  EXPECT_LT(favourite_share(SimWorld::make({.shuffle_tastes = true})), 0.2);
}

TEST(SimWorld, AnOfferToTasteIsTakenMoreOften) {
  const SimWorld world = SimWorld::make({});
  SimWorld::Random random(5);
  const SimPerson& person = world.people().front();
  std::vector<std::size_t> liked, other;
  for (std::size_t i = 0; i < world.products().size(); ++i) {
    const bool likes = world.products()[i].department == person.favourite_department;
    if ((likes ? liked : other).size() < 5) (likes ? liked : other).push_back(i);
  }
  std::size_t taken_liked = 0, taken_other = 0;
  for (int i = 0; i < 2'000; ++i) {
    taken_liked += world.choose_among(person, liked, random) < liked.size();
    taken_other += world.choose_among(person, other, random) < other.size();
  }
  EXPECT_GT(taken_liked, 3 * taken_other);
}

TEST(SimVisit, IsOneToFifteenEventsInTheReferenceProportions) {
  const SimWorld world = SimWorld::make({});
  std::map<EventType, std::size_t> counts;
  std::size_t events = 0;
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    SimVisit visit(world, seed % world.people().size(), 1'000'000, seed, {});
    std::size_t length = 0;
    TimeUs last = 0;
    while (const auto action = visit.next({})) {
      ++counts[action->type];
      EXPECT_GE(action->time, last);
      last = action->time;
      if (action->type == EventType::kPurchase) {
        EXPECT_FALSE(visit.cart().empty());
      }
      ++length;
    }
    EXPECT_GE(length, 1u);
    EXPECT_LE(length, 17u);
    events += length;
  }
  const auto share = [&](EventType type) {
    return static_cast<double>(counts[type]) / static_cast<double>(events);
  };
  EXPECT_NEAR(share(EventType::kPageView) + share(EventType::kItemView), 0.7, 0.12);
  EXPECT_NEAR(share(EventType::kAddToCart), 0.22, 0.1);
  EXPECT_NEAR(share(EventType::kPurchase), 0.06, 0.06);
}

TEST(SimVisit, ASpikeSellsItsProductInItsCountryAlone) {
  const SimWorld world = SimWorld::make({});
  const SimSpike spike{17, "Italy", 0.6};
  std::map<bool, std::pair<std::size_t, std::size_t>> by_country;  // Italy? → sold it, visits
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    SimVisit visit(world, seed % world.people().size(), 0, seed, {}, spike);
    bool sold = false;
    while (const auto action = visit.next({}))
      if (action->type == EventType::kPurchase)
        for (const SimCartLine& line : visit.cart()) sold = sold || line.product == spike.product;
    auto& [sales, visits] = by_country[visit.person().country == spike.country];
    sales += sold;
    ++visits;
  }
  EXPECT_GT(by_country[true].first * 2, by_country[true].second);
  EXPECT_LT(by_country[false].first * 20, by_country[false].second);
}

}  // namespace
}  // namespace millrace
