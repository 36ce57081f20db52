#include "warehouse/transform_set.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "base/text.h"
#include "warehouse/json_cells.h"

namespace millrace {
namespace {

/// Gathers mistakes: the first gives the place, each further one is a line.
class Mistakes {
 public:
  void add(const Error& error) {
    if (!error_) {
      error_ = error;
    } else {
      error_->message += "\n" + error.text();
    }
  }
  bool any() const { return error_.has_value(); }
  Status finish() const { return error_ ? fail(*error_) : Status{}; }

 private:
  std::optional<Error> error_;
};

/// Return "; did you mean x?" or what else to do.
std::string or_nearest(std::string_view name, const std::vector<std::string>& known,
                       std::string_view otherwise) {
  const auto nearest = nearest_name(name, known);
  return nearest.empty() ? fmt::format("; {}", otherwise) : fmt::format("; did you mean {}?", nearest);
}

Result<std::vector<std::string>> source_names(duck::Connection& connection) {
  MILLRACE_ASSIGN(auto rows,
                  connection.query("SELECT lower(table_name) FROM information_schema.tables WHERE "
                                   "table_schema = 'main' AND table_catalog = current_database() AND "
                                   "NOT starts_with(table_name, '_')"));
  std::vector<std::string> names;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return names;
    for (std::size_t i = 0; i < rows.size(); ++i) names.emplace_back(rows.text(0, i));
  }
}

/// DuckDB's complaint on a statement whose lines are those of the file, at its line.
Error bind_error(const Transform& transform, const Error& error) {
  if (error.code != Code::kInvalid) return error;
  std::string message = error.message.substr(0, error.message.find("\n\nLINE "));
  if (const auto colon = message.find("Error: "); colon != std::string::npos)
    message = message.substr(colon + 7);
  std::ranges::replace(message, '\n', ' ');
  const auto line = error.message.find("\nLINE ");
  if (line == std::string::npos) return {Code::kInvalid, message, transform.path.string()};
  const auto digits = error.message.substr(line + 6, error.message.find(':', line + 6) - line - 6);
  return {Code::kInvalid, message, fmt::format("{}:{}", transform.path.string(), digits)};
}

/// Brings the transforms of a project into an order and checks them.
class Check {
 public:
  Check(duck::Connection& connection, std::vector<SoundTransform>& order)
      : connection_(connection), order_(order) {}

  Status run(const std::vector<TransformFile>& files) {
    if (files.size() > kTransformsMax)
      return fail(Code::kInvalid, fmt::format("there are {} transforms; at most {} may be declared",
                                              files.size(), kTransformsMax));
    MILLRACE_TRY(read_all(files));
    MILLRACE_TRY(check_names());
    for (const auto& [name, one] : read_) {
      std::vector<std::string> path;
      place(name, path);
    }
    MILLRACE_TRY(mistakes_.finish());
    return bind_all();
  }

 private:
  Status read_all(const std::vector<TransformFile>& files) {
    MILLRACE_ASSIGN(const auto reader, TransformReader::open(connection_));
    for (const auto& file : files) {
      auto transform = parse_transform(file);
      if (!transform) {
        mistakes_.add(transform.error());
        continue;
      }
      auto reads = reader.read(*transform);
      if (!reads && reads.error().code != Code::kInvalid) return fail(std::move(reads).error());
      if (!reads) {
        mistakes_.add(reads.error());
        continue;
      }
      SoundTransform one{*std::move(transform), *std::move(reads), {}, {}};
      check_interval(one);
      const std::string name = one.transform.name;
      if (!read_.emplace(name, std::move(one)).second)
        mistakes_.add({Code::kInvalid, "there are two transforms of that name", file.path.string()});
    }
    return {};
  }

  void wrong(const SoundTransform& one, std::string message) {
    mistakes_.add({Code::kInvalid, std::move(message), one.transform.path.string()});
  }

  void check_interval(const SoundTransform& one) {
    if (one.transform.is_incremental() && !one.reads.bounds)
      return wrong(one,
                   "has an interval, but its SQL does not say which rows are of it: add for example "
                   "WHERE event_time >= @start AND event_time < @end");
    if (!one.transform.is_incremental() && one.reads.bounds)
      wrong(one, "says @start or @end, which go with 'interval' and 'time' in its head");
  }

