#include "warehouse/warehouse.h"

#include <map>

#include <fmt/format.h>

#include "base/logging.h"
#include "warehouse/duck.h"
#include "warehouse/migrations.h"

namespace millrace {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

/// What must be said before the file is opened. More memory for the write-ahead log than DuckDB's 16 MB means
/// fewer checkpoints under load, yet a crash leaves no more than this to replay at the next open.
std::map<std::string, std::string> settings_of(const WarehouseOptions& options) {
  return {{"threads", std::to_string(options.threads)},
          {"memory_limit", fmt::format("{}B", options.memory_bytes_max)},
          {"temp_directory", (options.path.parent_path() / "tmp").string()},
          {"autoinstall_known_extensions", "false"},
          {"autoload_known_extensions", "false"},
          {"allow_community_extensions", "false"},
          {"checkpoint_threshold", "64MB"}};
}

/// Close the doors. Settings belong to the instance, so this holds for every connection for good.
Status lock_down(duck::Connection& connection, const WarehouseOptions& options) {
  return connection.execute(
      fmt::format("SET TimeZone = 'UTC'; SET allowed_directories = [{}]; SET enable_external_access = false; "
                  "SET lock_configuration = true",
                  quoted(options.lake_dir.string())));
}

}  // namespace

Warehouse::Warehouse(Env& env, Path dir, std::unique_ptr<duck::Database> database)
    : env_(env), dir_(std::move(dir)), database_(std::move(database)) {}

Result<std::unique_ptr<Warehouse>> Warehouse::open(Env& env, const WarehouseOptions& options) {
  MILLRACE_TRY(env.make_dirs(options.path.parent_path()));
  MILLRACE_ASSIGN(auto database, duck::Database::open(options.path.string(), settings_of(options)));
  MILLRACE_ASSIGN(auto connection, database->connect());
  MILLRACE_TRY(migrate(connection, embedded_migrations(), env.now()));
  MILLRACE_TRY(lock_down(connection, options));
  return std::unique_ptr<Warehouse>(new Warehouse(env, options.path.parent_path(), std::move(database)));
}

Warehouse::~Warehouse() {
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

Result<std::uint64_t> Warehouse::free_bytes() const {
  return env_.free_bytes(dir_);
}

}  // namespace millrace
