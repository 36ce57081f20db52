// Learned rankers: what they learn, when they are used, what becomes of their files.
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/logistic_regression.h"
#include "recommend/ranker_store.h"
#include "recommend/ranker_training.h"
#include "recommend/recommend_testing.h"
#include "warehouse/duck.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

TEST(LogisticRegressionTest, FindsTheWeightsThatMadeTheData) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<float> x;
  std::vector<std::uint8_t> y;
  for (int i = 0; i < 20'000; ++i) {
    const float a = normal(random), b = normal(random);
    x.insert(x.end(), {a, b});
    y.push_back(uniform(random) < 1 / (1 + std::exp(1 - 2.0 * a + 0.5 * b)) ? 1 : 0);
  }
  const auto fitted = fit_logistic(x, 2, y, 1);
  ASSERT_TRUE(fitted);
  EXPECT_NEAR(fitted->intercept, -1, 0.1);
  EXPECT_NEAR(fitted->weights[0], 2, 0.1);
  EXPECT_NEAR(fitted->weights[1], -0.5, 0.1);
}

TEST(LogisticRegressionTest, RefusesWhatTeachesNothing) {
  EXPECT_FALSE(fit_logistic({}, 1, {}, 1));
  const std::vector<float> x = {1, 2};
  EXPECT_FALSE(fit_logistic(x, 1, std::vector<std::uint8_t>{1, 1}, 1));
  EXPECT_FALSE(fit_logistic(std::vector<float>{1, NAN}, 1, std::vector<std::uint8_t>{1, 0}, 1));
  const auto parted = fit_logistic(x, 1, std::vector<std::uint8_t>{0, 1}, 1);
  ASSERT_TRUE(parted) << "the penalty bounds what would be infinite";
  EXPECT_TRUE(std::isfinite(parted->weights[0]));
}

/// Lists of ten in a useless order, from which people choose by `taste`, and more often from the top.
std::vector<ServedList> lists_of(std::size_t n, double taste) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform;
  std::vector<ServedList> lists(n);
  for (ServedList& list : lists) {
    std::vector<double> wants;
    for (int place = 0; place < 10; ++place) {
      const float fit = uniform(random);
      list.items.push_back({{{"price_fit", fit}, {"popular", uniform(random)}}, false});
      wants.push_back(std::exp(taste * fit - 0.3 * place));
    }
    list.items[std::discrete_distribution<std::size_t>(wants.begin(), wants.end())(random)].chosen = true;
  }
  return lists;
}

