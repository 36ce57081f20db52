// Rows a second from file to native JSON, without the log: reading and mapping invoices (grouped) and
// clicks (one event a row), CSV and gzip, from generated files.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "net/gzip.h"
#include "source/row_mapper.h"

namespace millrace {
namespace {

constexpr int kRows = 200'000;

std::string invoices() {
  std::string csv = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n";
  for (int i = 0; i < kRows; ++i) {
    csv += fmt::format(
        "{},{}A,STRIPED TEA CUP NUMBER {},{},2011-{:02}-{:02} {:02}:26:00,{}.55,{},United Kingdom\r\n",
        536'365 + i / 20, 10'000 + i % 4'000, i % 4'000, i % 12 + 1, i / 20 % 12 + 1, i / 20 % 28 + 1,
        i / 20 % 24, i % 9, i % 100 < 25 ? "" : std::to_string(12'000 + i / 20 % 4'000));
  }
  return csv;
}

std::string clicks() {
  std::string csv =
      "user_id,session_id,click_article_id,click_timestamp,click_deviceGroup,click_os,click_country,"
      "click_region,click_environment,click_referrer_type\n";
  for (int i = 0; i < kRows; ++i) {
    csv += fmt::format("{},15068254{:08},{},{},3,20,1,{},4,2\n", i / 3, i / 3, i * 7919 % 40'000,
                       1'506'826'828'020 + i * 37, i % 28);
  }
  return csv;
}

/// A file for the time of one benchmark.
class BenchFile {
 public:
  explicit BenchFile(std::string_view content) {
    auto name = (std::filesystem::temp_directory_path() / "millrace-ingest-bench-XXXXXX").string();
    if (::mkstemp(name.data()) >= 0) path_ = name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~BenchFile() { std::filesystem::remove(path_); }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

void map_rows(benchmark::State& state, const std::string& content, const char* mapping_path) {
  const BenchFile file(content);
  const auto mapping = load_mapping(Env::system(), mapping_path).value();
  std::size_t rows = 0, bytes = 0;
  for (auto _ : state) {
    const auto reader =
        open_csv(FileReader::open(Env::system(), file.path()).value(), mapping.delimiter).value();
    RowMapper mapper(mapping, Hash128{}, 1 << 30);
    if (!mapper.bind(reader->columns(), true)) return state.SkipWithError("the mapping does not fit");
    MappedRecords out;
    for (Row row; reader->next(row).value() == RowReader::Step::kRow; ++rows) {
      if (!mapper.map(row, out)) return state.SkipWithError("a row does not fit");
      if (out.text.size() > 1 << 18) out.clear();
    }
    for (bool more = true; more; out.clear()) {
      more = mapper.take_groups(out, 1 << 18);
      bytes += out.text.size();
    }
  }
  benchmark::DoNotOptimize(bytes);
  state.counters["rows/s"] = benchmark::Counter(static_cast<double>(rows), benchmark::Counter::kIsRate);
}

constexpr auto kInvoices = "examples/shop/mappings/online_retail.yaml";

void Invoices(benchmark::State& state) {
  map_rows(state, invoices(), kInvoices);
}
void InvoicesGzip(benchmark::State& state) {
  map_rows(state, gzip(invoices()), kInvoices);
}
void Clicks(benchmark::State& state) {
  map_rows(state, clicks(), "examples/news/mappings/news_clicks.yaml");
}

BENCHMARK(Invoices)->Unit(benchmark::kMillisecond);
BENCHMARK(InvoicesGzip)->Unit(benchmark::kMillisecond);
BENCHMARK(Clicks)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
