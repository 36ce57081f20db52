// How much of the processor the kernels use: figures are GFlop/s of one core.
#include "linalg/kernels.h"

#include <benchmark/benchmark.h>

#include "linalg/matrix.h"

namespace millrace {
namespace {

void gemm(benchmark::State& state, const Kernels* use, std::size_t m, std::size_t n, std::size_t k) {
  Matrix a(m, k), b(k, n), c(m, n);
  a.values.assign(a.values.size(), 1);
  b.values.assign(b.values.size(), 1);
  for (auto _ : state) {
    use->gemm(Op::kAsIs, Op::kAsIs, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
    benchmark::DoNotOptimize(c.data());
  }
  if (c.values.front() != static_cast<float>(k)) state.SkipWithError("a wrong product");
  state.counters["GFlop/s"] = benchmark::Counter(2e-9 * static_cast<double>(m * n * k),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void dots(benchmark::State& state, const Kernels* use, std::size_t rows, std::size_t n) {
  Matrix a(rows, n), x(1, n), out(1, rows);
  a.values.assign(a.values.size(), 1);
  x.values.assign(n, 1);
  for (auto _ : state) {
    use->dots(a.data(), rows, n, x.data(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  if (out.values.back() != static_cast<float>(n)) state.SkipWithError("a wrong product");
  state.counters["GFlop/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(rows * n), benchmark::Counter::kIsIterationInvariantRate);
}

void gram(benchmark::State& state, const Kernels* use, std::size_t rows, std::size_t n) {
  Matrix a(rows, n), out(n, n);
  for (auto _ : state) {
    use->add_gram(a.data(), rows, n, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["GFlop/s"] = benchmark::Counter(1e-9 * static_cast<double>(rows * n * n),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

const bool kRegistered = [] {
  for (const Kernels* use : all_kernels()) {
    const std::string name(use->name);
    benchmark::RegisterBenchmark((name + "/gemm 256x160x128").c_str(), gemm, use, 256, 128, 160);
    benchmark::RegisterBenchmark((name + "/gemm 256x128x32").c_str(), gemm, use, 256, 32, 128);
    benchmark::RegisterBenchmark((name + "/dots 100000x64").c_str(), dots, use, 100'000, 64);
    benchmark::RegisterBenchmark((name + "/dots 74x64").c_str(), dots, use, 74, 64);
    benchmark::RegisterBenchmark((name + "/gram 74x64").c_str(), gram, use, 74, 64);
  }
  return true;
}();

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
