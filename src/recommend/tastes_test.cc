// Recommendations can be seen to work: simulated people have tastes that only the simulator knows. The
// recommender finds them; where there are none to find, it does as well as popularity and no better.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "recommend/recommend_testing.h"
#include "recommend/recommender.h"
#include "source/sim_visit.h"
#include "source/sim_world.h"

namespace millrace {
namespace {

constexpr std::size_t kPeople = 500;
constexpr std::uint64_t kVisitsEach = 4;
constexpr std::size_t kShown = 10;
constexpr std::size_t kDrawsEach = 40;

struct HitRates {
  double recommended = 0;  ///< share of what people then choose that was among ten recommended to them
  double popular = 0;      ///< share that was among the ten most popular
};

/// Hand one visit's actions to the recommender; add the products looked at to `seen`.
void apply_visit(Recommender& recommender, const SimWorld& world, SimVisit visit,
                 std::set<std::size_t>& seen) {
  std::size_t n = 0;
  while (const auto action = visit.next({})) {
    if (!action->product && action->type != EventType::kPurchase) continue;
    std::vector<EventItem> items;
    if (action->type == EventType::kPurchase) {
      for (const SimCartLine& line : visit.cart())
        items.push_back(
            {.item_id = world.products()[line.product].id, .quantity = Decimal::from_integer(line.quantity)});
    } else {
      items.push_back({.item_id = world.products()[*action->product].id});
      seen.insert(*action->product);
    }
    const std::string message_id = visit.session_id() + std::to_string(n++);
    Event event{.type = action->type,
                .message_id = message_id,
                .source = "sim",
                .user_id = visit.person().user_id,
                .session_id = visit.session_id(),
                .event_time = action->time,
                .items = items};
    recommender.apply(event);
  }
}

HitRates measure(bool shuffle_tastes) {
  const SimWorld world = SimWorld::make({.people = kPeople, .shuffle_tastes = shuffle_tastes});
  RecommenderOptions options;
  options.model.exclude_bought = false;
  options.model.deadline = kMinuteUs;
  Recommender recommender(Env::system(), options);
  const TimeUs start = Env::system().now() - 10 * kDayUs;
  std::vector<std::set<std::size_t>> seen(kPeople);
  for (std::uint64_t visit = 0; visit < kPeople * kVisitsEach; ++visit)
    apply_visit(
        recommender, world,
        SimVisit(world, visit % kPeople, start + static_cast<TimeUs>(visit) * kMinuteUs, 1'000 + visit, {}),
        seen[visit % kPeople]);
  recommender.refresh();

  const std::vector<std::string> popular = ids_of(recommender.recommend({.user = "nobody", .n = kShown}));
  SimWorld::Random random(99);
  std::size_t draws = 0, hits = 0, popular_hits = 0;
  for (std::size_t person = 0; person < kPeople; ++person) {
    const std::string& user = world.people()[person].user_id;
    const std::vector<std::string> shown = ids_of(recommender.recommend({.user = user, .n = kShown}));
    for (std::size_t i = 0; i < kDrawsEach; ++i) {
      const std::size_t product = world.choose_product(world.people()[person], random);
      // What somebody looked at before is no discovery, and is not recommended: only new things count.
      if (seen[person].contains(product)) continue;
      const std::string& chosen = world.products()[product].id;
      ++draws;
      hits += std::count(shown.begin(), shown.end(), chosen) > 0;
      popular_hits += std::count(popular.begin(), popular.end(), chosen) > 0;
    }
  }
  return {static_cast<double>(hits) / static_cast<double>(draws),
          static_cast<double>(popular_hits) / static_cast<double>(draws)};
}

TEST(Tastes, AreFoundWhereThereAreAny) {
  const HitRates rates = measure(false);
  RecordProperty("recommended", std::to_string(rates.recommended));
  RecordProperty("popular", std::to_string(rates.popular));
  EXPECT_GT(rates.recommended, 1.3 * rates.popular) << rates.recommended << " against " << rates.popular;
}

TEST(Tastes, ShuffledLeaveNothingBeyondPopularity) {
  const HitRates rates = measure(true);
  EXPECT_LT(rates.recommended, 1.1 * rates.popular) << rates.recommended << " against " << rates.popular;
  EXPECT_GT(rates.recommended, 0.5 * rates.popular) << "worse than popularity";
}

}  // namespace
}  // namespace millrace
