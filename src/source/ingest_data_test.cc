// Loads the shared real data with the shipped mappings and compares with what an independent few lines of
// awk or Python say about the same files.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/topics.h"
#include "source/ingest_testing.h"

namespace millrace {
namespace {

/// The hours of clicks; under the thread sanitizer, where each takes three seconds, the first four.
std::vector<Path> click_files() {
  std::vector<Path> files;
  const auto first = shared_data("news/clicks_hour_000.csv.gz");
  if (first.empty()) return files;
  for (const auto& entry : std::filesystem::directory_iterator(first.parent_path())) {
    if (entry.path().filename().string().starts_with("clicks_hour_")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
#ifdef __SANITIZE_THREAD__
  files.resize(4);
#endif
  return files;
}

TEST(IngestData, NewsClicks) {
  const auto files = click_files();
  if (files.empty()) GTEST_SKIP() << "the shared data is not here: news/clicks_hour_*.csv.gz";
  IngestBench bench;
  const auto result =
      bench.run({.format = "csv", .map = "examples/news/mappings/news_clicks.yaml", .files = files});
#ifndef __SANITIZE_THREAD__
  EXPECT_EQ(result.counts.rows, 215'511u);
#endif
  EXPECT_EQ(result.counts.events, result.counts.rows);
  EXPECT_EQ(result.counts.quarantined, 0u);

  std::map<std::int64_t, int> by_hour;
  std::map<std::string, int, std::less<>> by_article;
  bench.for_each_event([&](const Event& event) {
    ++by_hour[event.event_time / kHourUs];
    ++by_article[std::string(event.items[0].item_id)];
  });
  std::vector<std::string> articles;
  for (const auto& [article, count] : by_article) articles.push_back(fmt::format("{:09} {}", count, article));
  std::ranges::sort(articles, std::greater());
  std::string ours;
  for (std::size_t i = 0; i < 10; ++i) ours += articles[i] + "\n";
  const auto busiest = std::ranges::max_element(by_hour, {}, [](const auto& each) { return each.second; });
  ours += fmt::format("hour {} {}", busiest->first, busiest->second);

  std::string unpacked = "zcat";
  for (const Path& file : files) unpacked += " " + file.string();
  const auto theirs = output_of(unpacked + R"( | awk -F, '$6 ~ /^[0-9]/ {print $5}' |
      sort | uniq -c | awk '{printf "%09d %s\n", $1, $2}' | LC_ALL=C sort -r | head -10; )" +
                                unpacked + R"( | awk -F, '$6 ~ /^[0-9]/ {n[int($6/3600000)]++}
      END {for (h in n) if (n[h] > m) {m = n[h]; best = h} print "hour", best, m}')");
  EXPECT_EQ(ours, theirs);
}

/// Purchases, refunds, and rows of each; rows without a customer; revenue by country, to the hundredth of
/// a penny, as some prices have three decimals. As text.
constexpr const char* kRetailByPython = R"PY(
import csv, decimal, gzip, sys
orders, rows, unknown, revenue = {}, {}, 0, {}
for r in csv.DictReader(gzip.open(sys.argv[1], 'rt', newline='', encoding='utf-8')):
    refund = r['InvoiceNo'].startswith('C') or int(r['Quantity']) < 0
    kind = 'refund' if refund else 'purchase'
    orders.setdefault(kind, set()).add(r['InvoiceNo'])
    rows[kind] = rows.get(kind, 0) + 1
    unknown += r['CustomerID'] == ''
    revenue[r['Country']] = revenue.get(r['Country'], 0) + decimal.Decimal(r['UnitPrice']) * int(r['Quantity'])
for kind in sorted(rows): print(kind, len(orders[kind]), rows[kind])
print('without customer', unknown)
for country in sorted(revenue, key=lambda c: c.encode()): print(country, '%.4f' % revenue[country])
)PY";

/// Counts the same from the events in the log.
struct RetailCounts {
  std::map<std::string, std::pair<int, int>> orders_and_rows;  ///< by type
  int without_customer = 0;
  std::map<std::string, std::int64_t> revenue_units;        ///< by country, from the items
  std::map<std::string, std::int64_t> order_revenue_units;  ///< by country, as the orders say

  void add(const Event& event) {
    auto& [orders, rows] = orders_and_rows[std::string(event.type_name)];
    ++orders;
    rows += static_cast<int>(event.items.size());
    if (event.user_id.empty()) without_customer += static_cast<int>(event.items.size());
    const std::string country(event.country);
    for (const auto& item : event.items) revenue_units[country] += item.price->times(*item.quantity)->units();
    const auto sign = event.type == EventType::kRefund ? -1 : 1;
    order_revenue_units[country] += sign * event.order->revenue->units();
  }

  std::string text() const {
    std::string out;
    for (const auto& [type, counts] : orders_and_rows)
      out += fmt::format("{} {} {}\n", type, counts.first, counts.second);
    out += fmt::format("without customer {}", without_customer);
    for (const auto& [country, units] : revenue_units) {
      out += fmt::format("\n{} {}{}.{:04}", country, units < 0 ? "-" : "", std::abs(units) / 10'000,
                         std::abs(units) % 10'000);
    }
    return out;
  }
};

TEST(IngestData, OnlineRetail) {
  const auto file = shared_data("retail/online_retail.csv.gz");
  if (file.empty()) GTEST_SKIP() << "the shared data is not here: retail/online_retail.csv.gz";
  IngestBench bench;
  const auto started = std::chrono::steady_clock::now();
  const auto cpu_before = std::clock();
  const auto result =
      bench.run({.format = "csv", .map = "examples/shop/mappings/online_retail.yaml", .files = {file}});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const double cpu_seconds = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  const auto rows = static_cast<double>(result.counts.rows);
  fmt::print("online_retail into the log: {:.0f} rows/s, {:.0f} rows a CPU second\n", rows / took.count(),
             rows / cpu_seconds);
  EXPECT_EQ(result.counts.rows, 541'909u);
  EXPECT_EQ(result.counts.quarantined, 0u);

  RetailCounts counts;
  bench.for_each_event([&](const Event& event) { counts.add(event); });
  const auto script = bench.folder.write("retail.py", kRetailByPython);
  EXPECT_EQ(counts.text(), output_of(fmt::format("python3 {} {}", script.string(), file.string())));
  EXPECT_EQ(counts.order_revenue_units, counts.revenue_units);
  EXPECT_EQ(bench.run({.format = "csv", .map = "examples/shop/mappings/online_retail.yaml", .files = {file}})
                .skipped_files,
            1u);
}

TEST(IngestData, Ratings) {
  const auto file = shared_data("ecommerce/ratings_ml_training_dataset.csv");
  if (file.empty()) GTEST_SKIP() << "the shared data is not here: ecommerce/ratings_ml_training_dataset.csv";
  IngestBench bench;
  const auto load = [&](const char* format, const char* mapping) {
    const auto result =
        bench.run({.format = format, .map = Path("examples/shop/mappings") / mapping, .files = {file}});
    EXPECT_EQ(result.counts.quarantined, 0u);
    return result.counts.events;
  };
  EXPECT_EQ(load("csv", "ratings.yaml"), 2'532u);
  std::set<std::string> users, items;
  double sum = 0;
  bench.for_each_event([&](const Event& event) {
    EXPECT_EQ(event.type, EventType::kRating);
    users.emplace(event.user_id);
    items.emplace(event.items[0].item_id);
    sum += event.value.value();
  });
  EXPECT_EQ(fmt::format("{:.0f}", sum),
            output_of("awk -F'\",\"' 'NR > 1 {s += $(NF-1)} END {print s}' " + file.string()));
  EXPECT_EQ(users.size(), 98u);
  EXPECT_EQ(items.size(), 109u);
  EXPECT_EQ(load("items", "ratings_items.yaml"), 109u);
  EXPECT_EQ(load("users", "ratings_users.yaml"), 98u);
}

TEST(IngestData, ClickstreamVisit) {
  const auto file = shared_data("clickstream/sample.jsonl");
  if (file.empty()) GTEST_SKIP() << "the shared data is not here: clickstream/sample.jsonl";
  IngestBench bench;
  const auto result = bench.run({.format = "visits", .files = {file}});
  EXPECT_EQ(result.counts.rows, 1u);
  EXPECT_EQ(result.counts.events, 10u);
}

}  // namespace
}  // namespace millrace
