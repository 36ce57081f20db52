#include "model/session_knn.h"

#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;

std::vector<float> scores_of(const SessionKnn& sessions, std::vector<std::uint32_t> items, std::size_t count,
                             TimeUs now = 0) {
  std::vector<float> scores(count);
  SessionKnn::Scratch scratch;
  sessions.score(items, now, scratch, scores);
  return scores;
}

TEST(SessionKnn, ScoresWhatSimilarSessionsMet) {
  SessionKnn sessions({});
  for (const std::uint32_t item : {0u, 1u, 2u}) sessions.add(1, item, 10);
  for (const std::uint32_t item : {0u, 3u}) sessions.add(2, item, 20);
  sessions.add(3, 4, 30);
  // Of the session (0, 1): 1 is the latest and weighs 1, 0 weighs 1/2. Session 1 shares both, its latest in
  // place 0; session 2 shares 0 only, in place 1, which counts 0.9.
  EXPECT_THAT(scores_of(sessions, {0, 1}, 5), ElementsAre(1.5F + 0.45F, 1.5F, 1.5F, 0.45F, 0));
}

TEST(SessionKnn, AnItemCountsWhereItWasMetLast) {
  SessionKnn sessions({});
  sessions.add(1, 0, 10);
  sessions.add(1, 1, 10);
  EXPECT_THAT(scores_of(sessions, {0, 2, 0}, 2), ElementsAre(1, 1));
}

TEST(SessionKnn, OfOldSessionsLess) {
  SessionKnn sessions({.half_life = kHourUs});
  sessions.add(1, 0, 0);
  sessions.add(1, 1, 0);
  EXPECT_THAT(scores_of(sessions, {0}, 2, 2 * kHourUs), ElementsAre(0.25, 0.25));
  EXPECT_THAT(scores_of(sessions, {0}, 2, -kHourUs), ElementsAre(1, 1))
      << "a clock that went back changes nothing";
}

TEST(SessionKnn, LooksAtTheMostRecentSessionsOfAnItemOnly) {
  SessionKnn sessions({.sessions_per_item = 2});
  for (std::uint32_t s = 0; s < 5; ++s) {
    sessions.add(s, 0, s);
    sessions.add(s, 1 + s, s);
  }
  EXPECT_THAT(scores_of(sessions, {0}, 6), ElementsAre(2, 0, 0, 0, 1, 1));
}

TEST(SessionKnn, KeepsTheMostSimilar) {
  SessionKnn sessions({.neighbours = 1});
  sessions.add(1, 0, 1);
  sessions.add(1, 1, 1);
  sessions.add(1, 2, 1);
  sessions.add(2, 1, 2);
  sessions.add(2, 3, 2);
  EXPECT_THAT(scores_of(sessions, {0, 1}, 4), ElementsAre(1.5, 1.5, 1.5, 0));
}

TEST(SessionKnn, ForgetsTheOldestSessions) {
  SessionKnn sessions({.sessions = 3});
  for (std::uint32_t s = 0; s < 10; ++s) {
    sessions.add(s, 0, s);
    sessions.add(s, 1 + s, s);
    EXPECT_LE(sessions.sessions(), 3u);
  }
  EXPECT_THAT(scores_of(sessions, {0}, 11), ElementsAre(3, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_THAT(sessions.items_of(9), ElementsAre(0, 10));
  EXPECT_TRUE(sessions.items_of(2).empty());
}

TEST(SessionKnn, RareItemsCountMoreWithIdf) {
  SessionKnn sessions({.idf = 1});
  sessions.add(1, 0, 1);
  sessions.add(1, 1, 1);
  sessions.add(1, 2, 1);
  sessions.add(2, 1, 2);
  const auto scores = scores_of(sessions, {0}, 3);
  EXPECT_GT(scores[2], scores[1]);
}

TEST(SessionKnn, OfNothing) {
  SessionKnn sessions({});
  EXPECT_THAT(scores_of(sessions, {}, 2), ElementsAre(0, 0));
  EXPECT_THAT(scores_of(sessions, {7}, 2), ElementsAre(0, 0)) << "an item nobody met";
  sessions.add(1, 7, 1);
  EXPECT_THAT(scores_of(sessions, {7}, 2), ElementsAre(0, 0)) << "items beyond the scores are left out";
}

/// The definition, gone through session by session, without limits that bite.
TEST(SessionKnn, EqualsANaiveComputation) {
  std::mt19937 random(4);
  SessionKnn sessions({.sessions_per_item = 1'000, .neighbours = 1'000});
  std::map<std::uint64_t, std::vector<std::uint32_t>> all;
  for (int i = 0; i < 600; ++i) {
    const std::uint64_t session = random() % 90;
    const std::uint32_t item = random() % 40;
    sessions.add(session, item, i);
    if (std::ranges::find(all[session], item) == all[session].end()) all[session].push_back(item);
  }
  for (int round = 0; round < 100; ++round) {
    std::vector<std::uint32_t> asked(1 + random() % 14);
    for (auto& item : asked) item = random() % 40;
    std::vector<float> want(40);
    const std::size_t count = std::min<std::size_t>(10, asked.size());
    for (const auto& [id, items] : all) {
      float similarity = 0, by_place = 0;
      std::set<std::uint32_t> met;
      for (std::size_t back = 0; back < count; ++back) {
        const std::uint32_t item = asked[asked.size() - 1 - back];
        if (std::ranges::find(items, item) == items.end() || !met.insert(item).second) continue;
        if (similarity == 0) by_place = 1 - 0.1F * static_cast<float>(back);
        similarity += 1 - static_cast<float>(back) / static_cast<float>(count);
      }
      if (similarity == 0) continue;
      for (const std::uint32_t item : items) want[item] += similarity * std::max(0.1F, by_place);
    }
    EXPECT_THAT(scores_of(sessions, asked, 40), testing::Pointwise(testing::FloatNear(1e-3F), want));
  }
}

}  // namespace
}  // namespace millrace
