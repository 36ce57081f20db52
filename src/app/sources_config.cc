#include "app/sources_config.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/time_zone.h"
#include "event/source_state.h"
#include "net/tls_client.h"

namespace millrace {
namespace {

enum class Kind : std::uint8_t { kMysql, kHttp };

void read_limits(const YamlMap& map, MysqlLimits& limits) {
  map.optional("rows_per_second", limits.rows_per_second, std::uint64_t{0}, std::uint64_t{1} << 40);
  map.optional_bytes("bytes_per_second", limits.bytes_per_second);
  map.optional_duration("lag_max", limits.lag_max);
  map.optional("threads_running_max", limits.threads_running_max, std::uint64_t{0}, std::uint64_t{1} << 20);
  map.optional_duration("wait", limits.wait);
}

MysqlTableChoice read_table(const std::string& name, const YamlMap& map) {
  MysqlTableChoice choice{.name = name, .columns = {}, .exclude = {}};
  map.optional("columns", choice.columns);
  map.optional("exclude", choice.exclude);
  map.optional("cursor", choice.cursor);
  map.optional("whole", choice.whole);
  return choice;
}

/// `all`, a list of names, or a map of names.
void read_tables(const YamlValue& value, MysqlSource& source) {
  if (value.is_text()) {
    std::string all;
    value.read(all);
    if (all != "all") value.error("takes all, a list of tables, or a map of them");
    return;
  }
  source.tables.emplace();
  if (value.is_list()) {
    std::vector<std::string> names;
    value.read(names);
    for (const std::string& name : names)
      source.tables->push_back({.name = name, .columns = {}, .exclude = {}});
    return;
  }
  for (const auto& [name, entry] : value.map().entries())
    source.tables->push_back(read_table(name, entry.map()));
}

void read_tls(const YamlMap& map, MysqlSource& source) {
  // On this machine there is nobody to listen.
  const bool is_local = !source.socket.empty() || source.host == "localhost" ||
                        source.host.starts_with("127.") || source.host == "::1";
  source.tls = is_local ? MysqlSource::Tls::kOff : MysqlSource::Tls::kVerify;
  map.optional_choice("tls", source.tls,
                      {{"off", MysqlSource::Tls::kOff}, {"verify", MysqlSource::Tls::kVerify}});
  if (!map.optional("ca_file", source.ca_file)) return;
  if (const auto trust = TlsTrust::load(source.ca_file); !trust)
    map.find("ca_file")->error(trust.error().message);
  if (!map.find("tls")) source.tls = MysqlSource::Tls::kVerify;
}

/// Read `TABLE: COLUMN` where there is one alone.
OrderTables::Column read_column(const YamlMap& map, std::string_view key) {
  OrderTables::Column column;
  const auto entries = map.map(key).entries();
  if (entries.size() != 1) {
    map.error(fmt::format("'{}' takes one TABLE: COLUMN", key));
    return column;
  }
  column.table = entries[0].first;
  entries[0].second.read(column.column);
  return column;
}

/// Read `TABLE: {COLUMN: OTHER_TABLE.COLUMN}` of each table that is joined.
std::vector<OrderTables::Join> read_joins(const YamlMap& map, const OrderTables& tables) {
  std::vector<OrderTables::Join> joins;
  std::vector<std::string> known{tables.head.table, tables.lines.table};
  for (const auto& [table, value] : map.entries()) {
    for (const auto& [column, to] : value.map().entries()) {
      std::string text;
      to.read(text);
      const auto found =
          std::ranges::find_if(known, [&](const std::string& name) { return text.starts_with(name + "."); });
      if (found == known.end()) {
        to.error(fmt::format("expected TABLE.COLUMN, the table being {}", fmt::join(known, ", ")));
        continue;
      }
      joins.push_back({.own = {table, column}, .to = {*found, text.substr(found->size() + 1)}});
    }
    known.push_back(table);
  }
  return joins;
}

std::optional<OrderMapping> read_orders(Env& env, const Path& project, const std::string& source,
                                        const YamlValue& value) {
  const YamlMap map = value.map();
  OrderTables tables{.source = source, .head = read_column(map, "head"), .lines = read_column(map, "lines")};
  tables.joins = read_joins(map.map("join"), tables);
  map.optional_duration("wait", tables.wait, 0, kMinuteUs);
  std::string path;
  map.required("map", path);
  if (path.empty()) return std::nullopt;
  const Path file = std::filesystem::absolute(project / path).lexically_normal();
  const auto text = read_file(env, file);
  auto mapping = text ? parse_mapping(*text, file, env) : fail(text.error());
  auto made =
      mapping ? make_order_mapping(std::move(tables), *std::move(mapping), *text) : fail(mapping.error());
  if (made) return *std::move(made);
  map.find("map")->error(made.error().text());
  return std::nullopt;
}

MysqlSource read_mysql_source(Env& env, const Path& project, const std::string& name, const YamlMap& map) {
  MysqlSource source;
  source.name = name;
  map.optional("host", source.host);
  map.optional("port", source.port, 1, 65'535);
  map.optional("socket", source.socket);
  map.required("user", source.user);
  map.optional("password", source.password);
  map.required("database", source.database);
  if (const auto tables = map.find("tables")) read_tables(*tables, source);
  map.optional("exclude_tables", source.exclude_tables);
  if (map.optional("zone", source.zone))
    if (const auto zone = TimeZone::load(env, source.zone); !zone)
      map.find("zone")->error(zone.error().message);
  map.optional("allow_primary", source.allow_primary);
  map.optional("follow", source.follow);
  map.optional_duration("outage_after", source.outage_after, 0, kDayUs);
  map.optional("chunk_rows", source.chunk_rows, 1, 10'000'000);
  map.optional_duration("cursor_overlap", source.cursor_overlap, 0, kDayUs);
  read_limits(map.map("limits"), source.limits);
  read_tls(map, source);
  if (const auto orders = map.find("orders")) source.orders = read_orders(env, project, name, *orders);
  return source;
}

}  // namespace

Sources read_sources(Env& env, const Path& project, const YamlMap& sources) {
  Sources all;
  for (const auto& [name, value] : sources.entries()) {
    if (const Status fits = check_source_name(name); !fits) value.error(fits.error().message);
    const YamlMap map = value.map();
    Kind kind = Kind::kMysql;
    if (!map.optional_choice("kind", kind, {{"mysql", Kind::kMysql}, {"http", Kind::kHttp}}))
      map.missing("kind");
    if (kind == Kind::kHttp)
      all.apis.push_back(read_http_source(env, project, name, map));
    else
      all.databases.push_back(read_mysql_source(env, project, name, map));
  }
  return all;
}

}  // namespace millrace
