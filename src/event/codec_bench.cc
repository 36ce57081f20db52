#include "event/codec.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <simdjson.h>

#include "event/contracts.h"
#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr std::size_t kBatch = 100;

std::string segment_message(std::size_t i) {
  return fmt::format(
      R"({{"timestamp":"2024-07-01T11:59:{:02}.123Z","integrations":{{}},"type":"track","event":"Product Viewed",)"
      R"("userId":"user-{}","anonymousId":"5e1c0f6a-7b1d-4f0e-9d1e-{:012}","properties":{{"product_id":"HM-{}",)"
      R"("name":"Folding rake","category":"Garden/Tools","price":19.90,"currency":"EUR","quantity":1,)"
      R"("list_id":"home","colour":"red"}},"context":{{"library":{{"name":"@segment/analytics-node",)"
      R"("version":"3.1.0"}},"ip":"198.51.100.4","page":{{"url":"https://example.com/p/{}"}}}},)"
      R"("messageId":"node-next-1719835-{}-{:08}","_metadata":{{"nodeVersion":"18.19.0"}}}})",
      i % 60, i, i, i % 200, i % 200, i, i);
}

std::string native_event(std::size_t i) {
  return fmt::format(
      R"({{"type":"item_view","message_id":"m-{}","user_id":"user-{}","session_id":"s-{}",)"
      R"("event_time":"2024-07-01T11:59:{:02}.123Z","page_url":"https://example.com/p/{}","device_type":"mobile",)"
      R"("country":"DE","items":[{{"item_id":"HM-{}","name":"Folding rake","category":"Garden/Tools",)"
      R"("price":19.90,"quantity":1,"currency":"EUR"}}]}})",
      i, i, i, i % 60, i % 200, i % 200);
}

std::string visit(std::size_t i) {
  std::string text = fmt::format(
      R"({{"session_id":"SID-{}","user_id":"UID-{}","device_type":"desktop","geolocation":"48.1,11.6",)"
      R"("user_agent":"Mozilla/5.0","events":[)",
      i, i);
  for (int event = 0; event < 10; ++event) {
    text += fmt::format(
        R"({}{{"event":{{"event_type":"add_item_to_cart","timestamp":"2024-07-01T09:00:{:02}","details":)"
        R"({{"product_id":"P-{}","product_name":"Rake","category":"tools","price":89.99,"quantity":2}}}}}})",
        event == 0 ? "" : ",", event, event);
  }
  return text + "]}";
}

std::string batch_of(std::string (*one)(std::size_t), std::string_view head, std::string_view tail) {
  std::string body(head);
  for (std::size_t i = 0; i < kBatch; ++i) body += (i == 0 ? "" : ",") + one(i);
  body += tail;
  return body;
}

BodyFacts facts() {
  BodyFacts facts;
  facts.source = "web";
  facts.received_time = 1'719'835'200 * kSecondUs;
  facts.ip = "192.0.2.7";
  facts.user_agent = "bench/1";
  return facts;
}

