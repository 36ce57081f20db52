#include "lake/manifest.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS files("
    "  key TEXT PRIMARY KEY, zone TEXT NOT NULL, dataset TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT "
    "NULL,"
    "  topic TEXT NOT NULL, topic_partition INTEGER NOT NULL,"
    "  first_offset INTEGER NOT NULL, last_offset INTEGER NOT NULL, record_count INTEGER NOT NULL,"
    "  raw_bytes INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum TEXT NOT NULL, created_us INTEGER NOT "
    "NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('live', 'staged', 'replaced'))"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS files_by_offset"
    "  ON files(zone, dataset, topic, topic_partition, last_offset);"
    "CREATE INDEX IF NOT EXISTS files_unsettled ON files(state) WHERE state <> 'live';"
    "CREATE TABLE IF NOT EXISTS closed_parts("
    "  zone TEXT, dataset TEXT, path TEXT, topic TEXT, topic_partition INTEGER,"
    "  PRIMARY KEY (zone, dataset, path, topic, topic_partition)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS positions("
    "  job TEXT, topic TEXT, topic_partition INTEGER,"
    "  start_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL, newest_us INTEGER NOT NULL,"
    "  record_count INTEGER NOT NULL,"
    "  PRIMARY KEY (job, topic, topic_partition)"
    ") STRICT, WITHOUT ROWID";

#define MILLRACE_FILE_COLUMNS                                                                          \
  "SELECT zone, dataset, path, topic, topic_partition, name, first_offset, last_offset, record_count," \
  "  raw_bytes, bytes, checksum, created_us, state FROM files "

constexpr std::string_view kStagingPrefix = "staging/";
constexpr std::string_view kStateNames[] = {"live", "staged", "replaced"};

std::string_view name_of(LakeFileState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

LakeFileState state_of(std::string_view name) {
  const auto found = std::ranges::find(kStateNames, name);
  return static_cast<LakeFileState>(found - std::begin(kStateNames));
}

Hash128 hash_of(std::string_view hex) {
  const auto part = [&](std::size_t from) {
    std::uint64_t value = 0;
    const std::string_view digits = hex.substr(std::min(from, hex.size()), 16);
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return value;
  };
  return {part(0), part(16)};
}

LakeFile file_of(const sqlite::Statement& row) {
  LakeFile file;
  file.part = {row.text(0),
               row.text(1),
               row.text(2),
               {row.text(3), PartitionId(static_cast<std::uint32_t>(row.integer(4)))}};
  file.name = row.text(5);
  file.first = Offset(row.number(6));
  file.last = Offset(row.number(7));
  file.records = row.number(8);
  file.raw_bytes = row.number(9);
  file.bytes = row.number(10);
  file.checksum = hash_of(row.text(11));
  file.created = row.integer(12);
  file.state = state_of(row.text(13));
  return file;
}

/// Bind what `zone = ? AND dataset = ? AND topic = ? AND topic_partition = ?` want.
sqlite::Statement& bind_part(sqlite::Statement& statement, const LakePart& part) {
  return statement.bind(part.zone)
      .bind(part.dataset)
      .bind(part.source.topic)
      .bind(std::int64_t{part.source.partition.value()});
}

}  // namespace

std::string LakeFile::key() const {
  return fmt::format("{}/{}/{}/{}", part.zone, part.dataset, part.path, name);
}

std::string LakeFile::object_key() const {
  return state == LakeFileState::kStaged ? staging_key(key()) : key();
}

std::string staging_key(std::string_view key) {
  return fmt::format("{}{}", kStagingPrefix, key);
}

Result<std::unique_ptr<Manifest>> Manifest::open(const Path& path, const ManifestOptions& options) {
  MILLRACE_ASSIGN(auto database, sqlite::Database::open(path, "the lake's manifest", options.vfs));
  MILLRACE_TRY(database.execute(kSchema));
  return std::unique_ptr<Manifest>(new Manifest(std::move(database), options));
}

Status Manifest::apply(const ManifestChange& change) {
  const std::lock_guard lock(mutex_);
  if (!options_.transactions) return write(change);
  MILLRACE_TRY(database_.execute("BEGIN IMMEDIATE"));
  Status done = write(change);
  if (done) done = database_.execute("COMMIT");
  if (!done) std::ignore = database_.execute("ROLLBACK");  // refused when SQLite has rolled back itself
  return done;
}

Status Manifest::write(const ManifestChange& change) {
  for (const auto& position : change.positions) MILLRACE_TRY(write_position(position));
  for (const auto& file : change.add) MILLRACE_TRY(write_file(file));
  MILLRACE_TRY(for_keys("UPDATE files SET state = 'replaced' WHERE key = ?1", change.replace));
  MILLRACE_TRY(
      for_keys("UPDATE files SET state = 'live' WHERE key = ?1 AND state = 'staged'", change.settle));
  MILLRACE_TRY(for_keys("DELETE FROM files WHERE key = ?1", change.forget));
  if (!change.close) return {};
  sqlite::Statement insert(database_,
                           "INSERT OR REPLACE INTO closed_parts(zone, dataset, topic, topic_partition, path) "
                           "VALUES(?1, ?2, ?3, ?4, ?5)");
  return bind_part(insert, *change.close).bind(change.close->path).run();
}