  Status check_names() {
    MILLRACE_ASSIGN(const auto sources, source_names(connection_));
    std::vector<std::string> names;
    for (const auto& [name, one] : read_) names.push_back(name);
    for (const auto& [name, one] : read_) {
      for (const auto& ref : one.reads.refs) {
        if (!read_.contains(ref) && !mistakes_.any())  // it may be one that could not be read
          wrong(one, fmt::format("there is no transform '{}'{}", ref,
                                 or_nearest(ref, names, "add the file transforms/" + ref + ".sql")));
      }
      for (const auto& source : one.reads.sources) {
        if (std::ranges::find(sources, source) == sources.end())
          wrong(one, fmt::format("there is no table '{}' in the warehouse{}", source,
                                 or_nearest(source, sources, "docs/schema.md lists them")));
      }
      if (one.transform.is_incremental() && !has_time(one))
        wrong(one,
              "has an interval, but reads nothing whose rows have a time: take the interval away, and it is "
              "made "
              "anew in each run");
    }
    return mistakes_.finish();
  }

  bool has_time(const SoundTransform& one) const {
    const auto timed = [&](const std::string& ref) {
      const auto found = read_.find(ref);
      return found != read_.end() && found->second.transform.is_incremental();
    };
    return std::ranges::any_of(one.reads.refs, timed) ||
           std::ranges::any_of(one.reads.sources,
                               [](const auto& name) { return !facts_of(name).table.empty(); });
  }

  /// Add one after what it reads. `path` is who asked for it.
  void place(const std::string& name, std::vector<std::string>& path) {
    const auto found = read_.find(name);
    if (found == read_.end() || placed_.contains(name)) return;
    if (const auto begin = std::ranges::find(path, name); begin != path.end()) {
      std::vector<std::string> circle(begin, path.end());
      const auto first = std::ranges::min_element(circle);
      std::ranges::rotate(circle, first);
      circle.push_back(circle.front());
      if (circles_.insert(circle.front()).second)
        wrong(found->second,
              fmt::format("leads in a circle: {}; take one of these ref() out, or put what they share into a "
                          "transform that reads neither",
                          fmt::join(circle, " → ")));
      return;
    }
    path.push_back(name);
    for (const auto& ref : found->second.reads.refs) place(ref, path);
    path.pop_back();
    if (placed_.insert(name).second) order_.push_back(found->second);
  }

  /// Make all tables, empty, in a transaction that is taken back.
  Status bind_all() {
    MILLRACE_ASSIGN(const auto transaction, duck::Transaction::begin(connection_));
    for (auto& one : order_) {
      const auto& transform = one.transform;
      const auto made =
          connection_.execute(fmt::format("CREATE OR REPLACE TABLE {} AS {}\nWITH NO DATA", transform.table(),
                                          expand_transform(transform.text, {0, kDayUs})));
      if (!made) {
        if (made.error().code != Code::kInvalid) return fail(made.error());
        mistakes_.add(bind_error(transform, made.error()));
        return mistakes_.finish();  // what reads it cannot be bound
      }
      MILLRACE_TRY(learn_columns(one));
      check_columns(one);
      one.hash = hash_of(one);
    }
    return mistakes_.finish();
  }

  Status learn_columns(SoundTransform& one) {
    MILLRACE_ASSIGN(auto rows,
                    connection_.query(fmt::format("SELECT * FROM {} LIMIT 0", one.transform.table())));
    for (std::size_t i = 0; i < rows.column_count(); ++i) {
      const auto type = rows.column_type(i);
      MILLRACE_ASSIGN(auto type_name, sql_type_name(type.get()));
      one.columns.emplace_back(rows.column_name(i), std::move(type_name));
    }
    return {};
  }

