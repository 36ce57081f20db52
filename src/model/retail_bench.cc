// How well the purchases of a real shop's last month are foreseen. Protocol: Online Retail, invoice lines
// with a customer and a positive quantity, a line counts 1; trained before 2011-11-09, everyone who bought
// from then on is asked once, then; every product is a candidate. NDCG@10 of customers with a history
// ("warm"), without what they bought before (and of it nothing is wanted), and again with repeat purchases
// allowed; the whole with its fallback against popularity, by segments of at least 500 people. With --tiny a
// tenth of the customers. Prints one JSON object a line.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/parallel.h"
#include "base/shared_data_testing.h"
#include "model/evaluation.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "retail_bench: {}\n", result.error().text());
  std::exit(1);
}

FeedbackSet read_purchases(const Path& file, int part_of) {
  auto database = must(duck::Database::open(":memory:", {}));
  auto connection = must(database->connect());
  auto rows = must(connection.query(
      fmt::format("SELECT CustomerID::VARCHAR, StockCode, epoch_us(InvoiceDate::TIMESTAMP) FROM "
                  "read_csv('{}', all_varchar = true) "
                  "WHERE CustomerID IS NOT NULL AND Quantity::INTEGER > 0 AND hash(CustomerID) % {} = 0 "
                  "ORDER BY 3, InvoiceNo, StockCode",
                  file.string(), part_of)));
  FeedbackSet all;
  while (must(rows.next_chunk()))
    for (std::size_t row = 0; row < rows.size(); ++row)
      all.rows.push_back(
          {all.users.add(rows.text(0, row)), all.items.add(rows.text(1, row)), 1, rows.int64(2, row)});
  return all;
}

struct Named {
  std::string name;
  RankingSettings settings;
};

const std::vector<Named>& models() {
  static const std::vector<Named> all = {
      {"popularity", {}},
      {"popularity, 14 days' half-life", {.half_life = 14 * kDayUs}},
      {"item_knn", {.kind = RankingKind::kItemKnn, .once = true}},
      {"item_knn, faded", {.kind = RankingKind::kItemKnn, .half_life = 60 * kDayUs, .once = true}},
      {"ease", {.kind = RankingKind::kEase, .once = true, .ease = {.regularization = 300}}},
      {"ease, faded",
       {.kind = RankingKind::kEase, .half_life = 60 * kDayUs, .once = true, .ease = {.regularization = 100}}},
      {"als", {.kind = RankingKind::kAls, .once = true}},
      {"als, faded", {.kind = RankingKind::kAls, .half_life = 60 * kDayUs, .once = true}},
  };
  return all;
}

int run(bool tiny) {
  const Path file = shared_data("retail/online_retail.csv.gz");
  if (file.empty()) {
    fmt::print(stderr, "retail_bench: skipped, there is no shared data\n");
    return 0;
  }
  const FeedbackSet all = read_purchases(file, tiny ? 10 : 1);
  const EvaluationData data = split_by_time(all, must(parse_time("2011-11-09")));
  for (const bool repeats : {false, true}) {
    const EvaluationOptions options{.repeats = repeats, .threads = default_threads()};
    double popular = 0, faded = 0, best = 0;
    for (const Named& one : models()) {
      const auto model = must(
          train_ranking(data.train, data.users, data.items, one.settings, {.threads = default_threads()}));
      const Evaluation reached = evaluate(one.name, *model, data, options);
      const Estimate warm = reached.warm.metrics[static_cast<std::size_t>(Metric::kNdcg)];
      if (popular == 0)
        popular = warm.mean;
      else if (faded == 0)
        faded = warm.mean;
      best = std::max(best, warm.mean);
      fmt::print(
          R"({{"name":"retail{}, {}","value":{:.4f},"unit":"NDCG@10","low":{:.4f},"high":{:.4f},"people":{},"coverage":{:.3f}}})"
          "\n",
          repeats ? " with repeats" : "", one.name, warm.mean, warm.low, warm.high, reached.warm.people,
          reached.coverage);
      std::fflush(stdout);
    }
    fmt::print(stderr, "best / popular {:.2f}, best / faded {:.2f}\n", best / popular, best / faded);
  }
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
