// The memory against a naive account of the same events, which keeps everything and shares no code.
#include "recommend/memory.h"

#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "recommend/popular_lists.h"
#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

constexpr TimeUs kStart = Scene::kStart;
constexpr TimeUs kWall = kStart + 400 * kDayUs;

void apply(RecommenderMemory& memory, const Deed& deed) {
  as_event(deed, [&](const Event& event) { memory.apply(event, kWall); });
}

double naive_weight(EventType type) {
  switch (type) {
    case EventType::kAddToCart:
      return 3;
    case EventType::kPurchase:
      return 5;
    case EventType::kRead:
      return 2;
    default:
      return 1;
  }
}

/// What a session or order holds, and the counts that follow from all of them at the end.
struct NaiveBaskets {
  std::map<std::string, std::map<std::string, double>> baskets;

  double together(const std::string& a, const std::string& b) const {
    double sum = 0;
    for (const auto& [key, items] : baskets) {
      if (items.contains(a) && items.contains(b)) sum += items.at(a) * items.at(b);
    }
    return sum;
  }
  double cosine(const std::string& a, const std::string& b, double damping) const {
    return together(a, b) / (std::sqrt(together(a, a) * together(b, b)) + damping);
  }
};

void expect_equal(const RecommenderMemory& memory, const NeighbourLists& lists, const NaiveBaskets& naive,
                  const std::set<std::string>& ids, double damping) {
  for (const std::string& a : ids) {
    const auto ref = memory.items.find(a);
    ASSERT_TRUE(ref) << a;
    std::map<std::string, double> found;
    for (const CoOccurrence& each : lists.of(*ref)) {
      found[memory.items.get(each.item)->facts.id] = lists.cosine(*ref, each, damping);
    }
    for (const std::string& b : ids) {
      if (a == b) continue;
      const double expected = naive.together(a, b) == 0 ? 0 : naive.cosine(a, b, damping);
      EXPECT_NEAR(found.contains(b) ? found.at(b) : 0, expected, 1e-5) << a << " with " << b;
    }
  }
}

