// Events per second of the window operators on one core, over a million keys: alone, and with each event
// decoded from a JSON record of 1 KB, as a job that reads the log does. Answers are checked: no event may be
// lost.

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "event/codec.h"
#include "stream/window_partition.h"
#include "stream/window_values.h"

namespace millrace {
namespace {

constexpr std::size_t kKeys = 1'000'000;
constexpr TimeUs kStart = 1'719'835'200 * kSecondUs;
constexpr std::size_t kRecords = 4'096;
constexpr std::size_t kRecordBytes = 1'024;

/// Counts what comes out.
class Tally final : public PaneSink<EventCount> {
 public:
  void on_pane(const Pane<EventCount>& pane) override {
    ++panes;
    events += pane.value.events;
  }
  void on_too_late(const WindowEvent<EventCount::Input>&, const Window&) override { ++events; }

  std::uint64_t panes = 0;
  std::uint64_t events = 0;
};

const std::vector<std::string>& keys() {
  static const auto kMade = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < kKeys; ++i) made.push_back(fmt::format("visitor-{:07}", i));
    return made;
  }();
  return kMade;
}

/// Records of a kilobyte each, with room behind them for the parser.
struct Records {
  std::vector<std::string> values;
  std::string attributes;
};

const Records& records() {
  static const auto kMade = [] {
    Records made;
    encode_envelope(
        {.codec = CodecId::kSegment, .source = "web", .received_time = kStart, .ip = "198.51.100.4"},
        made.attributes);
    for (std::size_t i = 0; i < kRecords; ++i) {
      std::string value = fmt::format(
          R"({{"type":"track","event":"Product Viewed","timestamp":"2024-07-01T11:59:{:02}.123Z","userId":"user-{}",)"
          R"("anonymousId":"5e1c0f6a-7b1d-4f0e-9d1e-{:012}","messageId":"node-next-1719835-{:08}","properties":)"
          R"({{"product_id":"HM-{}","name":"Folding rake","category":"Garden/Tools","price":19.90,"currency":"EUR",)"
          R"("quantity":1}},"context":{{"ip":"198.51.100.4","page":{{"url":"https://example.com/p/{}"}},"note":")",
          i % 60, i, i, i, i % 200, i % 200);
      value.append(kRecordBytes - value.size() - 3, 'x');
      made.values.push_back(value + R"("}})" + std::string(64, ' '));
    }
    return made;
  }();
  return kMade;
}

/// Decode the next hundred records; the events' keys and times are those of the benchmark.
void decode(std::size_t& next) {
  EventBatch batch;
  for (int i = 0; i < 100; ++i) {
    const std::string_view value = records().values[next++ % kRecords];
    const auto envelope = decode_envelope(records().attributes);
    if (!envelope || !decode_record(*envelope, value.substr(0, kRecordBytes), batch)) std::abort();
  }
  benchmark::DoNotOptimize(batch.events.data());
}

/// Send events `step` apart, up to two seconds out of order, with keys drawn evenly.
template <class Operator>
void run(benchmark::State& state, const WindowSpec& spec, DurationUs step, std::uint64_t windows_per_event,
         bool decoded) {
  PartitionWindowsOptions options;
  options.windows = {.spec = spec, .allowed_lateness = kMinuteUs};
  options.limits = {.entries_max = 8'000'000, .bytes_max = 2ull << 30};
  PartitionWindows<Operator> windows(options, "bench");
  Tally tally;
  std::minstd_rand random(1);
  keys();
  records();
  std::size_t sent = 0, next_record = 0;
  for (auto _ : state) {
    if (decoded) decode(next_record);
    for (int i = 0; i < 100; ++i, ++sent) {
      const auto drawn = random();
      const TimeUs in_order = kStart + static_cast<TimeUs>(sent) * step;
      const TimeUs time = in_order - drawn % (2 * kSecondUs);
      windows.begin_event({"web", SourceKind::kLive, time, in_order, Offset(sent)}, tally);
      windows.add(keys()[drawn % kKeys], {}, tally);
    }
  }
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(sent), benchmark::Counter::kIsRate);
  state.counters["entries"] = static_cast<double>(windows.use().entries);
  state.counters["state_bytes"] = static_cast<double>(windows.use().bytes);
  state.counters["panes/event"] = static_cast<double>(tally.panes) / static_cast<double>(sent);
  windows.finish(tally);
  if (tally.events != sent * windows_per_event) std::abort();
}

void fixed(benchmark::State& state, bool decoded) {
  run<WindowOperator<EventCount>>(state, WindowSpec::fixed(kMinuteUs), 100, 1, decoded);
}
void sliding(benchmark::State& state, bool decoded) {
  run<WindowOperator<EventCount>>(state, WindowSpec::sliding(10 * kMinuteUs, 2 * kMinuteUs), 100, 5, decoded);
}
void session(benchmark::State& state, bool decoded) {
  run<SessionOperator<EventCount>>(state, WindowSpec::session(30 * kMinuteUs), 1'000, 1, decoded);
}

void BM_Fixed(benchmark::State& state) {
  fixed(state, false);
}
void BM_Sliding(benchmark::State& state) {
  sliding(state, false);
}
void BM_Session(benchmark::State& state) {
  session(state, false);
}
void BM_DecodeFixed(benchmark::State& state) {
  fixed(state, true);
}
void BM_DecodeSliding(benchmark::State& state) {
  sliding(state, true);
}
void BM_DecodeSession(benchmark::State& state) {
  session(state, true);
}

BENCHMARK(BM_Fixed);
BENCHMARK(BM_Sliding);
BENCHMARK(BM_Session);
BENCHMARK(BM_DecodeFixed);
BENCHMARK(BM_DecodeSliding);
BENCHMARK(BM_DecodeSession);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
