#include "stream/archive_simulation_testing.h"

#include <set>

#include <fmt/format.h>
#include <zstd.h>

#include "lake/archive_reader.h"
#include "lake/raw_file.h"
#include "log/topics.h"

namespace millrace {
namespace {

const TopicConfig kTopic{.partitions = 2,
                         .retention = kHourUs,
                         .bytes_soft = 32 << 10,
                         .bytes_hard = 4 << 20,
                         .segment_bytes = 8 << 10};

TopicPartition partition(std::uint32_t number) {
  return {std::string(kEventsTopic), PartitionId(number)};
}

std::string random_text(std::mt19937_64& random, std::uint64_t size_max) {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz{}\":,\n\r\\\0\xFF";
  std::string text(random() % (size_max + 1), 'x');
  const bool wild = random() % 4 == 0;
  for (char& c : text) c = kLetters[random() % (wild ? kLetters.size() : 31)];
  return text;
}

/// Return how many bytes frames hold, as they say themselves, or nothing when they are torn.
std::optional<std::uint64_t> raw_bytes_of(std::string_view frames) {
  std::uint64_t bytes = 0;
  while (!frames.empty()) {
    const auto raw = ZSTD_getFrameContentSize(frames.data(), frames.size());
    const std::size_t size = ZSTD_findFrameCompressedSize(frames.data(), frames.size());
    if (raw == ZSTD_CONTENTSIZE_ERROR || raw == ZSTD_CONTENTSIZE_UNKNOWN || ZSTD_isError(size) != 0)
      return std::nullopt;
    bytes += raw;
    frames.remove_prefix(size);
  }
  return bytes;
}

/// Return the records of a data file and its twin as they lie in a directory, without the manifest.
Result<RawRecords> decode_blind(const std::string& data, const std::string& twin) {
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    const std::string& frames = i == 0 ? data : twin;
    const auto bytes = raw_bytes_of(frames);
    if (!bytes) return fail(Code::kCorrupt, "is torn");
    MILLRACE_ASSIGN(texts[i], decompress_frames(frames, *bytes, RawRecords::kPadding));
  }
  return RawRecords::parse(std::move(texts[0]), std::move(texts[1]));
}

}  // namespace

