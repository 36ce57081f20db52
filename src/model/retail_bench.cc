// How well the purchases of a real shop's last month are foreseen. Protocol: Online Retail, invoice lines
// with a customer and a positive quantity, a line counts 1; trained before 2011-11-09, everyone who bought
// from then on is asked once, then; every product is a candidate. NDCG@10 of customers with a history
// ("warm"), without what they bought before (and of it nothing is wanted), and again with repeat purchases
// allowed; the whole with its fallback against popularity, by segments of at least 500 people. With --tiny a
// tenth of the customers. Prints one JSON object a line.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
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
      all.rows.push_back({.user = all.users.add(rows.text(0, row)),
                          .item = all.items.add(rows.text(1, row)),
                          .time = rows.int64(2, row)});
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

double warm_ndcg(const Evaluation& evaluation) {
  return evaluation.warm.metrics[static_cast<std::size_t>(Metric::kNdcg)].mean;
}

void print_ratio(std::string_view what, double value, std::string_view yardstick, double of, double wanted) {
  fmt::print(
      R"({{"name":"retail, {}","value":{:.4f},"unit":"NDCG@10","yardstick":"{}","yardstick_value":{:.4f},)"
      R"("ratio":{:.2f},"target":{},"pass":{}}})"
      "\n",
      what, value, yardstick, of, value / of, wanted, value >= wanted * of);
}

/// The people of a part of the cases.
template <class Belongs>
EvaluationData part_of(const EvaluationData& data, Belongs belongs) {
  EvaluationData part = data;
  std::erase_if(part.cases, [&](const EvaluationCase& one) { return !belongs(one.history.size()); });
  return part;
}

/// The whole, a model with its fallback, against the fallback alone, in each segment of at least 500 people.
void print_segments(const RankingModel& model, const RankingModel& popularity, const EvaluationData& data,
                    const EvaluationOptions& options) {
  const auto whole = with_fallback(model, popularity);
  const std::tuple<const char*, std::size_t, std::size_t> segments[] = {{"everyone", 0, SIZE_MAX},
                                                                        {"without a history", 0, 0},
                                                                        {"1 to 30 lines", 1, 30},
                                                                        {"31 to 100 lines", 31, 100},
                                                                        {"more lines", 101, SIZE_MAX}};
  for (const auto& [name, from, to] : segments) {
    const auto belongs = [&](std::size_t lines) { return lines >= from && lines <= to; };
    const EvaluationData part = part_of(data, belongs);
    const Evaluation of_whole = evaluate("whole", *whole, part, options);
    if (of_whole.all.people < 500) continue;
    const auto ndcg = [](const Evaluation& evaluation) {
      return evaluation.all.metrics[static_cast<std::size_t>(Metric::kNdcg)].mean;
    };
    print_ratio(fmt::format("the whole with its fallback, {} ({} people)", name, of_whole.all.people),
                ndcg(of_whole), "popularity, 14 days",
                ndcg(evaluate("popularity", popularity, part, options)), 1);
  }
}

void judge_all(const EvaluationData& data, bool repeats) {
  const EvaluationOptions options{.repeats = repeats, .threads = default_threads()};
  std::vector<std::unique_ptr<RankingModel>> trained;
  std::vector<double> reached;
  for (const Named& one : models()) {
    trained.push_back(must(
        train_ranking(data.train, data.users, data.items, one.settings, {.threads = default_threads()})));
    const Evaluation evaluation = evaluate(one.name, *trained.back(), data, options);
    const Estimate warm = evaluation.warm.metrics[static_cast<std::size_t>(Metric::kNdcg)];
    reached.push_back(warm_ndcg(evaluation));
    fmt::print(
        R"({{"name":"retail{}, {}","value":{:.4f},"unit":"NDCG@10","low":{:.4f},"high":{:.4f},"people":{},"coverage":{:.3f}}})"
        "\n",
        repeats ? " with repeats" : "", one.name, warm.mean, warm.low, warm.high, evaluation.warm.people,
        evaluation.coverage);
    std::fflush(stdout);
  }
  const auto best = static_cast<std::size_t>(std::ranges::max_element(reached) - reached.begin());
  const std::string what =
      fmt::format("best single model{} ({})", repeats ? " with repeats" : "", models()[best].name);
  print_ratio(what, reached[best], "all-time popularity", reached[0], 2.5);
  print_ratio(what, reached[best], "popularity, 14 days", reached[1], 1.05);
  print_segments(*trained[best], *trained[1], data, options);
}

int run(bool tiny) {
  const Path file = shared_data("retail/online_retail.csv.gz");
  if (file.empty()) {
    fmt::print(stderr, "retail_bench: skipped, there is no shared data\n");
    return 0;
  }
  const FeedbackSet all = read_purchases(file, tiny ? 10 : 1);
  const EvaluationData data = split_by_time(all, must(parse_time("2011-11-09")));
  for (const bool repeats : {false, true}) judge_all(data, repeats);
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