Status Manifest::write_file(const LakeFile& file) {
  sqlite::Statement insert(
      database_,
      "INSERT OR REPLACE INTO files(zone, dataset, topic, topic_partition, path, name, key,"
      " first_offset, last_offset, record_count, raw_bytes, bytes, checksum, created_us,"
      " state) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)");
  bind_part(insert, file.part).bind(file.part.path).bind(file.name).bind(file.key());
  insert.bind(file.first.value()).bind(file.last.value()).bind(file.records).bind(file.raw_bytes);
  insert.bind(file.bytes).bind(to_hex(file.checksum)).bind(file.created).bind(name_of(file.state));
  return insert.run();
}

Status Manifest::write_position(const LakePosition& position) {
  sqlite::Statement insert(database_, "INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  insert.bind(position.job).bind(position.partition.topic);
  insert.bind(std::int64_t{position.partition.partition.value()}).bind(position.start.value());
  insert.bind(position.next.value()).bind(position.newest).bind(position.records);
  return insert.run();
}

Status Manifest::for_keys(const char* sql, const std::vector<std::string>& keys) {
  if (keys.empty()) return {};
  sqlite::Statement statement(database_, sql);
  for (const auto& key : keys) MILLRACE_TRY(statement.bind(key).run());
  return {};
}

Result<std::optional<LakePosition>> Manifest::position(std::string_view job,
                                                       const TopicPartition& partition) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_,
                           "SELECT start_offset, next_offset, newest_us, record_count FROM positions "
                           "WHERE job = ?1 AND topic = ?2 AND topic_partition = ?3");
  select.bind(job).bind(partition.topic).bind(std::int64_t{partition.partition.value()});
  MILLRACE_ASSIGN(const bool found, select.step());
  if (!found) return std::nullopt;
  return LakePosition{std::string(job),         partition,         Offset(select.number(0)),
                      Offset(select.number(1)), select.integer(2), select.number(3)};
}

Result<std::vector<LakeFile>> Manifest::read_all(sqlite::Statement& select) {
  std::vector<LakeFile> files;
  for (;;) {
    MILLRACE_ASSIGN(const bool found, select.step());
    if (!found) return files;
    files.push_back(file_of(select));
  }
}

Result<std::vector<LakeFile>> Manifest::files(const LakePart& part) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(
      database_, MILLRACE_FILE_COLUMNS
      "WHERE zone = ?1 AND dataset = ?2 AND topic = ?3 AND topic_partition = ?4 AND path = ?5"
      "  AND state <> 'replaced' ORDER BY first_offset");
  bind_part(select, part).bind(part.path);
  return read_all(select);
}

Result<std::vector<LakeFile>> Manifest::files_from(const LakePart& part, Offset from,
                                                   std::size_t files_max) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_, MILLRACE_FILE_COLUMNS
                           "WHERE zone = ?1 AND dataset = ?2 AND topic = ?3 AND topic_partition = ?4"
                           "  AND last_offset >= ?5 AND state <> 'replaced' ORDER BY first_offset LIMIT ?6");
  bind_part(select, part).bind(from.value()).bind(std::uint64_t{files_max});
  return read_all(select);
}

Result<std::optional<LakeFile>> Manifest::file(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_, MILLRACE_FILE_COLUMNS "WHERE key = ?1");
  MILLRACE_ASSIGN(const bool found, select.bind(key).step());
  if (!found) return std::nullopt;
  return file_of(select);
}

Result<std::vector<LakeFile>> Manifest::unsettled() const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_, MILLRACE_FILE_COLUMNS "WHERE state <> 'live' ORDER BY key");
  return read_all(select);
}

Result<std::vector<LakePart>> Manifest::open_parts(const LakePart& of) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_,
                           "SELECT DISTINCT path FROM files "
                           "WHERE zone = ?1 AND dataset = ?2 AND topic = ?3 AND topic_partition = ?4"
                           " EXCEPT SELECT path FROM closed_parts "
                           "WHERE zone = ?1 AND dataset = ?2 AND topic = ?3 AND topic_partition = ?4");
  bind_part(select, of);
  std::vector<LakePart> parts;
  for (;;) {
    MILLRACE_ASSIGN(const bool found, select.step());
    if (!found) return parts;
    parts.push_back({of.zone, of.dataset, select.text(0), of.source});
  }
}

Result<bool> Manifest::is_closed(const LakePart& part) const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_,
                           "SELECT 1 FROM closed_parts WHERE zone = ?1 AND dataset = ?2 AND topic = ?3"
                           "  AND topic_partition = ?4 AND path = ?5");
  return bind_part(select, part).bind(part.path).step();
}

Result<std::vector<std::string>> Manifest::keys() const {
  const std::lock_guard lock(mutex_);
  sqlite::Statement select(database_, "SELECT key FROM files ORDER BY key");
  std::vector<std::string> keys;
  for (;;) {
    MILLRACE_ASSIGN(const bool found, select.step());
    if (!found) return keys;
    keys.push_back(select.text(0));
  }
}

}  // namespace millrace
