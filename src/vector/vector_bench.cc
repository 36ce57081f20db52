// How fast the nearest vectors are found, and how many of them, 64 dimensions, the best 20: comparing all one
// query at a time and four at once, and a graph beside hnswlib alone with the same settings. Figures are JSON
// lines, see bench/run.py. With --tiny a test of the benchmark itself.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include <fmt/format.h>
// All that hnswlib defines, under other names than in vector/hnsw_index.cc, so that both can be in one
// program.
#define hnswlib millrace_bench_hnswlib
#define cpuid millrace_bench_cpuid
#define xgetbv millrace_bench_xgetbv
#define AVXCapable millrace_bench_avx
#define AVX512Capable millrace_bench_avx512
#include <hnswlib/hnswlib.h>

#include "base/parallel.h"
#include "linalg/kernels.h"
#include "vector/exact_index.h"
#include "vector/hnsw_index.h"
#include "vector/make_index.h"

namespace millrace {
namespace {

constexpr std::size_t kDimensions = 64;
constexpr std::size_t kBest = 20;

struct Size {
  std::size_t vectors = 100'000;
  std::size_t queries = 2'000;
  int rounds = 5;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "{}\n", result.error().text());
  std::exit(1);
}

void require(bool good, std::string_view what) {
  if (good) return;
  fmt::print(stderr, "wrong: {}\n", what);
  std::exit(1);
}

/// Rows around centres (0 centres: independent), the same for each seed; all around the same centres.
VectorRows rows_around(std::size_t count, std::size_t centres, std::uint64_t seed) {
  std::mt19937_64 random(seed), middle(99);
  std::normal_distribution<float> normal;
  std::vector<float> at(centres * kDimensions);
  for (float& value : at) value = normal(middle);
  VectorRows rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.ids.push_back(std::to_string(i));
    const float* centre = centres == 0 ? nullptr : at.data() + random() % centres * kDimensions;
    for (std::size_t k = 0; k < kDimensions; ++k)
      rows.values.push_back(centre == nullptr ? normal(random) : centre[k] + 0.5F * normal(random));
  }
  return rows;
}

void figure(std::string_view name, double value, std::string_view unit) {
  fmt::print(R"({{"name":"{}","value":{:.4g},"unit":"{}"}})"
             "\n",
             name, value, unit);
}

void figure_within(std::string_view name, double value, std::string_view unit, double target) {
  fmt::print(R"({{"name":"{}","value":{:.4g},"unit":"{}","target":{},"pass":{}}})"
             "\n",
             name, value, unit, target, value <= target);
}

void compared(std::string_view name, std::string_view yardstick, double ours, double theirs,
              std::string_view unit, double target, bool more) {
  const double ratio = ours / theirs;
  fmt::print(R"({{"name":"{}","value":{:.4g},"unit":"{}","yardstick":"{}","yardstick_value":{:.4g},)"
             R"("ratio":{:.3f},"target":{},"pass":{}}})"
             "\n",
             name, ours, unit, yardstick, theirs, ratio, target, more ? ratio >= target : ratio <= target);
}

/// The products of a query with all rows and nothing else: what reading the rows from memory takes.
double bare_products_ms(const Size& size, const VectorRows& rows, const VectorRows& queries) {
  std::vector<float> scores(rows.ids.size());
  std::vector<double> times;
  for (int round = 0; round < 5 * size.rounds; ++round) {
    const double begin = seconds();
    kernels().dots(rows.values.data(), rows.ids.size(), kDimensions, queries.values.data(), scores.data());
    times.push_back(1e3 * (seconds() - begin));
  }
  require(scores.front() != scores.back(), "a product");
  return median(times);
}

void exact_figures(const Size& size, const VectorRows& rows, const VectorRows& queries) {
  for (const Similarity similarity : {Similarity::kDot, Similarity::kCosine}) {
    const auto index = must(ExactIndex::make({kDimensions, similarity}));
    for (std::size_t i = 0; i < rows.ids.size(); ++i)
      require(index->put(rows.ids[i], rows.row(i, kDimensions)).has_value(), "a row");
    for (const std::size_t batch : {1u, 4u, 64u}) {
      std::vector<double> times;
      const std::size_t batches = std::max<std::size_t>(1, size.queries / 20 / batch);
      for (int round = 0; round < size.rounds; ++round) {
        const double begin = seconds();
        for (std::size_t i = 0; i < batches; ++i) {
          const std::size_t from = i * batch % (queries.ids.size() - batch + 1);
          const auto lists = must(index->search_all(
              std::span(queries.values).subspan(from * kDimensions, batch * kDimensions), kBest, {}));
          require(lists.size() == batch && lists.back().size() == std::min(kBest, rows.ids.size()),
                  "an answer");
        }
        times.push_back(1e3 * (seconds() - begin) / static_cast<double>(batches * batch));
      }
      const std::string name =
          fmt::format("exact {}, best {} of {} x {}, {} at once, each", similarity_name(similarity), kBest,
                      size.vectors, kDimensions, batch);
      if (batch == 1)
        compared(name, "bare products, the memory's pace", median(times),
                 bare_products_ms(size, rows, queries), "ms", 1.15, false);
      if (batch == 64)
        figure(name, median(times), "ms");
      else
        figure_within(name, median(times), "ms", batch == 1 ? 0.55 : 0.2);
    }
  }
}