ArchiveJobOptions small_archive_options() {
  return {.file_bytes_max = 6'000, .margin = 2 * kSecondUs, .lateness = 2 * kMinuteUs};
}

// ---- World

ArchiveWorld::ArchiveWorld(std::uint64_t seed) : env(seed), vfs(env) {
  std::ignore = env.make_dirs("/data");
  std::ignore = env.sync_dir("/");
}

std::optional<std::string> ArchiveWorld::open(bool transactions) {
  auto opened_log = SegmentLog::open(env, "/data/log", {.committers = 0, .reserve_bytes = 4'096});
  if (!opened_log) return "cannot open the log: " + opened_log.error().text();
  log = *std::move(opened_log);
  if (const Status made = log->create_topic(kEventsTopic, kTopic); !made) return made.error().text();
  auto opened_store = LocalObjectStore::open(env, "/data/lake");
  if (!opened_store) return "cannot open the store: " + opened_store.error().text();
  store = *std::move(opened_store);
  auto opened_manifest = Manifest::open("/data/manifest.sqlite", {vfs.name(), transactions});
  if (!opened_manifest) return "cannot open the manifest: " + opened_manifest.error().text();
  manifest = *std::move(opened_manifest);
  job = ArchiveJob::make(env, *log, *store, *manifest, small_archive_options());
  return std::nullopt;
}

void ArchiveWorld::close() {
  job.reset();
  manifest.reset();
  store.reset();
  log.reset();
}

void ArchiveWorld::append(std::mt19937_64& random, std::uint64_t count, DurationUs age) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 3 * count; ++i) {
    texts.push_back(i % 3 == 0 && random() % 2 == 0 ? "visitor" : random_text(random, i % 3 == 2 ? 400 : 60));
  }
  std::vector<NewRecord> records;
  for (std::uint64_t i = 0; i < count; ++i) {
    records.push_back({.key = texts[3 * i],
                       .attributes = texts[3 * i + 1],
                       .value = texts[3 * i + 2],
                       .time = env.now() - age,
                       .count = static_cast<std::uint32_t>(random() % 4)});
  }
  log->append(partition(static_cast<std::uint32_t>(random() % 2)), std::move(records), [](const auto&) {});
  log->run_queued();
}

bool ArchiveWorld::run() {
  for (;;) {
    const auto result = job->step();
    if (!result || !result->more) return result.has_value();
  }
}

std::map<std::string, std::string> ArchiveWorld::objects() {
  std::map<std::string, std::string> objects;
  const auto found = store->list("");
  for (const auto& object : found.value_or(std::vector<ObjectInfo>()))
    objects[object.key] = store->get(object.key).value_or("cannot be read");
  return objects;
}

// ---- Simulation

ArchiveSimulation::ArchiveSimulation(std::uint64_t seed, const ArchiveSimulationOptions& options)
    : options_(options), random_(seed * 6'007 + 11), world_(seed) {}

void ArchiveSimulation::wrong(const std::string& what) {
  if (!wrong_) wrong_ = what;
}

std::optional<std::string> ArchiveSimulation::run() {
  for (int life = 0; life <= options_.lives && !wrong_; ++life) {
    if (auto problem = world_.open(options_.transactions)) return problem;
    note_log();
    check_directory();
    if (const Status started = world_.job->start(); !started)
      return "does not start: " + started.error().text();
    check_no_orphans();
    check_archive();
    if (wrong_) break;
    if (life == options_.lives) {
      finish();
      break;
    }
    // A mutant is honest in its first life: it shall be found out by what is lost, not by a lost topic.
    if (life == 1) world_.env.set_ignore_sync(options_.ignore_sync, options_.ignore_sync);
    live();
    end_process();
  }
  world_.close();
  return wrong_;
}

void ArchiveSimulation::live() {
  if (below(2) == 0) world_.env.die_after(below(400));
  const std::uint64_t steps = below(static_cast<std::uint64_t>(options_.steps_max)) + 1;
  for (std::uint64_t i = 0; i < steps; ++i) step();
}

void ArchiveSimulation::step() {
  switch (below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      // Now and then as after a clock was put back.
      return world_.append(random_, below(4) + 1,
                           below(20) == 0 ? static_cast<DurationUs>(below(3 * kHourUs)) : 0);
    case 4:
      return world_.env.advance(static_cast<DurationUs>(below(30)) * kSecondUs);
    case 5:
      return below(6) == 0 ? world_.env.advance(static_cast<DurationUs>(below(70)) * kMinuteUs) : void();
    case 6:
      world_.log->run_upkeep();
      note_log();  // before anything of it is gone
      return world_.log->run_retention();
    case 7:
      if (!options_.inject_failures) return;
      switch (below(8)) {
        case 0:
          return world_.env.fail_write(below(6));
        case 1:
          return world_.env.fail_sync(below(6));
        case 2:
          return world_.env.set_space(below(20'000));
        default:
          return world_.env.set_space(std::nullopt);
      }
    default:
      std::ignore = world_.job->step();
  }
}

void ArchiveSimulation::end_process() {
  world_.env.set_space(std::nullopt);
  if (below(4) != 0) world_.env.die_after(0);  // else it closes in good order
  world_.close();
  if (below(4) != 0) {
    world_.env.power_loss(random_());
  } else {
    world_.env.restart_process();
  }
}

/// Let it go on undisturbed until every hour is over, then compare everything.
void ArchiveSimulation::finish() {
  world_.env.set_ignore_sync(false, false);
  for (int i = 0; i < 3 && !wrong_; ++i) {
    if (!world_.run()) wrong("a step fails though nothing is wrong");
    world_.env.advance(2 * kHourUs);
  }
  note_log();
  check_directory();
  check_no_orphans();
  check_archive();
  for (std::uint32_t i = 0; i < kTopic.partitions && !wrong_; ++i) {
    const auto position = world_.manifest->position(ArchiveJob::kGroup, partition(i));
    const auto& records = oracle_[partition(i)];
    const std::uint64_t next = position && *position ? (*position)->next.value() : 0;
    if (!records.empty() && next != records.rbegin()->first + 1)
      wrong(fmt::format("partition {}: archived up to {}, the log has {}", i, next, records.rbegin()->first));
    const LakePart of{std::string(kRawZone), std::string(kEventsTopic), "", partition(i)};
    if (!world_.manifest->open_parts(of)->empty()) wrong("an hour stays open");
  }
}

/// Remember all that is in the log: it is durable now, and must never be lost again.
void ArchiveSimulation::note_log() {
  for (std::uint32_t i = 0; i < kTopic.partitions; ++i) {
    const auto stats = world_.log->stats(partition(i));
    if (!stats) return wrong(stats.error().text());
    for (Offset from = stats->start; from < stats->end;) {
      const auto batch = world_.log->read(partition(i), from, {});
      if (!batch) return wrong("cannot read the log: " + batch.error().text());
      if (batch->records.empty()) break;
      for (const Record& record : batch->records) {
        oracle_[partition(i)][record.offset.value()] = {std::string(record.key),
                                                        std::string(record.attributes),
                                                        std::string(record.value), record.time, record.count};
      }
      from = batch->next;
    }
  }
}

/// Read what a stranger would find.
void ArchiveSimulation::check_directory() {
  const auto objects = world_.objects();
  std::set<std::pair<std::string, std::uint64_t>> seen;
  for (const auto& [key, bytes] : objects) {
    static constexpr std::string_view kData = "raw/events/";
    if (!key.starts_with(kData)) continue;
    const auto twin = objects.find("raw/events.meta/" + key.substr(kData.size()));
    if (twin == objects.end()) return wrong(key + " has no twin");
    const auto records = decode_blind(bytes, twin->second);
    if (!records) return wrong(key + ": " + records.error().text());
    const std::string name = key.substr(key.rfind('/') + 1);
    for (const Record& record : records->records()) {
      if (!seen.emplace(name.substr(0, name.find('-')), record.offset.value()).second)
        return wrong(fmt::format("{}: the record at {} is there twice", key, record.offset.value()));
    }
  }
}

void ArchiveSimulation::check_no_orphans() {
  const auto keys = world_.manifest->keys();
  if (!keys) return wrong(keys.error().text());
  std::vector<std::string> found;
  for (const auto& [key, bytes] : world_.objects()) found.push_back(key);
  if (found != *keys)
    wrong(fmt::format("{} files lie there, the manifest has {}", found.size(), keys->size()));
}

void ArchiveSimulation::check_archive() {
  for (std::uint32_t i = 0; i < kTopic.partitions && !wrong_; ++i) check_partition(partition(i));
}

void ArchiveSimulation::check_partition(const TopicPartition& name) {
  const auto position = world_.manifest->position(ArchiveJob::kGroup, name);
  const auto stats = world_.log->stats(name);
  if (!position || !stats) return wrong("cannot ask for the position");
  const std::uint64_t next = *position ? (*position)->next.value() : 0;
  if (stats->start.value() > next)
    return wrong(fmt::format("retention went to {}, the archive only to {}", stats->start.value(), next));
  std::map<std::uint64_t, Kept> found;
  ArchiveReader reader(*world_.manifest, *world_.store, std::string(ArchiveJob::kGroup));
  for (Offset from(0); *position && from.value() < next;) {
    const auto batch = reader.read(name, from, {.records_max = below(30) + 1});
    if (!batch) return wrong("the archive cannot be read: " + batch.error().text());
    for (const Record& record : batch->records) {
      const bool is_new = found
                              .try_emplace(record.offset.value(),
                                           Kept{std::string(record.key), std::string(record.attributes),
                                                std::string(record.value), record.time, record.count})
                              .second;
      if (!is_new) return wrong(fmt::format("the archive gives {} twice", record.offset.value()));
    }
    if (batch->next <= from) return wrong("the archive stands still");
    from = batch->next;
  }
  auto expected = oracle_[name];
  expected.erase(expected.lower_bound(next), expected.end());
  if (found != expected)
    wrong(fmt::format("partition {}: {} records in the archive, {} expected below {}", name.partition.value(),
                      found.size(), expected.size(), next));
  records_verified_ += found.size();
}

}  // namespace millrace
