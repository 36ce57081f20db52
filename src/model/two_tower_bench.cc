// How many examples a second the two-tower trainer learns from, on one core. A tower of "160" has ten
// categories of 16 dimensions, → 128 → 32; one of "16" has one category, → 128 → 32. What is timed is whole
// epochs (gathering, both towers forward and back, the loss, Adam for layers and vectors met), not the
// preparation before them. Also the arithmetic it amounts to, and what kernels().gemm alone reaches on the
// same products. The products counted are those of the layers (forward, by weights, by inputs) and for
// choices those of scores. With --tiny a few examples. Prints one JSON object a line.
#include "model/two_tower.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/env.h"
#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr std::size_t kHidden = 128, kOutputs = 32, kCategory = 16;

struct BenchSize {
  std::uint32_t rows = 50'000;    ///< of each table
  std::uint32_t values = 10'000;  ///< of each category
  std::size_t examples = 100'000;
  int epochs = 12;
};

FeatureTable random_table(std::size_t categories, const BenchSize& size, std::mt19937_64& random) {
  FeatureTable table;
  for (std::uint32_t i = 0; i < size.rows; ++i) table.ids.push_back(std::to_string(i));
  for (std::size_t c = 0; c < categories; ++c) {
    FeatureColumn& column = table.columns.emplace_back();
    column.name = fmt::format("category_{}", c);
    column.kind = ColumnKind::kCategory;
    for (std::uint32_t i = 0; i < size.rows; ++i)
      column.texts.push_back(std::to_string(random() % size.values));
  }
  return table;
}

struct BenchCase {
  std::string name;
  TwoTowerGoal goal;
  std::size_t user_categories, item_categories;
  std::size_t batch;
};

/// The products of one batch: m × n × k each.
std::vector<std::array<std::size_t, 3>> products(const BenchCase& one) {
  std::vector<std::array<std::size_t, 3>> all;
  for (const std::size_t categories : {one.user_categories, one.item_categories}) {
    const std::size_t inputs = categories * kCategory;
    for (const auto& [in, out] : {std::pair(inputs, kHidden), {kHidden, kOutputs}}) {
      all.push_back({one.batch, out, in});
      all.push_back({out, in, one.batch});
      all.push_back({one.batch, in, out});
    }
  }
  if (one.goal == TwoTowerGoal::kRatings) return all;
  all.push_back({one.batch, one.batch, kOutputs});
  all.push_back({one.batch, kOutputs, one.batch});
  all.push_back({one.batch, kOutputs, one.batch});
  return all;
}

/// Operations an example.
double flops(const BenchCase& one) {
  double sum = 0;
  for (const auto& [m, n, k] : products(one)) sum += 2.0 * static_cast<double>(m * n * k);
  return sum / static_cast<double>(one.batch);
}

/// GFlop/s of the same products with nothing around them.
double gemm_alone(const BenchCase& one, int rounds) {
  Env& env = Env::system();
  const std::vector<float> a(1 << 20, 0.5F), b(1 << 20, 0.25F);
  std::vector<float> c(1 << 20);
  const auto shapes = products(one);
  double best = 0;
  for (int trial = 0; trial < 5; ++trial) {
    const DurationUs begin = env.steady_now();
    for (int round = 0; round < rounds; ++round)
      for (const auto& [m, n, k] : shapes)
        kernels().gemm(Op::kAsIs, Op::kAsIs, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
    const auto us = static_cast<double>(std::max<DurationUs>(env.steady_now() - begin, 1));
    best = std::max(best, flops(one) * static_cast<double>(one.batch) * rounds / us / 1e3);
  }
  return best;
}

/// The best epoch's examples a second.
double examples_per_second(const BenchCase& one, const BenchSize& size) {
  Env& env = Env::system();
  std::mt19937_64 random(1);
  const FeatureTable users = random_table(one.user_categories, size, random);
  const FeatureTable items = random_table(one.item_categories, size, random);
  std::vector<TwoTowerExample> examples;
  for (std::size_t i = 0; i < size.examples; ++i)
    examples.push_back({.user = static_cast<std::uint32_t>(random() % size.rows),
                        .item = static_cast<std::uint32_t>(random() % size.rows),
                        .label = static_cast<float>(random() % 5)});
  DurationUs last = 0, best = std::numeric_limits<DurationUs>::max();
  const TwoTowerSettings settings{
      .goal = one.goal,
      .shape = {.hidden = {kHidden}, .dimensions = kOutputs, .category_dimensions = kCategory},
      .batch = one.batch,
      .epochs = size.epochs + 1,
      .held_out = 0};
  const auto model = train_two_tower(users, items, examples, settings, {.on_step = [&](const TrainingStep&) {
                                       const DurationUs now = env.steady_now();
                                       if (last != 0)
                                         best = std::min(best, std::max<DurationUs>(now - last, 1));
                                       last = now;
                                       return true;
                                     }});
  if (!model) {
    fmt::print(stderr, "two_tower_bench: {}\n", model.error().text());
    std::exit(1);
  }
  return static_cast<double>(size.examples) * 1e6 / static_cast<double>(best);
}

int run(bool tiny) {
  const BenchSize size = tiny ? BenchSize{200, 50, 1'000, 1} : BenchSize{};
  const BenchCase cases[] = {
      {"choices, towers 160 and 16, batch 256", TwoTowerGoal::kChoices, 10, 1, 256},
      {"choices, towers 160 and 160, batch 256", TwoTowerGoal::kChoices, 10, 10, 256},
      {"ratings, towers 160 and 16, batch 256", TwoTowerGoal::kRatings, 10, 1, 256},
      {"ratings, towers 160 and 160, batch 256", TwoTowerGoal::kRatings, 10, 10, 256},
      {"choices, towers 160 and 160, batch 1024", TwoTowerGoal::kChoices, 10, 10, 1024}};
  for (const BenchCase& one : cases) {
    const double rate = examples_per_second(one, size);
    const double alone = gemm_alone(one, tiny ? 1 : 200);
    fmt::print(
        R"({{"name":"two_tower, {}","value":{:.0f},"unit":"examples/s","gflops":{:.1f},"gemm_alone_gflops":{:.1f}}})"
        "\n",
        one.name, rate, rate * flops(one) / 1e9, alone);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