/// hnswlib as others use it: its own space, compiled as we are.
class Alone {
 public:
  Alone(const VectorRows& rows, const HnswSettings& settings)
      : space_(kDimensions),
        graph_(&space_, rows.ids.size(), settings.m, settings.ef_construction, settings.seed) {
    for (std::size_t i = 0; i < rows.ids.size(); ++i) graph_.addPoint(rows.row(i, kDimensions).data(), i);
    graph_.setEf(settings.ef);
  }
  std::size_t search(std::span<const float> query) { return graph_.searchKnn(query.data(), kBest).size(); }

 private:
  hnswlib::InnerProductSpace space_;
  hnswlib::HierarchicalNSW<float> graph_;
};

void graph_figures(const Size& size, const VectorRows& rows, const VectorRows& queries) {
  const HnswSettings settings{.ef = 50};
  double begin = seconds();
  const auto index = must(HnswIndex::build({kDimensions, Similarity::kDot}, rows, settings));
  const double build = seconds() - begin;
  begin = seconds();
  Alone alone(rows, settings);
  const std::string what = fmt::format("{} x {}", size.vectors, kDimensions);
  compared("hnsw build, " + what, "hnswlib alone", build, seconds() - begin, "s", 1.1, false);
  begin = seconds();
  must(HnswIndex::build({kDimensions, Similarity::kDot}, rows, settings, default_threads()));
  figure(fmt::format("hnsw build, {}, {} threads", what, default_threads()), seconds() - begin, "s");
  std::vector<double> ours, theirs;
  for (int round = 0; round < size.rounds; ++round) {  // taking turns, so that the machine treats both alike
    begin = seconds();
    for (std::size_t i = 0; i < size.queries; ++i)
      require(must(index->search(queries.row(i, kDimensions), kBest)).size() == kBest,
              "an answer of the graph");
    ours.push_back(static_cast<double>(size.queries) / (seconds() - begin));
    begin = seconds();
    for (std::size_t i = 0; i < size.queries; ++i)
      require(alone.search(queries.row(i, kDimensions)) == kBest, "an answer of hnswlib");
    theirs.push_back(static_cast<double>(size.queries) / (seconds() - begin));
  }
  compared(fmt::format("hnsw, {}, ef 50, best {}", what, kBest), "hnswlib alone", median(ours),
           median(theirs), "queries/s", 0.9, true);
  figure("its recall of the best 10",
         must(measure_recall(*index, rows, std::span(queries.values).first(200 * kDimensions), {}, 10)), "");
}

/// What the chooser makes of easy and of hard data.
void chosen_figures(const VectorRows& rows, std::string_view kind) {
  IndexOptions options;
  options.exact_max = 0;
  options.threads = default_threads();
  const double begin = seconds();
  const auto index = must(make_index({kDimensions, Similarity::kDot}, rows, options));
  figure(fmt::format("chosen for {} {} vectors ({}), in", rows.ids.size(), kind, index->settings_text()),
         seconds() - begin, "s");
  figure(fmt::format("recall it reached on {} vectors, of {} wanted", kind, index->quality().target),
         index->quality().recall, "");
}

int run_all(const Size& size) {
  const std::size_t centres = std::max<std::size_t>(4, size.vectors / 1'000);
  const VectorRows rows = rows_around(size.vectors, centres, 1);
  const VectorRows queries = rows_around(std::max<std::size_t>(size.queries, 200), centres, 2);
  exact_figures(size, rows, queries);
  graph_figures(size, rows, queries);
  chosen_figures(rows, "clustered");
  chosen_figures(rows_around(size.vectors / 4, 0, 3), "independent");
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Size size;
  if (argc > 1 && std::strcmp(argv[1], "--tiny") == 0) size = {.vectors = 1'000, .queries = 200, .rounds = 1};
  if (argc > 2 && std::strcmp(argv[1], "--vectors") == 0) size.vectors = std::strtoull(argv[2], nullptr, 10);
  return millrace::run_all(size);
}
