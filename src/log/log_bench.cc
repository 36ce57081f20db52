// Measures the log against the plainest thing that gives the same promise: pwrite and fdatasync of the same
// bytes in the same pieces at the end of a file. Beside it, for how near the log comes to what the disk can
// do at most, the same into a file whose blocks were written before, which the clock does not count. Rounds
// alternate; medians count.
//
//   log_bench [--tiny] [--append | --read] [--dir DIR]     --tiny: a second or so, to see that it runs
//
// Prints text for people to standard error and one JSON object per figure to standard output.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/env.h"
#include "base/hash.h"
#include "base/logging.h"
#include "log/segment_log.h"

namespace millrace {
namespace {

const TopicPartition kEvents{"events", PartitionId(0)};
constexpr std::size_t kRecordBytes = 500;  ///< about one event

struct Settings {
  Path dir;
  int rounds = 5;
  std::uint64_t bytes_per_round = 32 << 20;
  std::uint64_t syncs_max = 400;
  std::uint64_t read_bytes = 256 << 20;
  bool append = true;
  bool read = true;
};

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "log_bench: {}\n", why);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) die(result.error().text());
  return *std::move(result);
}
void must(const Status& status) {
  if (!status) die(status.error().text());
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double seconds_since(DurationUs began_us) {
  return static_cast<double>(Env::system().steady_now() - began_us) / kSecondUs;
}

void print_figure(const std::string& name, const std::string& unit, double value,
                  const std::string& yardstick, double yardstick_value, double measured, double target) {
  fmt::print(R"({{"name":"{}","value":{:.3f},"unit":"{}","yardstick":"{}","yardstick_value":{:.3f},)"
             R"("ratio":{:.3f},"target":{},"pass":{}}})"
             "\n",
             name, value, unit, yardstick, yardstick_value, value / yardstick_value, target,
             measured >= target);
}

/// Records that together fill one batch, over bytes that are not all alike.
struct Batch {
  explicit Batch(std::size_t bytes) : text(bytes, '\0') {
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 97) % 26);
    for (std::size_t at = 0; at < bytes; at += kRecordBytes) {
      // The time of now, or retention would take the records away as old.
      records.push_back(
          {.value = std::string_view(text).substr(at, kRecordBytes), .time = Env::system().now()});
    }
  }
  std::string text;
  std::vector<NewRecord> records;
};

/// Write `zeros_bytes` and sync them, so that the file system has nothing to note when they are overwritten.
void write_blocks(File& file, std::uint64_t zeros_bytes) {
  const std::vector<std::byte> zeros(1 << 20);
  for (std::uint64_t at = 0; at < zeros_bytes; at += zeros.size()) must(file.write_at(at, zeros));
  must(file.sync());
}

/// Write `count` pieces into a new file, each synced, with nothing but the calls of the system; return MB/s.
double plain_round(const Path& path, const Batch& batch, std::uint64_t count, bool prepared) {
  if (Env::system().exists(path)) must(Env::system().remove(path));
  const auto made = must(Env::system().open(path, OpenMode::kCreate));
  if (prepared) write_blocks(*made, count * batch.text.size());
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const std::size_t bytes = batch.text.size();
  const DurationUs began_us = Env::system().steady_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const ssize_t written = ::pwrite(file, batch.text.data(), bytes, static_cast<off_t>(i * bytes));
    if (written != static_cast<ssize_t>(bytes) || ::fdatasync(file) != 0) die("a plain write failed");
  }
  ::close(file);
  return static_cast<double>(count * batch.text.size()) / 1e6 / seconds_since(began_us);
}

/// Append `count` batches, at most `depth` of them not yet answered; return MB/s.
double log_round(SegmentLog& log, const Batch& batch, std::uint64_t count, int depth) {
  std::counting_semaphore<> slots(depth);
  std::atomic<std::uint64_t> failed = 0;
  const DurationUs began_us = Env::system().steady_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    slots.acquire();
    log.append(kEvents, batch.records, [&](const Result<Offset>& done) {
      if (!done) ++failed;
      slots.release();
    });
  }
  for (int i = 0; i < depth; ++i) slots.acquire();
  const double seconds = seconds_since(began_us);
  if (failed > 0) die("an append failed");
  return static_cast<double>(count * batch.text.size()) / 1e6 / seconds;
}

struct ReadTotals {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t hash = 0;
};

