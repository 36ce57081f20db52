#include "source/source_guard.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/logging.h"

namespace millrace {
namespace {

constexpr DurationUs kAskEvery = kSecondUs / 4;
constexpr DurationUs kPauseMin = kSecondUs / 4;
constexpr DurationUs kPauseMax = 2 * kSecondUs;

/// Return the values of the column `name` in an answer with names.
std::vector<std::optional<std::string>> column(const std::vector<MysqlConnection::Row>& rows,
                                               std::string_view name) {
  std::vector<std::optional<std::string>> values;
  const auto found = std::ranges::find(rows[0], std::optional<std::string>(name));
  if (found == rows[0].end()) return values;
  const auto at = static_cast<std::size_t>(found - rows[0].begin());
  for (std::size_t i = 1; i < rows.size(); ++i) values.push_back(rows[i][at]);
  return values;
}

}  // namespace

bool takes_writes(std::string_view read_only) {
  return read_only.empty() || read_only == "0" || read_only == "OFF";
}

SourceGuard::SourceGuard(const MysqlSource& source, Env& env, std::stop_token stop,
                         std::unique_ptr<MysqlConnection> connection)
    : source_(source), env_(env), stop_(std::move(stop)), connection_(std::move(connection)) {}

Result<std::unique_ptr<SourceGuard>> SourceGuard::open(const MysqlSource& source, Env& env,
                                                       std::stop_token stop) {
  MILLRACE_ASSIGN(auto connection, MysqlConnection::connect(source));
  std::unique_ptr<SourceGuard> guard(new SourceGuard(source, env, std::move(stop), std::move(connection)));
  MILLRACE_TRY(guard->check_role());
  MILLRACE_TRY(guard->check());
  return guard;
}

Status SourceGuard::check_role() {
  if (source_.allow_primary) return {};
  MILLRACE_ASSIGN(const std::string read_only, connection_->value("SELECT @@global.read_only"));
  if (!takes_writes(read_only)) return {};
  return fail(
      Code::kDenied,
      fmt::format("{} takes writes (read_only is off), so it may be the primary that your shop lives on: "
                  "name a read-only replica as host of the source {}, or say allow_primary: true there",
                  source_.address(), source_.name));
}

Status SourceGuard::check() {
  const DurationUs begun = env_.steady_now();
  if (asked_ != 0 && begun - asked_ < kAskEvery) return {};
  for (DurationUs pause = kPauseMin;; pause = std::min(2 * pause, kPauseMax)) {
    if (stop_.stop_requested()) return fail(Code::kCancelled, "stopped; the same command goes on");
    MILLRACE_ASSIGN(const auto complaint, this->complaint());
    asked_ = env_.steady_now();
    if (!complaint) return {};
    if (asked_ - begun >= source_.limits.wait)
      return fail(
          Code::kOverloaded,
          fmt::format("{}: extract later, or raise the limit of the source {}; what was read is kept, and "
                      "the same command goes on",
                      *complaint, source_.name));
    if (pause == kPauseMin)
      log_warning("extract", "waits for the source",
                  {field("source", source_.name), field("why", *complaint)});
    env_.sleep_for(std::min(pause, source_.limits.wait));
  }
}

/// Return what is past a limit, or nothing.
Result<std::optional<std::string>> SourceGuard::complaint() {
  if (const auto most = source_.limits.threads_running_max; most > 0) {
    MILLRACE_ASSIGN(const auto rows, connection_->query("SHOW GLOBAL STATUS LIKE 'Threads_running'"));
    const auto running = rows.empty() ? 0 : std::strtoull(rows[0][1].value_or("0").c_str(), nullptr, 10);
    if (running > most)
      return fmt::format("{} threads run on {}, more than threads_running_max {}", running, source_.address(),
                         most);
  }
  if (source_.limits.lag_max > 0) return lag_complaint();
  return std::optional<std::string>();
}

Result<std::optional<std::string>> SourceGuard::lag_complaint() {
  const bool mariadb = connection_->is_mariadb();
  auto rows = connection_->query_with_names(mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS");
  if (!rows) {
    if (source_.allow_primary && rows.error().code != Code::kIo) return std::optional<std::string>();
    return fail(std::move(rows).error().with_context(fmt::format(
        "cannot see how far the replica is behind (GRANT {} ON *.* to the user, or set lag_max: 0s)",
        mariadb ? "SLAVE MONITOR" : "REPLICATION CLIENT")));
  }
  for (const auto& lag : column(*rows, mariadb ? "Seconds_Behind_Master" : "Seconds_Behind_Source")) {
    if (!lag) return fmt::format("replication is not running on {}", source_.address());
    const auto seconds = std::strtoll(lag->c_str(), nullptr, 10);
    if (seconds * kSecondUs > source_.limits.lag_max)
      return fmt::format("the replica {} is {} s behind, more than lag_max {} s", source_.address(), seconds,
                         source_.limits.lag_max / kSecondUs);
  }
  return std::optional<std::string>();
}

}  // namespace millrace
