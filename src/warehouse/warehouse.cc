#include "warehouse/warehouse.h"

#include <map>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"
#include "warehouse/duck.h"
#include "warehouse/interruptions.h"
#include "warehouse/migrations.h"
#include "warehouse/sketch_functions.h"

namespace millrace {
namespace {

constexpr std::uint64_t kCheckpointRoomBytes = 16ull << 20;

/// What must be said before the file is opened. When to checkpoint is the loader's decision
/// (`checkpoint_over`): DuckDB itself would do it after every large transaction, going by what it wrote and
/// not by what its log holds. Without threads of its allocator, freed memory stays with DuckDB: 120 MB after
/// the scan of a million events.
std::map<std::string, std::string> settings_of(const WarehouseOptions& options) {
  return {{"threads", std::to_string(options.threads)},
          {"memory_limit", fmt::format("{}B", options.memory_bytes_max)},
          {"temp_directory", (options.path.parent_path() / "tmp").string()},
          {"autoinstall_known_extensions", "false"},
          {"autoload_known_extensions", "false"},
          {"allow_community_extensions", "false"},
          {"allocator_background_threads", "true"},
          {"checkpoint_threshold", "1GB"}};
}

/// Close the doors. Settings belong to the instance, so this holds for every connection for good.
Status lock_down(duck::Connection& connection, const WarehouseOptions& options) {
  return connection.execute(
      fmt::format("SET TimeZone = 'UTC'; SET allowed_directories = [{}]; SET enable_external_access = false; "
                  "SET lock_configuration = true",
                  sql_literal(options.lake_dir.string())));
}

}  // namespace

Warehouse::Warehouse(Env& env, Path path, std::unique_ptr<duck::Database> database)
    : env_(env),
      path_(std::move(path)),
      database_(std::move(database)),
      answers_(std::make_unique<duck::Interruptions>()) {}

Result<std::unique_ptr<Warehouse>> Warehouse::open(Env& env, const WarehouseOptions& options) {
  MILLRACE_TRY(env.make_dirs(options.path.parent_path()));
  MILLRACE_ASSIGN(auto database, duck::Database::open(options.path.string(), settings_of(options)));
  MILLRACE_ASSIGN(auto connection, database->connect());
  MILLRACE_TRY(register_sketch_functions(connection));
  MILLRACE_TRY(migrate(connection, embedded_migrations(), env.now()));
  MILLRACE_TRY(lock_down(connection, options));
  return std::unique_ptr<Warehouse>(new Warehouse(env, options.path, std::move(database)));
}

Warehouse::~Warehouse() {
  answers_.reset();
  auto connection = database_->connect();
  if (!connection) return;
  if (auto done = connection->execute("CHECKPOINT"); !done) {
    log_warning("warehouse", "could not tidy up at the end; the next start takes longer",
                {field("error", done.error().message)});
  }
}

Result<duck::Connection> Warehouse::connect() {
  return database_->connect();
}

Result<duck::Connection> Warehouse::connect_for_answer() {
  MILLRACE_ASSIGN(auto connection, database_->connect());
  MILLRACE_TRY(answers_->watch(connection));
  return connection;
}

void Warehouse::end_answers() {
  answers_->end();
}

Status Warehouse::checkpoint_over(std::uint64_t log_bytes) {
  std::error_code absent;  // no log, nothing to do
  const auto bytes = std::filesystem::file_size(path_.string() + ".wal", absent);
  if (absent || bytes < log_bytes) return {};
  // A checkpoint that fails for want of room ends all use of the database until it is opened again.
  MILLRACE_ASSIGN(const std::uint64_t room, free_bytes());
  if (room < 2 * bytes + kCheckpointRoomBytes) {
    return fail(Code::kNoSpace, fmt::format("{} MB are free on its disk; make room for {} MB", room >> 20,
                                            (2 * bytes + kCheckpointRoomBytes) >> 20));
  }
  MILLRACE_ASSIGN(auto connection, connect());
  const WriterTurn turn(*this);
  const std::lock_guard lock(beside_mutex_);
  checkpoint_due_ = beside_ > 0;
  checkpoint_bytes_ = log_bytes;
  if (checkpoint_due_) return {};
  return connection.execute("CHECKPOINT");
}

/// Who comes while one is due waits until those who write have ended and it is made: else it would never be,
/// where somebody always does.
WriterBeside::WriterBeside(Warehouse& warehouse) : warehouse_(warehouse) {
  std::unique_lock lock(warehouse_.beside_mutex_);
  warehouse_.beside_changed_.wait(lock, [&] { return !warehouse_.checkpoint_due_; });
  ++warehouse_.beside_;
}

WriterBeside::~WriterBeside() {
  std::unique_lock lock(warehouse_.beside_mutex_);
  --warehouse_.beside_;
  if (warehouse_.beside_ > 0 || !warehouse_.checkpoint_due_) return;
  const auto bytes = warehouse_.checkpoint_bytes_;
  lock.unlock();
  if (const auto done = warehouse_.checkpoint_over(bytes); !done)
    log_warning("warehouse", "could not shorten the warehouse's log", {field("error", done.error().text())});
  lock.lock();
  warehouse_.checkpoint_due_ = false;
  warehouse_.beside_changed_.notify_all();
}

Status Warehouse::check() const {
  if (!database_->is_lost()) return {};
  return fail(
      Code::kInternal,
      "the tables stand still after an error of DuckDB, which the log tells: restart Millrace, it then "
      "loads what came since");
}

Result<std::uint64_t> Warehouse::free_bytes() const {
  return env_.free_bytes(path_.parent_path());
}

}  // namespace millrace
