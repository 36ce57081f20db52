#include "stream/subscription_store.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS subscriptions("
    "  name TEXT PRIMARY KEY, settings TEXT NOT NULL, epoch INTEGER NOT NULL,"
    "  dead_letters_replayed INTEGER NOT NULL, counts TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS progress("
    "  subscription TEXT, topic_partition INTEGER, next_offset INTEGER NOT NULL, reach_offset INTEGER NOT "
    "NULL,"
    "  undone TEXT NOT NULL,"
    "  PRIMARY KEY (subscription, topic_partition)"
    ") STRICT, WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

std::string counts_json(const SubscriptionCounts& counts) {
  return Json{{"delivered", counts.delivered}, {"acked", counts.acked}, {"nacked", counts.nacked},
              {"expired", counts.expired},     {"dead", counts.dead},   {"lost", counts.lost}}
      .dump();
}

SubscriptionCounts parse_counts(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto number = [&](const char* name) { return json.value(name, std::uint64_t{0}); };
  return {number("delivered"), number("acked"), number("nacked"),
          number("expired"),   number("dead"),  number("lost")};
}

}  // namespace

Result<SubscriptionStore> SubscriptionStore::open(const Path& path) {
  MILLRACE_ASSIGN(auto database, sqlite::Database::open(path, "the subscriptions"));
  std::int64_t version = 0;
  {
    sqlite::Statement statement(database, "PRAGMA user_version");
    MILLRACE_TRY(statement.step());
    version = statement.integer(0);
  }
  if (version > kVersion)
    return fail(
        Code::kInvalid,
        fmt::format("the subscriptions have version {}, this program knows version {}; use the newer program",
                    version, kVersion),
        path.string());
  MILLRACE_TRY(database.execute(kSchema));
  return SubscriptionStore(std::move(database));
}

Result<SubscriptionStore::Loaded> SubscriptionStore::load() const {
  Loaded loaded;
  sqlite::Statement subscriptions(
      database_,
      "SELECT name, settings, epoch, dead_letters_replayed, counts FROM subscriptions ORDER BY name");
  for (;;) {
    MILLRACE_ASSIGN(const bool more, subscriptions.step());
    if (!more) break;
    auto settings = parse_subscription_settings(subscriptions.text(1));
    if (!settings)
      return fail(Code::kCorrupt, "the stored settings cannot be read: " + settings.error().text(),
                  subscriptions.text(0));
    loaded.subscriptions.push_back({subscriptions.text(0), *std::move(settings), subscriptions.number(2),
                                    Offset(subscriptions.number(3)), parse_counts(subscriptions.text(4))});
  }
  sqlite::Statement progress(
      database_, "SELECT subscription, topic_partition, next_offset, reach_offset, undone FROM progress");
  for (;;) {
    MILLRACE_ASSIGN(const bool more, progress.step());
    if (!more) break;
    MILLRACE_ASSIGN(auto one, SubscriptionProgress::parse(Offset(progress.number(2)),
                                                          Offset(progress.number(3)), progress.text(4)));
    loaded.progress.push_back(
        {progress.text(0), PartitionId(static_cast<std::uint32_t>(progress.number(1))), std::move(one)});
  }
  return loaded;
}

Status SubscriptionStore::write(const SubscriptionChanges& changes) {
  MILLRACE_TRY(database_.execute("BEGIN IMMEDIATE"));
  Status done = write_rows(changes);
  if (done) done = database_.execute("COMMIT");
  if (!done) std::ignore = database_.execute("ROLLBACK");  // refused when SQLite has rolled back itself
  return done;
}

Status SubscriptionStore::write_rows(const SubscriptionChanges& changes) {
  sqlite::Statement forget(database_, "DELETE FROM subscriptions WHERE name = ?1");
  sqlite::Statement forget_progress(database_, "DELETE FROM progress WHERE subscription = ?1");
  for (const std::string& name : changes.removed) {
    MILLRACE_TRY(forget.bind(name).run());
    MILLRACE_TRY(forget_progress.bind(name).run());
  }
  sqlite::Statement put(database_, "INSERT OR REPLACE INTO subscriptions VALUES (?1, ?2, ?3, ?4, ?5)");
  for (const StoredSubscription& one : changes.put)
    MILLRACE_TRY(put.bind(one.name)
                     .bind(subscription_settings_json(one.settings))
                     .bind(one.epoch)
                     .bind(one.dead_letters_replayed.value())
                     .bind(counts_json(one.counts))
                     .run());
  sqlite::Statement progress(database_, "INSERT OR REPLACE INTO progress VALUES (?1, ?2, ?3, ?4, ?5)");
  for (const auto& one : changes.progress)
    MILLRACE_TRY(progress.bind(one.subscription)
                     .bind(std::int64_t{one.partition.value()})
                     .bind(one.progress.next.value())
                     .bind(one.progress.reach.value())
                     .bind(one.progress.undone_text())
                     .run());
  return {};
}

}  // namespace millrace