ReadTotals read_all(const SegmentLog& log, bool hash) {
  ReadTotals totals;
  const PartitionStats stats = must(log.stats(kEvents));
  for (Offset from = stats.start; from < stats.end;) {
    const RecordBatch batch = must(log.read(kEvents, from, {.records_max = 100'000}));
    for (const Record& record : batch.records) {
      totals.bytes += record.value.size();
      if (hash) totals.hash += hash64(record.value);
    }
    totals.records += batch.records.size();
    from = batch.next;
  }
  return totals;
}

std::unique_ptr<SegmentLog> open_log(const Path& dir) {
  auto log = must(SegmentLog::open(Env::system(), dir));
  must(log->create_topic("events", {.partitions = 1}));
  return log;
}

void bench_append(const Settings& settings, std::size_t batch_bytes, int depth) {
  const Batch batch(batch_bytes);
  const std::uint64_t count =
      std::clamp<std::uint64_t>(settings.bytes_per_round / batch_bytes, 1, settings.syncs_max);
  const Path log_dir = settings.dir / "log";
  auto log = open_log(log_dir);
  std::vector<double> plain, prepared, ours;
  for (int round = 0; round < settings.rounds; ++round) {
    plain.push_back(plain_round(settings.dir / "plain", batch, count, false));
    prepared.push_back(plain_round(settings.dir / "plain", batch, count, true));
    ours.push_back(log_round(*log, batch, count, depth));
  }
  const std::uint64_t rounds = static_cast<std::uint64_t>(settings.rounds);
  const ReadTotals totals = read_all(*log, true);
  std::uint64_t hash = 0;
  for (const NewRecord& record : batch.records) hash += hash64(record.value);
  if (totals.bytes != rounds * count * batch_bytes || totals.hash != rounds * count * hash) {
    die("what is in the log is not what was appended");
  }
  log.reset();
  std::filesystem::remove_all(log_dir);
  const double ratio = median(ours) / median(plain);
  fmt::print(stderr,
             "append {:>8} bytes a batch, {:>2} at once: {:>8.1f} MB/s; plain {:>8.1f} MB/s; ratio {:.2f}; "
             "of {:.1f} MB/s into blocks written before: {:.2f}\n",
             batch_bytes, depth, median(ours), median(plain), ratio, median(prepared),
             median(ours) / median(prepared));
  print_figure(fmt::format("log_append_{}_bytes_{}_at_once", batch_bytes, depth), "MB/s", median(ours),
               "pwrite+fdatasync", median(plain), ratio, 0.8);
}

double plain_read(const Path& partition_dir) {
  std::vector<std::byte> buffer(4 << 20);
  std::uint64_t bytes = 0;
  const DurationUs began_us = Env::system().steady_now();
  for (const std::string& name : must(Env::system().list_dir(partition_dir))) {
    if (!name.ends_with(".seg")) continue;
    const auto file = must(Env::system().open(partition_dir / name, OpenMode::kRead));
    std::uint64_t at = 0;
    while (const std::size_t got = must(file->read_at(at, buffer))) at += got;
    bytes += at;
  }
  return static_cast<double>(bytes) / 1e9 / seconds_since(began_us);
}

void bench_read(const Settings& settings) {
  const Batch batch(64 << 10);
  const std::uint64_t count = settings.read_bytes / batch.text.size();
  const Path log_dir = settings.dir / "log";
  auto log = open_log(log_dir);
  log_round(*log, batch, count, 32);
  std::vector<double> plain, ours;
  for (int round = 0; round < settings.rounds; ++round) {
    plain.push_back(plain_read(log_dir / "topics" / "events" / "0"));
    const DurationUs began_us = Env::system().steady_now();
    const ReadTotals totals = read_all(*log, false);
    ours.push_back(static_cast<double>(totals.bytes) / 1e9 / seconds_since(began_us));
    if (totals.records != count * batch.records.size()) die("records are missing");
  }
  const DurationUs began_us = Env::system().steady_now();
  log.reset();
  log = open_log(log_dir);
  const double open_seconds = seconds_since(began_us);
  if (must(log->stats(kEvents)).end.value() != count * batch.records.size()) die("records are missing");
  fmt::print(stderr, "read {} MB in order: {:.2f} GB/s; plain pread {:.2f} GB/s; reopened in {:.1f} ms\n",
             settings.read_bytes >> 20, median(ours), median(plain), open_seconds * 1e3);
  print_figure("log_read_sequential", "GB/s", median(ours), "pread", median(plain), median(ours), 1.0);
  log.reset();
  std::filesystem::remove_all(log_dir);
}

Settings parse(int argc, char** argv) {
  Settings settings{.dir = std::filesystem::temp_directory_path()};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--tiny") {
      settings.rounds = 3;
      settings.bytes_per_round = 2 << 20;
      settings.syncs_max = 100;
      settings.read_bytes = 16 << 20;
    } else if (argument == "--append") {
      settings.read = false;
    } else if (argument == "--read") {
      settings.append = false;
    } else if (argument == "--dir" && i + 1 < argc) {
      settings.dir = argv[++i];
    } else {
      fmt::print(stderr, "usage: log_bench [--tiny] [--append | --read] [--dir DIR]\n");
      std::exit(2);
    }
  }
  std::string pattern = (settings.dir / "log-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) die("cannot make a directory in " + settings.dir.string());
  settings.dir = pattern;
  return settings;
}

void run(const Settings& settings) {
  for (const std::size_t bytes : {4u << 10, 64u << 10, 1u << 20}) {
    for (const int depth : {1, 8}) {
      if (settings.append) bench_append(settings, bytes, depth);
    }
  }
  if (settings.read) bench_read(settings);
  std::filesystem::remove_all(settings.dir);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::configure_logging(millrace::LogFormat::kText, millrace::LogLevel::kWarning);
  millrace::run(millrace::parse(argc, argv));
}
