// How long trainers take: ALS by conjugate gradient and by Cholesky at 64 factors, EASE, and the top 20 of
// every user. Data are drawn with popularities and activities as steep as those of MovieLens 1M (6,040 ×
// 3,706, 835 k cells) and 20M (138 k × 20 k, 10.2 M cells). Beside it stands what the library `implicit` took
// for matrices of these sizes on two threads of such a machine (not in the same run). With --tiny small ones.
// Prints one JSON object a line.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "base/env.h"
#include "base/parallel.h"
#include "linalg/kernels.h"
#include "model/als.h"
#include "model/item_similarity.h"
#include "model/ranking_metrics.h"

namespace millrace {
namespace {

double now_s() {
  return static_cast<double>(Env::system().steady_now()) / kSecondUs;
}

/// Draw about `cells` different cells; both sides are steep.
SparseMatrix draw(std::size_t users, std::size_t items, std::size_t cells, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto share = [&] { return static_cast<double>(random() >> 11U) * 0x1.0p-53; };
  std::vector<SparseEntry> entries;
  entries.reserve(cells + cells / 8);
  std::vector<std::uint32_t> row;
  for (std::uint32_t user = 0; user < users; ++user) {
    // Activity falls off exponentially, with a mean of cells / users and at least a few.
    const double mean = static_cast<double>(cells) / static_cast<double>(users);
    const auto count = std::min<std::size_t>(
        items / 2, static_cast<std::size_t>(4 - (mean - 4) * 1.06 * std::log(1 - share())));
    row.clear();
    for (std::size_t k = 0; k < count; ++k)
      row.push_back(static_cast<std::uint32_t>(static_cast<double>(items) * std::pow(share(), 2.2)));
    std::ranges::sort(row);
    row.erase(std::unique(row.begin(), row.end()), row.end());
    for (const std::uint32_t item : row) entries.push_back({user, item, 1});
  }
  return SparseMatrix(users, items, entries);
}

void print(const std::string& name, double seconds, double limit, double published, const std::string& of) {
  fmt::print(R"({{"name":"{}","value":{:.3f},"unit":"s")", name, seconds);
  if (published > 0)
    fmt::print(R"(,"yardstick":"implicit, another run","yardstick_value":{},"ratio":{:.2f})", published,
               seconds / published);
  if (limit > 0) fmt::print(R"(,"target":{},"pass":{})", limit, seconds <= limit);
  fmt::print(",\"of\":\"{}\"}}\n", of);
  std::fflush(stdout);
}

/// Return the median seconds of a round of training, and the model.
std::pair<double, AlsModel> train(const SparseMatrix& meetings, AlsSolver solver, int rounds) {
  std::vector<double> times;
  double last = now_s(), loss = 0;
  const auto on_step = [&](const TrainingStep& step) {
    times.push_back(now_s() - last);
    if (step.step > 1 && !(step.loss < loss)) {
      fmt::print(stderr, "trainer_bench: the loss does not fall\n");
      std::exit(1);
    }
    loss = step.loss;
    last = now_s();
    return true;
  };
  auto model = train_als(meetings, {.factors = 64, .iterations = rounds, .solver = solver},
                         {.threads = default_threads(), .on_step = on_step});
  times.erase(times.begin());  // the first includes what is done once
  std::ranges::sort(times);
  return {times[times.size() / 2], *std::move(model)};
}

/// Time the best 20 of every user, without what each met, by blocks of users.
double top_20(const SparseMatrix& meetings, const AlsModel& model, std::size_t users) {
  constexpr std::size_t kBlock = 64;
  const double begun = now_s();
  std::vector<std::size_t> listed((users + kBlock - 1) / kBlock);
  parallel_for(users, kBlock, default_threads(), [&](std::size_t begin, std::size_t end) {
    const std::size_t items = model.items.rows, factors = model.items.columns;
    Matrix scores(end - begin, items);
    kernels().gemm(Op::kAsIs, Op::kTransposed, end - begin, items, factors, 1, model.users.row(begin).data(),
                   factors, model.items.data(), factors, 0, scores.data(), items);
    for (std::size_t user = begin; user < end; ++user)
      listed[begin / kBlock] += best_items(scores.row(user - begin), 20, meetings.row(user).columns).size();
  });
  std::size_t all = 0;
  for (const std::size_t count : listed) all += count;
  if (all != 20 * users) {
    fmt::print(stderr, "trainer_bench: {} of {} places are filled\n", all, 20 * users);
    std::exit(1);
  }
  return now_s() - begun;
}

int run(bool tiny) {
  const std::size_t part = tiny ? 20 : 1;
  const int rounds = tiny ? 3 : 4;
  const SparseMatrix small = draw(6'040 / part, 3'706 / part, 835'000 / part / part, 1);
  const auto of = [](const SparseMatrix& m) {
    return fmt::format("{} x {}, {} cells", m.rows(), m.columns(), m.size());
  };
  print("ALS, conjugate gradient, a round, 1M", train(small, AlsSolver::kConjugateGradient, rounds + 3).first,
        0.12, 0.136, of(small));
  print("ALS, Cholesky, a round, 1M", train(small, AlsSolver::kCholesky, rounds + 1).first, 0.3, 0.314,
        of(small));
  const double begun = now_s();
  if (!train_ease(small, {}, {.threads = default_threads()})) return 1;
  print("EASE, 3.7 k items", now_s() - begun, 5, 0, of(small));

  const SparseMatrix large = draw(138'000 / part, 20'000 / part, 10'200'000 / part / part, 2);
  print("ALS, Cholesky, a round, 20M", train(large, AlsSolver::kCholesky, rounds - 1).first, 5, 0, of(large));
  const auto [seconds, model] = train(large, AlsSolver::kConjugateGradient, rounds);
  print("ALS, conjugate gradient, a round, 20M", seconds, 1.5, 1.69, of(large));
  print("top 20 for 100 k users of 20 k items", top_20(large, model, 100'000 / part), 20, 0, of(large));
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
