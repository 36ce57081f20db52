// Promise 7: every store of the recommender holds its limit, and answers stay right meanwhile.
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <shared_mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "base/turn_mutex.h"
#include "recommend/lru.h"
#include "recommend/recommend_testing.h"
#include "recommend/recommender.h"

namespace millrace {
namespace {

RecommenderOptions small() {
  RecommenderOptions options = Scene::plain_options();
  options.limits = {.items = 200,
                    .profiles = 100,
                    .aliases = 150,
                    .sessions = 80,
                    .orders = 60,
                    .basket_items = 8,
                    .neighbours = 10,
                    .history = 6,
                    .owned = 12,
                    .countries = 5,
                    .country_items = 20,
                    .categories = 10,
                    .eras = 2,
                    .sources = 4,
                    .sales = 500,
                    .recent_messages = 100};
  return options;
}

void overload(Scene& scene, int events, unsigned seed) {
  std::mt19937 random(seed);
  const auto some = [&](const char* prefix, unsigned n) { return prefix + std::to_string(random() % n); };
  for (int i = 0; i < events; ++i) {
    constexpr EventType kTypes[] = {EventType::kItemView, EventType::kAddToCart, EventType::kPurchase,
                                    EventType::kRefund};
    scene.apply({.type = kTypes[random() % 4],
                 .user = random() % 2 == 0 ? some("u", 1'000) : "",
                 .items = {some("i", 2'000), some("i", 2'000), some("i", 2'000)},
                 .time = Scene::kStart + static_cast<TimeUs>(random() % 1'000) * kHourUs,
                 .session = some("s", 1'000),
                 .anonymous = some("a", 1'500),
                 .country = some("c", 50),
                 .order = some("o", 600),
                 .source = some("source", 40),
                 .message_id = "m" + std::to_string(seed) + "-" + std::to_string(i)});
    if (i % 500 == 0) scene.recommender.refresh();
  }
}

TEST(Bounds, HoldUnderTenTimesTheLoad) {
  Scene scene(small());
  overload(scene, 10'000, 1);
  const RecommenderStats before = scene.recommender.stats();
  overload(scene, 20'000, 2);
  const RecommenderStats after = scene.recommender.stats();
  EXPECT_EQ(after.items, 200u);
  EXPECT_EQ(after.profiles, 100u);
  EXPECT_LE(after.aliases, 150u);
  EXPECT_EQ(after.sessions, 80u);
  EXPECT_EQ(after.orders, 60u);
  EXPECT_LE(after.sales, 500u);
  EXPECT_LE(after.neighbour_pairs, 2u * 200 * 15);
  EXPECT_LE(after.now.size(), 2u);
  EXPECT_GT(after.items_evicted, 1'000u);
  EXPECT_LT(after.bytes, before.bytes * 5 / 4) << "three times the events, no more memory";
  EXPECT_EQ(scene.recommend({.n = 20}).items.size(), 20u);
}

TEST(Bounds, AreMetrics) {
  Scene scene(small());
  overload(scene, 3'000, 3);
  scene.recommender.refresh();
  const std::string text = metrics::render();
  for (const char* line : {"millrace_recommend_entries{kind=\"items\"} 200",
                           "millrace_recommend_entries_limit{kind=\"items\"} 200",
                           "millrace_recommend_entries{kind=\"profiles\"} 100"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST(Bounds, TheCatalogueOutlivesItemsOnlyMet) {
  Scene scene(small());
  for (int i = 0; i < 50; ++i) scene.item("c" + std::to_string(i), "C");
  overload(scene, 3'000, 4);
  EXPECT_EQ(scene.recommender.stats().catalogue_items, 50u);
  EXPECT_EQ(scene.ids({.n = 50, .filter = ItemFilter::parse("category:C").value()}).size(), 50u);
}

TEST(Bounds, ADroppedItemIsNotTakenForTheOneInItsPlace) {
  RecommenderOptions options = small();
  options.limits.items = 4;
  Scene scene(options);
  scene.views({"a", "b"}, {"x", "y"});
  // x stays in use, y is dropped and others come and go in its slot.
  for (int i = 0; i < 40; ++i) {
    scene.apply({.user = "c" + std::to_string(i), .items = {"x"}});
    scene.apply({.user = "d" + std::to_string(i), .items = {"z" + std::to_string(i)}});
  }
  for (const RecommendedItem& item : scene.recommend({.items = {"x"}}).items) {
    EXPECT_NE(item.source, "co_seen") << item.id << " was never seen with x";
  }
}

TEST(LruMap, DropsWhatWasTouchedLongestAgo) {
  LruMap<int> map(3);
  for (const std::uint64_t key : {1, 2, 3}) map.touch(key) = static_cast<int>(key);
  map.touch(1);
  map.touch(4) = 4;
  EXPECT_EQ(map.find(2), nullptr);
  EXPECT_EQ(*map.find(1), 1);
  map.erase(1);
  map.erase(99);
  map.touch(5) = 5;
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.evictions(), 1u);
  EXPECT_EQ(*map.find(3), 3);
}

TEST(SlotIndex, EqualsAPlainMapThroughInsertionsAndErasures) {
  std::mt19937_64 random(3);
  SlotIndex index;
  std::map<std::uint64_t, std::uint32_t> plain;
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    // Few different low bits, so that probes run into one another.
    const std::uint64_t key = random() % 3'000 << 8;
    if (plain.contains(key)) {
      EXPECT_EQ(index.find(key), plain[key]);
      index.erase(key);
      plain.erase(key);
    } else {
      EXPECT_FALSE(index.find(key));
      index.insert(key, i);
      plain[key] = i;
    }
  }
  EXPECT_EQ(index.size(), plain.size());
  for (const auto& [key, slot] : plain) EXPECT_EQ(index.find(key), slot);
}

TEST(TurnMutex, BusyReadersKeepNoWriterOut) {
  TurnMutex mutex;
  std::atomic<bool> stop = false;
  std::atomic<int> reads = 0;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::shared_lock lock(mutex);
        ++reads;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    });
  }
  while (reads < 30) std::this_thread::yield();
  for (int i = 0; i < 200; ++i) {
    const std::unique_lock lock(mutex);
  }
  stop = true;
}

TEST(TurnMutex, ABusyWriterThatGivesWayKeepsNoReaderOut) {
  TurnMutex mutex;
  std::atomic<bool> stop = false;
  std::atomic<int> writes = 0;
  std::jthread writer([&] {
    while (!stop) {
      {
        const std::unique_lock lock(mutex);
        ++writes;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      mutex.give_way();
    }
  });
  while (writes < 5) std::this_thread::yield();
  for (int i = 0; i < 200; ++i) {
    const std::shared_lock lock(mutex);
  }
  stop = true;
}

TEST(TurnMutex, AReaderGivesUpWhenToldTo) {
  TurnMutex mutex;
  const std::unique_lock held(mutex);
  int tries = 0;
  EXPECT_FALSE(mutex.lock_shared_while([&] { return ++tries < 5; }));
  EXPECT_EQ(tries, 5);
}

TEST(Concurrency, ReadersWritersAndRefreshersAtOnce) {
  RecommenderOptions options = small();
  options.model.deadline = 10 * kSecondUs;
  Recommender recommender(Env::system(), options);
  std::atomic<bool> stop = false;
  std::atomic<int> answers = 0;
  std::atomic<int> wrong = 0;
  const auto read = [&](int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    while (!stop) {
      RecommendRequest request{.user = "u" + std::to_string(random() % 50),
                               .items = {"i" + std::to_string(random() % 300)}};
      request.exclude = {"i" + std::to_string(random() % 300)};
      std::set<std::string> seen;
      for (const RecommendedItem& item : recommender.recommend(request).items) {
        const bool repeated = !seen.insert(item.id).second;
        wrong += repeated || item.id == request.items[0] || item.id == request.exclude[0];
      }
      ++answers;
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(read, i);
  threads.emplace_back([&] {
    while (!stop) {
      recommender.refresh();
      (void)recommender.stats();
    }
  });
  std::mt19937 random(9);
  for (int i = 0; i < 20'000; ++i) {
    const Deed deed{.type = random() % 5 == 0 ? EventType::kPurchase : EventType::kItemView,
                    .user = "u" + std::to_string(random() % 300),
                    .items = {"i" + std::to_string(random() % 400)},
                    .time = Scene::kStart + i * kSecondUs};
    as_event(deed, [&](const Event& event) { recommender.apply(event); });
    if (i % 50 == 0) recommender.put_item({.id = deed.items[0], .hidden = i % 100 == 0});
    if (i % 70 == 0) recommender.delete_item(deed.items[0]);
  }
  stop = true;
  threads.clear();
  EXPECT_GT(answers, 10);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(recommender.stats().events_applied, 20'000u);
}

}  // namespace
}  // namespace millrace
