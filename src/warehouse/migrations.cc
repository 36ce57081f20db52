#include "warehouse/migrations.h"

#include <fmt/format.h>

#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr const char* kCreateLedger =
    "CREATE TABLE IF NOT EXISTS _migrations (number INTEGER NOT NULL, name VARCHAR NOT NULL, "
    "applied_time TIMESTAMP NOT NULL)";

Status apply(duck::Connection& connection, std::size_t number, const Migration& migration, TimeUs now) {
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  MILLRACE_TRY(connection.execute(std::string(migration.sql)));
  MILLRACE_TRY(connection.query("INSERT INTO _migrations VALUES (?, ?, make_timestamp(?))",
                                {static_cast<std::int64_t>(number), migration.name, now}));
  return transaction.commit();
}

}  // namespace

Status migrate(duck::Connection& connection, const std::vector<Migration>& migrations, TimeUs now) {
  MILLRACE_TRY(connection.execute(kCreateLedger));
  MILLRACE_ASSIGN(const auto newest, connection.scalar("SELECT max(number)::BIGINT FROM _migrations"));
  const auto have = static_cast<std::size_t>(newest.value_or(0));
  if (have > migrations.size()) {
    return fail(
        Code::kInvalid,
        fmt::format("the warehouse was written by a newer Millrace (its tables have version {}, this program "
                    "knows {}): use that version, or a copy of the data from before the upgrade",
                    have, migrations.size()));
  }
  for (std::size_t i = have; i < migrations.size(); ++i) {
    if (auto done = apply(connection, i + 1, migrations[i], now); !done) {
      return fail(std::move(done).error().with_context(fmt::format("migration {}", migrations[i].name)));
    }
  }
  return {};
}

}  // namespace millrace
