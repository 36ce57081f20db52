// How fast the archive job brings 1 KB JSON records from the log to compressed, synced files that the
// manifest knows, on one thread; and what each part of it costs. Prints a line of JSON for each figure.
// `--tiny` only shows that it runs. `--level N` takes another compression level.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <random>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include "base/env.h"
#include "base/logging.h"
#include "base/text.h"
#include "event/codec.h"
#include "lake/archive_reader.h"
#include "lake/local_object_store.h"
#include "lake/manifest.h"
#include "log/segment_log.h"
#include "stream/archive_job.h"

namespace millrace {
namespace {

constexpr double kTargetPerSecond = 580'000;
const TopicPartition kPartition{"events", PartitionId(0)};

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "archive_bench: {}\n", result.error().text());
  std::exit(1);
}
void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "archive_bench: {}\n", status.error().text());
  std::exit(1);
}

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Spent {
  double wall = 0;
  double processor = 0;  ///< of this thread
};

template <class Work>
Spent measure(Work work) {
  const DurationUs begun = Env::system().steady_now();
  const double processor = thread_seconds();
  work();
  return {static_cast<double>(Env::system().steady_now() - begun) / kSecondUs, thread_seconds() - processor};
}

/// Makes a Segment `track` message of about 1 KB as analytics.js sends it, with what varies varying.
class MessageMaker {
 public:
  std::string message(std::size_t number) {
    const auto id = [&] { return fmt::format("{:016x}", random_()); };
    return fmt::format(
        R"({{"type":"track","event":"Product Viewed","messageId":"ajs-next-{}{}","anonymousId":"{}-{}",)"
        R"("userId":"user-{}","timestamp":"2026-07-01T09:{:02}:{:02}.{:03}Z","originalTimestamp":)"
        R"("2026-07-01T09:{:02}:{:02}.{:03}Z","properties":{{"product_id":"{}","sku":"SKU-{}","category":)"
        R"("Home/Kitchen/Candles","name":"White hanging heart T-light holder {}","brand":"Acme","variant":"{}",)"
        R"("price":{}.{:02},"quantity":{},"currency":"GBP","position":{},"url":)"
        R"("https://shop.example/products/{}?ref=list&page={}","image_url":"https://cdn.example/img/{}.jpg"}},)"
        R"("context":{{"ip":"203.0.113.{}","locale":"en-GB","timezone":"Europe/London","library":{{"name":)"
        R"("analytics.js","version":"next-1.66.0"}},"page":{{"path":"/products/{}","referrer":)"
        R"("https://shop.example/lists/{}","search":"?ref=list","title":"Product {} – Shop","url":)"
        R"("https://shop.example/products/{}?ref=list"}},"campaign":{{"name":"summer","source":"newsletter"}},)"
        R"("screen":{{"width":{},"height":{},"density":2}}}},"integrations":{{}}}})",
        id(), id(), id(), id(), random_() % 20'000, number / 60'000 % 60, number / 1'000 % 60, number % 1'000,
        number / 60'000 % 60, number / 1'000 % 60, number % 1'000, random_() % 4'000, random_() % 4'000,
        random_() % 4'000, random_() % 7, random_() % 200, random_() % 100, 1 + random_() % 9, random_() % 40,
        random_() % 4'000, random_() % 30, random_() % 4'000, random_() % 255, random_() % 4'000,
        random_() % 50, random_() % 4'000, random_() % 4'000, 360 + random_() % 1'500, 640 + random_() % 900);
  }

  std::string envelope(TimeUs received) {
    std::string out;
    const std::string ip = fmt::format("203.0.113.{}", random_() % 255);
    encode_envelope({.codec = CodecId::kSegment,
                     .source = "web",
                     .received_time = received,
                     .ip = ip,
                     .user_agent = kAgents[random_() % std::size(kAgents)]},
                    out);
    return out;
  }

  std::string key() { return fmt::format("{:016x}-{:016x}", random_(), random_()); }

 private:
  static constexpr std::string_view kAgents[] = {
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
      "Safari/537.36",
      "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
      "Version/17.5 "
      "Mobile/15E148 Safari/604.1",
      "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"};
  std::mt19937_64 random_{42};
};

/// Append `count` records, received 20,000 a second; return how many bytes their values have.
std::uint64_t fill_log(EventLog& log, std::size_t count) {
  constexpr std::size_t kBatch = 1'000;
  MessageMaker maker;
  const TimeUs start = Env::system().now() / kHourUs * kHourUs - kHourUs;
  std::uint64_t bytes = 0;
  for (std::size_t first = 0; first < count; first += kBatch) {
    const std::size_t size = std::min(kBatch, count - first);
    std::vector<std::string> texts;
    std::vector<NewRecord> records;
    for (std::size_t i = 0; i < size; ++i) {
      texts.push_back(maker.key());
      texts.push_back(maker.envelope(start + static_cast<TimeUs>(first + i) * 50));
      texts.push_back(maker.message(first + i));
    }
    for (std::size_t i = 0; i < size; ++i) {
      bytes += texts[3 * i + 2].size();
      records.push_back({.key = texts[3 * i],
                         .attributes = texts[3 * i + 1],
                         .value = texts[3 * i + 2],
                         .time = start + static_cast<TimeUs>(first + i) * 50});
    }
    std::promise<Status> done;
    log.append(kPartition, std::move(records),
               [&](Result<Offset> result) { done.set_value(result ? Status{} : fail(result.error())); });
    must(done.get_future().get());
  }
  return bytes;
}

void read_all(const EventLog& log, const std::function<void(const RecordBatch&)>& use) {
  for (Offset from;;) {
    const RecordBatch batch = must(log.read(kPartition, from, {.records_max = 8'192, .bytes_max = 2 << 20}));
    if (batch.records.empty()) return;
    use(batch);
    from = batch.next;
  }
}

/// Say what one part of the work costs alone.
void print_part(std::string_view name, const Spent& spent, std::size_t records) {
  fmt::print(stderr, "  {:<44} {:6.0f} ns a record\n", name,
             spent.processor * 1e9 / static_cast<double>(records));
}

void measure_parts(const EventLog& log, std::size_t records, int level) {
  std::uint64_t sum = 0;
  print_part("read from the log",
             measure([&] { read_all(log, [&](const auto& b) { sum += b.records.size(); }); }), records);
  // One stretch of the log, over and over, so that nothing but the work itself is measured.
  std::vector<RecordBatch> batches;
  std::size_t kept = 0;
  read_all(log, [&](const RecordBatch& batch) {
    if (kept >= 60'000) return;
    batches.push_back(must(
        log.read(kPartition, batch.records.front().offset, {.records_max = 8'192, .bytes_max = 2 << 20})));
    kept += batches.back().records.size();
  });
  std::string lines;
  std::string twins;
  for (const auto& batch : batches) {
    for (const Record& record : batch.records) lines.append(record.value).append("\n");
    for (const Record& record : batch.records) {
      twins += fmt::format(R"({{"offset":{},"time":{},"count":1,"key":"{}","attributes":"{}"}})"
                           "\n",
                           record.offset.value(), record.time, record.key, base64_encode(record.attributes));
    }
  }
  const auto compress = [](const std::string& text, int at_level) {
    FrameCompressor compressor(at_level);
    std::string out;
    const Spent spent = measure([&] {
      for (std::size_t at = 0; at < text.size(); at += 512 << 10)
        must(compressor.append(std::string_view(text).substr(at, 512 << 10), out));
    });
    return std::pair(spent, static_cast<double>(text.size()) / static_cast<double>(out.size()));
  };
  for (const int other : {level, 1, -1, -3, -5, -7}) {
    const auto [data, data_ratio] = compress(lines, other);
    const auto [twin, twin_ratio] = compress(twins, other);
    print_part(fmt::format("compress values, level {} ({:.1f} : 1)", other, data_ratio), data, kept);
    print_part(fmt::format("compress twins, level {} ({:.1f} : 1)", other, twin_ratio), twin, kept);
  }
  FrameCompressor compressor(level);
  std::vector<BuiltPair> built;
  print_part("build files (compression included)", measure([&] {
               RawFileBuilder builder(compressor);
               for (const auto& batch : batches) {
                 for (const Record& record : batch.records) must(builder.add(record));
               }
               built.push_back(must(builder.finish({"raw", "events", "hour", kPartition}, 0)));
             }),
             kept);
}

void run(bool tiny, int level) {
  configure_logging(LogFormat::kText, LogLevel::kWarning);
  auto pattern = (std::filesystem::temp_directory_path() / "millrace-archive-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::exit(1);
  const Path dir = pattern;
  Env& env = Env::system();
  const std::size_t records = tiny ? 2'000 : 1'000'000;
  {
    auto log = must(SegmentLog::open(env, dir / "log"));
    must(log->create_topic("events", {}));
    const std::uint64_t bytes = fill_log(*log, records);
    fmt::print(stderr, "{} records of {} bytes\n", records, bytes / records);
    if (!tiny) measure_parts(*log, records, level);
    const auto store = must(LocalObjectStore::open(env, dir / "lake"));
    const auto manifest = must(Manifest::open(dir / "manifest.sqlite"));
    auto job = ArchiveJob::make(env, *log, *store, *manifest, {.compression_level = level});
    must(job->start());
    const Spent spent = measure([&] {
      while (must(job->step()).more) {
      }
    });
    const auto position = must(manifest->position(ArchiveJob::kGroup, kPartition));
    if (!position || position->records != records) must(fail(Code::kInternal, "not everything was archived"));
    ArchiveReader reader(*manifest, *store, std::string(ArchiveJob::kGroup));
    std::size_t back = 0;
    const Spent reading = measure([&] {
      for (Offset from; from < position->next;) {
        const RecordBatch batch = must(reader.read(kPartition, from, {.bytes_max = 1 << 20}));
        back += batch.records.size();
        from = batch.next;
      }
    });
    if (back != records) must(fail(Code::kInternal, "not everything came back"));
    std::uint64_t stored = 0;
    for (const auto& object : must(store->list(""))) stored += object.bytes;
    const double count = static_cast<double>(records);
    fmt::print(
        stderr,
        "archived in {:.2f} s, of the processor {:.2f} s; {:.1f} MB of {:.1f}; read back in {:.2f} s\n",
        spent.wall, spent.processor, static_cast<double>(stored) / 1e6, static_cast<double>(bytes) / 1e6,
        reading.wall);
    const double target = tiny ? 1 : kTargetPerSecond;
    for (const auto& [name, seconds] : {std::pair("archive 1 KB events", spent.wall),
                                        std::pair("archive 1 KB events, processor time", spent.processor)}) {
      fmt::print(R"({{"name":"{}","value":{:.0f},"unit":"events/s","yardstick":null,"yardstick_value":null,)"
                 R"("ratio":null,"target":{:.0f},"pass":{}}})"
                 "\n",
                 name, count / seconds, target, count / seconds >= target);
    }
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  bool tiny = false;
  int level = millrace::ArchiveJobOptions{}.compression_level;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    tiny |= word == "--tiny";
    if (word == "--level" && i + 1 < argc) level = std::atoi(argv[++i]);
  }
  millrace::run(tiny, level);
}