TEST(RankerTrainingTest, LearnsWhatPeopleChooseByAndNotWhereItStood) {
  const auto trained = train_ranker(lists_of(2'000, 6));
  ASSERT_TRUE(trained);
  EXPECT_TRUE(trained->better()) << trained->difference.low;
  EXPECT_GT(trained->ranker.weight_of("price_fit"), 3);
  EXPECT_NEAR(trained->ranker.weight_of("popular"), 0, 0.4);
  EXPECT_EQ(trained->test_lists, 400u);
}

TEST(RankerTrainingTest, WhereTheOrderIsAllThatCountsItIsNotBetter) {
  const auto trained = train_ranker(lists_of(2'000, 0));
  ASSERT_TRUE(trained);
  EXPECT_FALSE(trained->better());
}

TEST(RankerTrainingTest, WantsEnoughToLearnFrom) {
  EXPECT_THAT(train_ranker(lists_of(20, 6)).error().message, HasSubstr("20 answers"));
}

class ServedListsTest : public WarehouseTest {
 protected:
  /// Serve a list of three, of which `chosen` (none: 3) is looked at, by the id of the answer or by the
  /// person alone.
  void serve(int id, int chosen, bool says_id, int minutes = 1, const std::string& model = "shop@1a") {
    for (int place = 0; place < 3; ++place)
      run(fmt::format(
          "INSERT INTO recommendations (dt, served_time, recommendation_id, kind, user_id, model, position, "
          "item_id, "
          "features, log_topic, log_partition, log_offset, event_index) VALUES (DATE '2026-01-01', TIMESTAMP "
          "'2026-01-01 10:00:00' + INTERVAL ({0}) HOUR, 'r{0}', 'recommend', 'u', '{3}', {1}, 'i{2}', "
          "'{{\"als\": 0.{2}}}', 't', 0, {0}, {1})",
          id, place + 1, place, model));
    if (chosen == 3) return;
    run(fmt::format(
        "INSERT INTO events (dt, event_time, received_time, source, type, message_id, visitor, user_id, "
        "item_count, item_id, "
        "recommendation_id, log_topic, log_partition, log_offset, event_index) SELECT DATE '2026-01-01', "
        "then_, "
        "then_, 'web', "
        "'item_view', 'm{0}', 'u', {2}, 1, 'i{1}', {4}, 't', 0, {0}, 0 FROM (SELECT TIMESTAMP '2026-01-01 "
        "10:00:00' + "
        "INTERVAL ({0}) HOUR + INTERVAL ({3}) MINUTE AS then_)",
        id, chosen, says_id ? "'other'" : "'u'", minutes, says_id ? fmt::format("'r{}'", id) : "NULL"));
  }
  void run(const std::string& sql) {
    auto connection = warehouse_->connect().value();
    const Status done = connection.execute(sql);
    ASSERT_TRUE(done) << done.error().text();
  }
};

TEST_F(ServedListsTest, AreThoseFromWhichSomethingWasChosen) {
  serve(1, 2, true, 600);
  serve(2, 3, true);
  serve(3, 0, false);
  serve(4, 0, false, 31);  // too late to be because of it
  serve(5, 1, true, 1, "other@1");
  const auto lists = read_served_lists(*warehouse_, "shop");
  ASSERT_TRUE(lists) << lists.error().text();
  ASSERT_EQ(lists->size(), 2u);
  const auto chosen = [](const ServedList& list) {
    std::vector<bool> each;
    for (const ServedList::Item& item : list.items) each.push_back(item.chosen);
    return each;
  };
  EXPECT_EQ(chosen(lists->front()), (std::vector<bool>{false, false, true}));
  EXPECT_EQ(chosen(lists->back()), (std::vector<bool>{true, false, false}));
  EXPECT_FLOAT_EQ(lists->front().items[2].features.at("als"), 0.2F);
}

class RankerStoreTest : public WarehouseTest {
 protected:
  std::unique_ptr<RankerStore> open() {
    return RankerStore::open(env_, options().lake_dir / "rankers").value();
  }
};

TEST_F(RankerStoreTest, KeepsVersionsAndWhichIsUsed) {
  auto store = open();
  EXPECT_TRUE(store->in_use().empty());
  TrainedRanker trained;
  trained.ranker = {.version = {}, .intercept = -1, .weights = {{"popular", 2}}};
  EXPECT_EQ(store->add("shop", trained, false).value(), "1");
  EXPECT_TRUE(store->in_use().empty());
  EXPECT_EQ(store->add("shop", trained, true).value(), "2");
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(store->add("shop", trained, false));
  store = open();
  ASSERT_TRUE(store->in_use().contains("shop"));
  EXPECT_EQ(store->in_use().at("shop")->version, "2");
  EXPECT_EQ(store->in_use().at("shop")->weight_of("popular"), 2);
  EXPECT_EQ(store->versions("shop")["versions"].size(), 21u);
  ASSERT_TRUE(store->retire("shop"));
  EXPECT_FALSE(store->retire("shop"));
  EXPECT_TRUE(open()->in_use().empty());
  EXPECT_EQ(open()->add("shop", trained, false).value(), "33");
}

TEST_F(RankerStoreTest, AFileThatIsNoneIsLeftAlone) {
  const Path dir = options().lake_dir / "rankers";
  ASSERT_TRUE(env_.make_dirs(dir));
  ASSERT_TRUE(write_file_atomically(env_, dir / "a.json", "{"));
  ASSERT_TRUE(write_file_atomically(env_, dir / "b.json", R"({"in_use":"3","versions":[]})"));
  EXPECT_TRUE(open()->in_use().empty());
}

}  // namespace
}  // namespace millrace