class Seeded : public testing::TestWithParam<int> {
 protected:
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(Seeded, CoOccurrenceInSessionsEqualsTheNaiveAccount) {
  ModelSettings model;
  RecommenderLimits limits;
  limits.basket_items = 1'000;
  RecommenderMemory memory(model, limits);
  NaiveBaskets naive;
  std::set<std::string> ids;
  constexpr EventType kTypes[] = {EventType::kItemView,  EventType::kPageView,       EventType::kRead,
                                  EventType::kAddToCart, EventType::kRemoveFromCart, EventType::kPurchase,
                                  EventType::kListView};
  for (int i = 0; i < 2'000; ++i) {
    const EventType type = kTypes[below(7)];
    const std::string user = "u" + std::to_string(below(12));
    const std::string session = "s" + std::to_string(below(6));
    const std::string item = "i" + std::to_string(below(40));
    apply(memory, {.type = type,
                   .user = user,
                   .items = {item},
                   .time = kStart + below(1'000) * kHourUs,
                   .session = session});
    if (type == EventType::kListView) continue;
    ids.insert(item);
    auto& basket = naive.baskets[user + "/" + session];
    const double before = basket.contains(item) ? basket.at(item) : 0;
    double after = std::max(before, naive_weight(type));
    if (type == EventType::kRemoveFromCart) after = std::min(before, 1.0);
    if (after == 0)
      basket.erase(item);
    else
      basket[item] = after;
  }
  expect_equal(memory, memory.seen, naive, ids, model.cosine_damping);
}

TEST_P(Seeded, CoOccurrenceInOrdersEqualsTheNaiveAccountAlsoAfterRefunds) {
  RecommenderMemory memory({}, {});
  NaiveBaskets naive;
  std::set<std::string> ids;
  for (int i = 0; i < 300; ++i) {
    const std::string order = "o" + std::to_string(i);
    const std::string user = "u" + std::to_string(i);
    std::set<std::string> lines;
    for (int k = below(8); k >= 0; --k) lines.insert("i" + std::to_string(below(40)));
    ids.insert(lines.begin(), lines.end());
    // In one event, or line by line as files have it.
    if (below(2) == 0) {
      apply(memory, {.type = EventType::kPurchase,
                     .user = user,
                     .items = {lines.begin(), lines.end()},
                     .time = kStart + i,
                     .order = order});
    } else {
      for (const auto& line : lines)
        apply(memory, {.type = EventType::kPurchase,
                       .user = user,
                       .items = {line},
                       .time = kStart + i,
                       .order = order});
    }
    for (const auto& line : lines) naive.baskets[order][line] = 1;
    if (below(4) == 0) {
      const std::string back = *lines.begin();
      apply(memory, {.type = EventType::kRefund,
                     .user = user,
                     .items = {back},
                     .time = kStart + i + kDayUs,
                     .order = below(2) == 0 ? order : "credit" + order});
      naive.baskets[order].erase(back);
    }
  }
  expect_equal(memory, memory.bought, naive, ids, 5);
}

struct NaiveAct {
  std::string item;
  std::string era;
  TimeUs time = 0;
  double weight = 0;
  double sold = 0;
};

TEST_P(Seeded, PopularityAndSalesEqualTheNaiveAccountOfEachEra) {
  ModelSettings model;
  model.popularity_half_life = 12 * kHourUs;
  RecommenderMemory memory(model, {});
  std::vector<NaiveAct> acts;
  std::map<std::string, TimeUs> now;
  for (int i = 0; i < 3'000; ++i) {
    // Two sources of 2011 a week apart, which share a "now", and the live one.
    const int source = below(3);
    const std::string era = source == 2 ? "live" : "old";
    const TimeUs base = source == 2 ? kStart : kStart - 4'000 * kDayUs + source * 7 * kDayUs;
    // In order for the most part, some of it late; the future is the wall clock's now.
    TimeUs time = base + i * kMinuteUs - (below(10) == 0 ? below(20) * kDayUs : 0);
    if (below(1'500) == 0 && source == 2) time = kWall + kDayUs;
    const EventType type = below(3) == 0 ? EventType::kPurchase : EventType::kItemView;
    const int quantity = 1 + below(5);
    const std::string item = "i" + std::to_string(below(30));
    apply(memory, {.type = type,
                   .user = "u" + std::to_string(below(50)),
                   .items = {item},
                   .time = time,
                   .source = "source" + std::to_string(source),
                   .quantity = quantity});
    time = std::min(time, kWall);
    acts.push_back({item, era, time, naive_weight(type), type == EventType::kPurchase ? 1.0 * quantity : 0});
    now[era] = now.contains(era) ? std::max(now[era], time) : time;
  }
  EXPECT_EQ(memory.popularity.nows().size(), 2u);
  std::map<std::string, double> popularity;
  std::map<std::string, double> sold;
  for (const NaiveAct& act : acts) {
    const double age = static_cast<double>(now[act.era] - act.time) / static_cast<double>(12 * kHourUs);
    popularity[act.item] += act.weight * std::pow(0.5, age);
    if (act.time > now[act.era] - 7 * kDayUs) sold[act.item] += act.sold;
  }
  std::vector<double> scores(memory.items.slots());
  memory.popularity.add_scores(scores);
  std::vector<float> amounts(memory.items.slots());
  memory.popularity.add_sold(std::nullopt, 7 * kDayUs, memory.items, amounts);
  for (const auto& [item, score] : popularity) {
    const std::uint32_t slot = memory.items.find(item).value().slot();
    EXPECT_NEAR(scores[slot], score, 1e-9 * score) << item;
    EXPECT_NEAR(amounts[slot], sold[item], 1e-3) << item;
  }
  const std::vector<RankedItem> week = sold_in_week(memory, std::nullopt);
  for (std::size_t i = 1; i < week.size(); ++i) {
    const auto amount = [&](std::size_t at) { return sold.at(memory.items.get(week[at].item)->facts.id); };
    EXPECT_GE(amount(i - 1), amount(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Seeded, testing::Range(1, 9));

TEST(NeighbourLists, TheStrongestStayWhenAnItemMeetsFarMoreThanTheLimit) {
  RecommenderLimits limits;
  limits.neighbours = 20;
  RecommenderMemory memory({}, limits);
  std::mt19937 random(7);
  for (int session = 0; session < 20'000; ++session) {
    // Ten items come with the hub in one session of twenty each, 1,000 others in one of 1,000.
    const int friend_of = static_cast<int>(random() % 20);
    const std::string other =
        friend_of < 10 ? "friend" + std::to_string(friend_of) : "chance" + std::to_string(random() % 1'000);
    const std::string name = "s" + std::to_string(session);
    apply(memory, {.items = {"hub"}, .time = kStart + session, .session = name});
    apply(memory, {.items = {other}, .time = kStart + session, .session = name});
  }
  std::map<std::string, float> found;
  for (const CoOccurrence& each : memory.seen.of(memory.items.find("hub").value())) {
    found[memory.items.get(each.item)->facts.id] = each.count;
  }
  EXPECT_LE(found.size(), 30u);
  for (int i = 0; i < 10; ++i) EXPECT_GT(found["friend" + std::to_string(i)], 800) << i;
}

TEST(Popularity, ErasThatComeNearBecomeOneExactly) {
  ModelSettings model;
  model.popularity_half_life = 10 * kDayUs;
  RecommenderMemory apart(model, {});
  model.era_gap = 10'000 * kDayUs;
  RecommenderMemory together(model, {});
  for (RecommenderMemory* memory : {&apart, &together}) {
    apply(*memory, {.items = {"b"}, .time = kStart, .source = "live"});
    for (int day = -100; day <= -1; ++day) {
      apply(*memory, {.items = {day % 2 == 0 ? "a" : "b"}, .time = kStart + day * kDayUs, .source = "file"});
    }
  }
  EXPECT_EQ(apart.popularity.nows(), std::vector<TimeUs>{kStart});
  std::vector<double> scores[2];
  for (auto& each : scores) each.resize(apart.items.slots());
  apart.popularity.add_scores(scores[0]);
  together.popularity.add_scores(scores[1]);
  for (std::size_t slot = 0; slot < scores[0].size(); ++slot)
    EXPECT_NEAR(scores[0][slot], scores[1][slot], 1e-9);
}

TEST(Popularity, WithoutAGapEverySourceHasItsOwnNow) {
  ModelSettings model;
  model.era_gap = 0;
  RecommenderLimits limits;
  limits.eras = 3;
  RecommenderMemory memory(model, limits);
  for (int i = 0; i < 5; ++i) {
    apply(memory, {.items = {"a"}, .time = kStart + i * kDayUs, .source = "s" + std::to_string(i)});
  }
  EXPECT_EQ(memory.popularity.nows(), (std::vector<TimeUs>{kStart, kStart + kDayUs, kStart + 4 * kDayUs}))
      << "at the limit a source joins the nearest";
}

}  // namespace
}  // namespace millrace