BodyLimits wide() {
  return {.event_bytes_max = 1 << 20, .batch_bytes_max = 16 << 20, .events_max = 100'000};
}

/// Split `body`, or stop: a benchmark of refusals would be very fast.
BodySplit checked_split(CodecId codec, std::string_view body) {
  auto split = split_body(codec, body, facts(), wide());
  if (!split || split->accepted.empty() || !split->refused.empty()) std::abort();
  return *std::move(split);
}

void count(benchmark::State& state, std::size_t events, std::size_t bytes) {
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["bytes/event"] = static_cast<double>(bytes) / static_cast<double>(events);
}

/// Decode the records of a body again and again, as a job that reads the log does.
void decode(benchmark::State& state, CodecId codec, std::string body) {
  const std::size_t size = body.size();
  body.append(64, ' ');
  const BodySplit split = checked_split(codec, std::string_view(body).substr(0, size));
  std::size_t events = 0, bytes = 0;
  for (auto _ : state) {
    EventBatch batch;
    for (const BodyRecord& record : split.accepted) {
      const auto envelope = decode_envelope(record.attributes);
      if (!envelope || !decode_record(*envelope, record.value, batch)) std::abort();
    }
    benchmark::DoNotOptimize(batch.events.data());
    events += batch.events.size();
    bytes += size;
  }
  count(state, events, bytes);
}

void split(benchmark::State& state, CodecId codec, std::string body) {
  const std::size_t size = body.size();
  body.append(64, ' ');
  std::size_t events = 0, bytes = 0;
  for (auto _ : state) {
    const BodySplit parts = checked_split(codec, std::string_view(body).substr(0, size));
    for (const BodyRecord& record : parts.accepted) events += record.count;
    bytes += size;
  }
  count(state, events, bytes);
}

const std::string& segment_batch() {
  static const std::string kBody =
      batch_of(segment_message, R"({"batch":[)", R"(],"sentAt":"2024-07-01T11:59:59Z"})");
  return kBody;
}

void BM_DecodeSegment(benchmark::State& state) {
  decode(state, CodecId::kSegment, segment_batch());
}
void BM_DecodeNative(benchmark::State& state) {
  decode(state, CodecId::kNative, batch_of(native_event, "[", "]"));
}
void BM_DecodeVisit(benchmark::State& state) {
  decode(state, CodecId::kVisit, batch_of(visit, "[", "]"));
}
void BM_SplitSegmentBatch(benchmark::State& state) {
  split(state, CodecId::kSegment, segment_batch());
}
void BM_SplitSegmentOne(benchmark::State& state) {
  split(state, CodecId::kSegment, segment_message(7));
}
void BM_SplitNative(benchmark::State& state) {
  split(state, CodecId::kNative, batch_of(native_event, "[", "]"));
}
void BM_SplitVisit(benchmark::State& state) {
  split(state, CodecId::kVisit, batch_of(visit, "[", "]"));
}

/// The yardstick: simdjson's own full parse of the same messages, with nothing read from them.
void BM_YardstickDomParse(benchmark::State& state) {
  std::string body = segment_batch();
  const std::size_t size = body.size();
  body.append(64, ' ');
  const BodySplit split = checked_split(CodecId::kSegment, std::string_view(body).substr(0, size));
  simdjson::dom::parser parser;
  std::size_t events = 0;
  for (auto _ : state) {
    for (const BodyRecord& record : split.accepted) {
      auto parsed = parser.parse(record.value.data(), record.value.size(), false);
      if (parsed.error()) std::abort();
      benchmark::DoNotOptimize(parsed);
    }
    events += split.accepted.size();
  }
  count(state, events, size * state.iterations());
}

void BM_WriteNative(benchmark::State& state) {
  std::string body = batch_of(native_event, "[", "]");
  const std::size_t size = body.size();
  body.append(64, ' ');
  const BodySplit split = checked_split(CodecId::kNative, std::string_view(body).substr(0, size));
  std::string out;
  std::size_t events = 0, bytes = 0;
  for (auto _ : state) {
    out.clear();
    for (const Event& event : split.decoded.front()->events) append_native_event(event, out);
    events += split.decoded.front()->events.size();
    bytes += out.size();
  }
  count(state, events, bytes);
}

/// A contract that speaks of most of what the events here hold, as a shop would write it.
const Contracts& contract() {
  static const Contracts kContracts = [] {
    std::string text = R"(apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
schema:
)";
    for (const std::string_view type : {"item_view", "add_to_cart"})
      text += fmt::format(R"(  - name: {}
    physicalType: event
    properties:
      - {{name: user_id, logicalType: string, required: true, logicalTypeOptions: {{pattern: "^[A-Za-z0-9-]+$"}}}}
      - {{name: event_time, logicalType: timestamp, logicalTypeOptions: {{minimum: 2020-01-01}}}}
      - name: device_type
        logicalType: string
        quality: [{{metric: invalidValues, arguments: {{validValues: [desktop, mobile, tablet]}}, mustBe: 0}}]
      - {{name: page_url, logicalType: string, logicalTypeOptions: {{maxLength: 2000}}}}
      - {{name: colour, logicalType: string, logicalTypeOptions: {{minLength: 1, maxLength: 40}}}}
      - name: items
        logicalType: array
        required: true
        items:
          logicalType: object
          properties:
            - {{name: item_id, logicalType: string, required: true}}
            - {{name: category, logicalType: string}}
            - {{name: price, logicalType: number, required: true, logicalTypeOptions: {{minimum: 0, maximum: 10000}}}}
            - {{name: quantity, logicalType: integer, logicalTypeOptions: {{minimum: 1}}}}
            - name: currency
              logicalType: string
              quality: [{{metric: invalidValues, arguments: {{validValues: [EUR, USD, GBP]}}, mustBe: 0}}]
)",
                          type);
    auto contract = parse_contract(text, "bench.yaml");
    if (!contract) std::abort();
    return Contracts({*std::move(contract)});
  }();
  return kContracts;
}

