// A year of a real shop: what is recommended, against a plain account of the same file.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "base/shared_data_testing.h"
#include "base/time.h"
#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

struct Row {
  std::string invoice, item, name, customer, country;
  int quantity = 0;
  TimeUs time = 0;
};

Path data_file() {
  return shared_data("retail/online_retail.csv.gz");
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else if (c != '\r' && c != '\n')
      fields.back() += c;
  }
  return fields;
}

/// Call `use(fields)` for each line of a compressed CSV file.
template <class Use>
void for_each_line(const Path& path, Use use) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(popen(("gzip -dc '" + path.string() + "'").c_str(), "r"),
                                                   pclose);
  char line[4'096];
  while (file && std::fgets(line, sizeof line, file.get())) use(fields_of(line));
}

std::vector<Row> read_rows(const Path& path) {
  std::vector<Row> rows;
  for_each_line(path, [&](const std::vector<std::string>& f) {
    if (f.size() != 8 || f[0] == "InvoiceNo") return;
    rows.push_back({f[0], f[1], f[2], f[6], f[7], std::atoi(f[3].c_str()), parse_time(f[4]).value()});
  });
  return rows;
}

class OnlineRetail : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::filesystem::exists(data_file())) return;
    rows_ = new std::vector<Row>(read_rows(data_file()));
    scene_ = new Scene;
    for (const Row& row : *rows_) {
      scene_->apply({.type = row.quantity > 0 ? EventType::kPurchase : EventType::kRefund,
                     .user = row.customer,
                     .items = {row.item},
                     .time = row.time,
                     .country = row.country,
                     .order = row.invoice,
                     .source = "online_retail",
                     .quantity = row.quantity});
    }
    scene_->recommender.refresh();
  }
  static void TearDownTestSuite() {
    delete scene_;
    delete rows_;
  }
  void SetUp() override {
    if (!scene_) GTEST_SKIP() << "no " << data_file() << "; set MILLRACE_SHARED_DATA to the data folder";
  }

  static inline std::vector<Row>* rows_ = nullptr;
  static inline Scene* scene_ = nullptr;
};

TEST_F(OnlineRetail, RecommendationsForACustomerExcludeWhatTheyBought) {
  EXPECT_EQ(rows_->size(), 541'909u);
  std::map<std::string, std::set<std::string>> bought;
  std::map<std::string, std::set<std::string>> gave_back;
  for (const Row& row : *rows_) (row.quantity > 0 ? bought : gave_back)[row.customer].insert(row.item);
  bought.erase("");
  std::size_t checked = 0;
  std::size_t personal = 0;
  for (auto customer = bought.begin(); customer != bought.end(); ++customer) {
    if (++checked % 10 != 0) continue;
    const Recommendations answer = scene_->recommender.recommend({.user = customer->first, .n = 20});
    EXPECT_EQ(answer.items.size(), 20u);
    EXPECT_FALSE(answer.fallback) << *answer.fallback;
    for (const RecommendedItem& item : answer.items) {
      const bool has = customer->second.contains(item.id) && !gave_back[customer->first].contains(item.id);
      EXPECT_FALSE(has) << customer->first << " bought " << item.id;
      personal += item.reason.code == "bought_together";
    }
  }
  EXPECT_GT(checked, 4'000u);
  EXPECT_GT(personal, checked / 10 * 10) << "at least half of them rest on what the customer bought";
}

TEST_F(OnlineRetail, PopularThisWeekIsWhatAPlainSumOfTheLastWeekSays) {
  TimeUs now = 0;
  for (const Row& row : *rows_) now = std::max(now, row.time);
  std::map<std::string, long> sold;
  // Returns count where the purchase was made, so only what nobody gave back can be compared exactly.
  std::set<std::string> returned;
  for (const Row& row : *rows_) {
    if (row.quantity <= 0)
      returned.insert(row.item);
    else if (row.time > now - 7 * kDayUs)
      sold[row.item] += row.quantity;
  }
  const Recommendations answer = scene_->recommender.recommend({.n = 200, .as_of = now});
  std::vector<std::string> expected;
  for (const auto& [item, amount] : sold) {
    if (!returned.contains(item)) expected.push_back(item);
  }
  std::ranges::stable_sort(expected, [&](const auto& a, const auto& b) { return sold[a] > sold[b]; });
  std::vector<std::string> listed;
  for (const std::string& id : ids_of(answer)) {
    if (!returned.contains(id)) listed.push_back(id);
  }
  ASSERT_GT(listed.size(), 20u);
  expected.resize(listed.size());
  EXPECT_EQ(listed, expected);
}

TEST_F(OnlineRetail, AnItemsCompanyIsTheOneOfItsKind) {
  // The shop's red and green regency teacups are sold together more than anything else.
  std::string red;
  for (const Row& row : *rows_) {
    if (row.name == "ROSES REGENCY TEACUP AND SAUCER") red = row.item;
  }
  const Recommendations answer = scene_->recommender.similar(red, 5);
  std::set<std::string> codes;
  for (const std::string& id : ids_of(answer)) codes.insert(id);
  EXPECT_TRUE(codes.contains("22697") || codes.contains("22698")) << "green or pink";
  EXPECT_EQ(answer.items.at(0).reason.code, "bought_together");
}

void expect_profile_bytes(const Recommender& recommender, std::string_view of, double mean_max) {
  const RecommenderStats stats = recommender.stats();
  const double mean = static_cast<double>(stats.profile_bytes) / static_cast<double>(stats.profiles);
  std::printf("%zu profiles of %s: %.0f bytes on average\n", stats.profiles, std::string(of).c_str(), mean);
  EXPECT_LE(mean, mean_max) << of;
}

TEST_F(OnlineRetail, AProfileIsSmallAlsoWhereCustomersAreWholesalers) {
  // Each bought 61 different items on average, so that most histories are full.
  expect_profile_bytes(scene_->recommender, "customers", 1'300);
}

TEST(News, AProfileTakesAKilobyteOnAverageAtMost) {
  const Path first = shared_data("news/clicks_hour_000.csv.gz");
  if (first.empty()) GTEST_SKIP() << "the shared data is not here: news/clicks_hour_*.csv.gz";
  Scene scene;
  for (int hour = 0; hour < 36; ++hour) {
    char name[32];
    std::snprintf(name, sizeof name, "clicks_hour_%03d.csv.gz", hour);
    for_each_line(first.parent_path() / name, [&](const std::vector<std::string>& f) {
      if (f.size() < 6 || f[0] == "user_id") return;
      scene.apply({.type = EventType::kRead,
                   .user = f[0],
                   .items = {f[4]},
                   .time = std::atoll(f[5].c_str()) * kMillisecondUs,
                   .session = f[1],
                   .country = f[9],
                   .source = "globo"});
    });
  }
  EXPECT_GT(scene.recommender.stats().profiles, 30'000u);
  expect_profile_bytes(scene.recommender, "readers", 1'024);
}

}  // namespace
}  // namespace millrace
