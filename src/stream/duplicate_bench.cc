// How many events a second one core takes from the log, decodes and tells apart from repeats, with ids in
// memory and on disk, and how much memory that takes. The answer is checked: every repeat is found, and
// nothing else. Prints a line of JSON. `--tiny` only shows that it runs.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include "base/env.h"
#include "event/codec.h"
#include "log/segment_log.h"
#include "log/topics.h"
#include "stream/event_feed.h"
#include "warehouse/message_ids.h"

namespace millrace {
namespace {

constexpr TimeUs kStart = 1'752'000'000 * kSecondUs;
constexpr std::size_t kRecordBytes = 1'024;
constexpr double kFlinkPerCore = 53'700;  ///< events a second and core, Nexmark's published figure
constexpr double kWanted = 540'000;
constexpr std::size_t kRepeatEvery = 20;  ///< every so manieth event comes again

/// The log holds `logged` events, which are read `rounds` times; each time they count as other events.
struct Workload {
  std::size_t logged;
  std::size_t rounds;
};

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "duplicate_bench: {}\n", result.error().text());
  std::exit(1);
}
void must(Status status) {
  if (status) return;
  fmt::print(stderr, "duplicate_bench: {}\n", status.error().text());
  std::exit(1);
}

/// Processor time of this thread, seconds: disk waits of the log are not the job's work.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Resident memory of this process, MB.
double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      status >> word;
      return std::stod(word) / 1024;
    }
  }
  return 0;
}

std::string record(std::size_t i) {
  auto value = fmt::format(
      R"({{"type":"track","event":"Product Viewed","timestamp":"2025-07-08T18:40:{:02}.123Z","userId":"user-{}",)"
      R"("anonymousId":"5e1c0f6a-7b1d-4f0e-9d1e-{:012}","messageId":"node-next-1752000-{:08}","properties":)"
      R"({{"product_id":"HM-{}","name":"Folding rake","category":"Garden/Tools","price":19.90,"currency":"EUR",)"
      R"("quantity":1}},"context":{{"ip":"198.51.100.4","page":{{"url":"https://example.com/p/{}"}},"note":")",
      i % 60, i, i, i, i % 200, i % 200);
  value.append(kRecordBytes - value.size() - 3, 'x');
  return value + R"("}})";
}

void fill(EventLog& log, std::size_t events) {
  must(log.create_topic(kEventsTopic, {.retention = 36500 * kDayUs}));
  std::string attributes;
  encode_envelope(
      {.codec = CodecId::kSegment, .source = "web", .received_time = kStart, .ip = "198.51.100.4"},
      attributes);
  for (std::size_t i = 0; i < events;) {
    std::vector<std::string> values;
    for (; i < events && values.size() < 10'000; ++i) values.push_back(record(i));
    std::vector<NewRecord> batch;
    for (const auto& value : values) batch.push_back({"", attributes, value, kStart});
    std::promise<Result<Offset>> done;
    log.append({std::string(kEventsTopic), PartitionId(0)}, std::move(batch),
               [&](Result<Offset> offset) { done.set_value(std::move(offset)); });
    must(done.get_future().get());
  }
}

/// What a reader of the whole log finds.
struct Tally {
  std::size_t events = 0;
  std::size_t repeats = 0;
  std::size_t since_commit = 0;
  std::string scratch;
};

/// Judge the events of a batch, every 20th of them twice, and commit now and then as the load job does.
void judge(std::span<const Event> events, std::string_view source, TimeUs received, MessageIds& ids,
           Tally& tally) {
  std::vector<Hash128> hashes;
  for (const auto& event : events) {
    hashes.push_back(message_hash(source, event.message_id, tally.scratch));
    if (hashes.size() % kRepeatEvery == 0) hashes.push_back(hashes[hashes.size() / 2]);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (i + MessageIds::kAhead < hashes.size()) ids.prefetch(hashes[i + MessageIds::kAhead]);
    tally.repeats += must(ids.is_repeat(hashes[i], received));
  }
  tally.events += hashes.size();
  tally.since_commit += hashes.size();
  if (tally.since_commit < 100'000) return;
  ids.commit(kTimeMin, {{{std::string(kEventsTopic), PartitionId(0)}, Offset(tally.events)}});
  tally.since_commit = 0;
}

void read_once(const EventLog& log, std::size_t round, MessageIds& ids, Tally& tally) {
  EventFeed feed(log, {.cache_bytes_max = 1});
  const auto source = fmt::format("web-{}", round);
  const TopicPartition partition{std::string(kEventsTopic), PartitionId(0)};
  for (Offset cursor;;) {
    const auto batch = must(feed.read(partition, cursor));
    if (batch->next <= cursor) return;
    judge(batch->events_from(cursor), source, kStart + static_cast<TimeUs>(round) * kMinuteUs, ids, tally);
    cursor = batch->next;
  }
}

int run(const Path& dir, const Workload& work) {
  const auto log = must(SegmentLog::open(Env::system(), dir / "log"));
  fill(*log, work.logged);
  MessageIds ids(Env::system(), dir / "ids", {});
  must(ids.open({}));
  ids.restored({});
  Tally tally;
  double quarter_mb = 0;
  const auto begun = processor_seconds();
  for (std::size_t round = 0; round < work.rounds; ++round) {
    read_once(*log, round, ids, tally);
    if (round == work.rounds / 4) quarter_mb = resident_mb();
  }
  const auto rate = static_cast<double>(tally.events) / (processor_seconds() - begun);
  const auto fresh = work.logged * work.rounds;
  if (tally.events - tally.repeats != fresh || ids.size() != fresh || ids.forgotten_early() != 0) {
    fmt::print(stderr, "duplicate_bench: {} new of {} events, {} remembered; expected {}\n",
               tally.events - tally.repeats, tally.events, ids.size(), fresh);
    return 1;
  }
  fmt::print(
      R"({{"name":"de-duplicate, decoding included, one core","value":{:.0f},"unit":"events/s",)"
      R"("yardstick":"Flink, a core","yardstick_value":{:.0f},"ratio":{:.1f},"target":{:.0f},"pass":{},)"
      R"("events":{},"repeats":{},"runs":{}}})"
      "\n",
      rate, kFlinkPerCore, rate / kFlinkPerCore, kWanted, rate >= kWanted, tally.events, tally.repeats,
      ids.runs());
  fmt::print(R"({{"name":"de-duplicate, memory of ids","value":{:.1f},"unit":"MB","on_disk_mb":{:.0f},)"
             R"("resident_mb_at_a_quarter":{:.0f},"resident_mb":{:.0f}}})"
             "\n",
             static_cast<double>(ids.memory_bytes()) / 1e6, static_cast<double>(ids.disk_bytes()) / 1e6,
             quarter_mb, resident_mb());
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  using namespace millrace;
  const bool tiny = argc > 1 && std::string_view(argv[1]) == "--tiny";
  auto pattern = (std::filesystem::temp_directory_path() / "duplicate_bench.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return 1;
  const int failed = run(pattern, tiny ? Workload{2'000, 3} : Workload{200'000, 100});
  std::filesystem::remove_all(pattern);
  return failed;
}