/// Split a body once and return how long that took, with all that belongs to it.
std::chrono::steady_clock::duration timed_split(CodecId codec, std::string_view text,
                                                const BodyLimits& limits, std::size_t& events) {
  const auto begun = std::chrono::steady_clock::now();
  {
    const auto split = split_body(codec, text, facts(), limits);
    if (!split || !split->refused.empty()) std::abort();
    if (limits.contracts != nullptr) {
      const auto& checked = split->notes.checked;
      if (checked.size() != 1 || checked.front().checked != split->decoded.front()->events.size())
        std::abort();
      limits.contracts->count(split->notes, 0);
    }
    events += split->decoded.front()->events.size();
  }
  return std::chrono::steady_clock::now() - begun;
}

/// Split a body with and without the contract, in turns, and say what the contract adds: `cost_%`.
void contract_cost(benchmark::State& state, CodecId codec, std::string body) {
  const std::size_t size = body.size();
  body.append(64, ' ');
  const std::string_view text = std::string_view(body).substr(0, size);
  BodyLimits limits = wide();
  limits.contracts = &contract();
  std::vector<double> ratios;
  std::size_t events = 0;
  for (auto _ : state) {
    const auto first = timed_split(codec, text, wide(), events);
    const auto held = timed_split(codec, text, limits, events) + timed_split(codec, text, limits, events);
    const auto plain = first + timed_split(codec, text, wide(), events);
    ratios.push_back(static_cast<double>(held.count()) / static_cast<double>(plain.count()));
  }
  std::ranges::nth_element(ratios, ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2));
  count(state, events, size * 4 * state.iterations());
  state.counters["cost_%"] = 100.0 * (ratios[ratios.size() / 2] - 1);
}

void BM_ContractSegmentBatch(benchmark::State& state) {
  contract_cost(state, CodecId::kSegment, segment_batch());
}
void BM_ContractSegmentOne(benchmark::State& state) {
  contract_cost(state, CodecId::kSegment, segment_message(7));
}
void BM_ContractNative(benchmark::State& state) {
  contract_cost(state, CodecId::kNative, batch_of(native_event, "[", "]"));
}
void BM_ContractVisit(benchmark::State& state) {
  contract_cost(state, CodecId::kVisit, batch_of(visit, "[", "]"));
}

BENCHMARK(BM_DecodeSegment);
BENCHMARK(BM_YardstickDomParse);
BENCHMARK(BM_DecodeNative);
BENCHMARK(BM_DecodeVisit);
BENCHMARK(BM_SplitSegmentBatch);
BENCHMARK(BM_SplitSegmentOne);
BENCHMARK(BM_SplitNative);
BENCHMARK(BM_SplitVisit);
BENCHMARK(BM_WriteNative);
BENCHMARK(BM_ContractSegmentBatch);
BENCHMARK(BM_ContractSegmentOne);
BENCHMARK(BM_ContractNative);
BENCHMARK(BM_ContractVisit);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