  void check_columns(const SoundTransform& one) {
    const auto& transform = one.transform;
    std::vector<std::string> known;
    for (const auto& [name, type] : one.columns) known.push_back(name);
    const auto need = [&](const std::string& name, std::string_view key) {
      if (std::ranges::find(known, name) == known.end())
        wrong(one,
              fmt::format("{}: there is no column '{}'{}", key, name,
                          or_nearest(name, known, "it makes " + fmt::format("{}", fmt::join(known, ", ")))));
    };
    for (const auto& columns : transform.unique)
      for (const auto& column : columns) need(column, "unique");
    for (const auto& column : transform.not_null) need(column, "not_null");
    for (const auto& accepted : transform.accepted) need(accepted.column, "accepted");
    for (const auto& [column, text] : transform.columns) need(column, "columns");
    if (!transform.is_incremental()) return;
    need(transform.time, "time");
    const auto time =
        std::ranges::find(one.columns, transform.time, &std::pair<std::string, std::string>::first);
    if (time == one.columns.end()) return;
    if (time->second != "TIMESTAMP" && time->second != "DATE")
      wrong(one, fmt::format("time: {} is a {}, not a TIMESTAMP or a DATE", time->first, time->second));
    if (time->second == "DATE" && transform.interval % kDayUs != 0)
      wrong(one, fmt::format("time: {} is a DATE, so an interval must be whole days", time->first));
  }

  std::string hash_of(const SoundTransform& one) const {
    const auto& transform = one.transform;
    std::string all = fmt::format("{}\n{}\n{}\n{}\n", one.reads.canonical, transform.interval, transform.time,
                                  transform.begin.value_or(kTimeMin));
    for (const auto& [name, type] : one.columns) all += fmt::format("{} {}\n", name, type);
    for (const auto& ref : one.reads.refs) {
      const auto found =
          std::ranges::find_if(order_, [&](const auto& other) { return other.transform.name == ref; });
      all += fmt::format("{} {}\n", ref, found->hash);
    }
    return to_hex(hash128(all));
  }

  duck::Connection& connection_;
  std::vector<SoundTransform>& order_;
  std::map<std::string, SoundTransform> read_;
  std::set<std::string> placed_;
  std::set<std::string> circles_;  ///< by their first names
  Mistakes mistakes_;
};

}  // namespace

FactsOf facts_of(std::string_view source) {
  if (source == "items" || source == "users") return {};  // what is now: no row has a time of its own
  if (source == "recommendations") return {"recommendations", "served_time"};
  if (source == "quarantine") return {"quarantine", "received_time"};
  return {"events", "event_time"};  // all other tables are made of these, with their times
}

Result<TransformSet> TransformSet::load(duck::Connection& connection,
                                        const std::vector<TransformFile>& files) {
  TransformSet set;
  MILLRACE_TRY(Check(connection, set.order_).run(files));
  return set;
}

const SoundTransform* TransformSet::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(order_, [&](const auto& one) { return one.transform.name == name; });
  return found == order_.end() ? nullptr : &*found;
}

void TransformSet::add_needed(const std::string& name, std::set<std::string>& chosen) const {
  chosen.insert(name);
  for (const auto& ref : find(name)->reads.refs) add_needed(ref, chosen);
}

void TransformSet::add_needing(const std::string& name, std::set<std::string>& chosen) const {
  chosen.insert(name);
  std::set<std::string> reached{name};
  for (const auto& one : order_) {  // each comes after what it reads
    const auto in_reach = [&](const std::string& ref) { return reached.contains(ref); };
    if (!std::ranges::any_of(one.reads.refs, in_reach)) continue;
    reached.insert(one.transform.name);
    chosen.insert(one.transform.name);
  }
}

Result<std::set<std::string>> TransformSet::select(const std::vector<std::string>& patterns) const {
  std::set<std::string> chosen;
  if (patterns.empty())
    for (const auto& one : order_) chosen.insert(one.transform.name);
  std::vector<std::string> known;
  for (const auto& one : order_) known.push_back(one.transform.name);
  for (const auto& pattern : patterns) {
    const bool needed = pattern.starts_with('+');
    const bool needing = pattern.size() > 1 && pattern.ends_with('+');
    const auto name = pattern.substr(needed ? 1 : 0, pattern.size() - (needed ? 1 : 0) - (needing ? 1 : 0));
    if (find(name) == nullptr)
      return fail(Code::kNotFound,
                  fmt::format("there is no transform '{}'{}", name,
                              or_nearest(name, known, "millrace run --list shows those there are")));
    chosen.insert(name);
    if (needed) add_needed(name, chosen);
    if (needing) add_needing(name, chosen);
  }
  return chosen;
}

}  // namespace millrace
