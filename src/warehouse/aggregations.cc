#include "warehouse/aggregations.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "warehouse/aggregation_check.h"
#include "warehouse/aggregation_sql.h"
#include "warehouse/duck.h"
#include "warehouse/published_rows.h"

namespace millrace {
namespace {

/// One that is to be kept.
struct Declared {
  AggregationFile file;
  bool built_in = false;
  AggregationSource source;
  std::size_t position = 0;  ///< after those it reads
  bool changed = false;      ///< it, or what it reads, is not what was kept
  bool unfit = false;        ///< it, or what it reads, is wrong: nothing can be made of it
  std::string compiled;
  bool stored = false;

  const Aggregation& aggregation() const { return source.aggregation(); }
};

/// One as it was kept before.
struct Kept {
  AggregationFile file;
  bool built_in = false;
  std::string compiled;
  bool stored = false;
  bool built = false;
};

constexpr std::array<std::string_view, 4> kFactTables = {"events", "order_lines", "event_items",
                                                         "item_interactions"};

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
  Status finish() const { return error_ ? fail(*error_) : Status{}; }

 private:
  std::optional<Error> error_;
};

/// Brings the tables in line with the declarations, in one transaction.
class Declaration {
 public:
  explicit Declaration(duck::Connection& connection) : connection_(connection) {}

  Status run(const std::optional<std::vector<AggregationFile>>& files);

 private:
  Status read_kept();
  Status parse(const AggregationFile& file, bool built_in);
  Status drop_undeclared();
  Status drop(const std::string& name, bool stored);
  Status check_names();
  void find_order();
  bool place(Declared& one, std::vector<std::string>& path);
  Result<AggregationInput> input_of(const Declared& one) const;
  Status make(Declared& one, AggregationChecker& checker);
  Status check_publish(const Declared& one, const AggregationSql& sql);
  Status make_table(const Declared& one, const AggregationSql& sql, bool same);
  Status make_all();
  Status write_kept();

  duck::Connection& connection_;
  Mistakes mistakes_;
  std::map<std::string, Kept> kept_;
  std::map<std::string, Declared> declared_;
  std::vector<Declared*> order_;
};

Status Declaration::read_kept() {
  MILLRACE_ASSIGN(auto rows, connection_.query("SELECT name, path, text, compiled, built_in, stored, built "
                                               "FROM _aggregations"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      kept_[std::string(rows.text(0, i))] = {
          .file = {std::string(rows.text(1, i)), std::string(rows.text(2, i))},
          .built_in = rows.boolean(4, i),
          .compiled = std::string(rows.text(3, i)),
          .stored = rows.boolean(5, i),
          .built = rows.boolean(6, i)};
    }
  }
}

Status Declaration::parse(const AggregationFile& file, bool built_in) {
  auto source = AggregationSource::parse(file);
  if (!source) {
    mistakes_.add(source.error());
    return {};
  }
  const auto name = source->aggregation().name;
  Declared one{.file = file, .built_in = built_in, .source = *std::move(source)};
  if (const auto found = declared_.find(name); found != declared_.end()) {
    one.source.error_at("", found->second.built_in ? fmt::format("{} is built in: choose another name", name)
                                                   : fmt::format("there are two aggregations {}", name));
    if (auto wrong = one.source.finish(); !wrong) mistakes_.add(wrong.error());
    return {};
  }
  declared_.emplace(name, std::move(one));
  return {};
}

/// With its schema: a name that is not there would else mean that of the warehouse's own tables.
Status Declaration::drop(const std::string& name, bool stored) {
  const std::string schema = connection_.schema().empty() ? "main" : connection_.schema();
  MILLRACE_TRY(connection_.execute(fmt::format("DROP VIEW IF EXISTS {}.\"{}\"", schema, name)));
  return stored ? connection_.execute(fmt::format("DROP TABLE IF EXISTS {}._agg_{}", schema, name))
                : Status{};
}

Status Declaration::drop_undeclared() {
  for (const auto& [name, kept] : kept_) {
    if (!declared_.contains(name)) MILLRACE_TRY(drop(name, kept.stored));
  }
  return {};
}

/// Refuse names that are tables of something else.
Status Declaration::check_names() {
  MILLRACE_ASSIGN(auto rows, connection_.query("SELECT lower(table_name) FROM information_schema.tables "
                                               "WHERE table_catalog = current_database() "
                                               "AND table_schema = current_schema()"));
  std::set<std::string> names(kFactTables.begin(), kFactTables.end());
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) break;
    for (std::size_t i = 0; i < rows.size(); ++i) names.emplace(rows.text(0, i));
  }
  for (auto& [name, one] : declared_) {
    if (kept_.contains(name) || !names.contains(name)) continue;
    one.source.error_at("", fmt::format("{} is a table already: choose another name", name));
    one.unfit = true;
  }
  return {};
}

/// Put what one reads before it; false when it cannot be made. `path` is what led here.
bool Declaration::place(Declared& one, std::vector<std::string>& path) {
  if (one.position > 0 || one.unfit) return !one.unfit;
  const auto& [name, from] = std::tie(one.aggregation().name, one.aggregation().from);
  if (std::ranges::find(path, name) != path.end()) {
    path.push_back(name);
    one.source.error_at("from", fmt::format("goes round in a circle: {}", fmt::join(path, " from ")));
    one.unfit = true;
    return false;
  }
  path.push_back(name);
  if (const auto found = declared_.find(from); found != declared_.end()) {
    if (!place(found->second, path)) one.unfit = true;
  }
  path.pop_back();
  if (one.unfit) return false;
  order_.push_back(&one);
  one.position = order_.size();
  return true;
}

void Declaration::find_order() {
  for (auto& [name, one] : declared_) {
    std::vector<std::string> path;
    place(one, path);
  }
}

/// Return what it reads. Errors: kInvalid when there is no such thing.
Result<AggregationInput> Declaration::input_of(const Declared& one) const {
  const auto& aggregation = one.aggregation();
  if (auto facts = fact_input(aggregation.from); !facts.all.empty()) return facts;
  const auto found = declared_.find(aggregation.from);
  if (found == declared_.end()) {
    std::vector<std::string> known(kFactTables.begin(), kFactTables.end());
    for (const auto& [name, other] : declared_) known.push_back(name);
    const auto nearest = nearest_name(aggregation.from, known);
    return fail(
        Code::kInvalid,
        fmt::format("there is nothing called {}{}", aggregation.from,
                    nearest.empty() ? ": take events, order_lines, event_items, item_interactions, or "
                                      "another aggregation"
                                    : "; did you mean " + nearest + "?"));
  }
  using Kind = AggregationWindow::Kind;
  const auto kind = found->second.aggregation().window.kind;
  if (kind == Kind::kSliding)
    return fail(Code::kInvalid,
                fmt::format("{} has sliding windows, in which each event is several times: take "
                            "what it is made from",
                            aggregation.from));
  if (aggregation.window.kind == Kind::kVisit)
    return fail(Code::kInvalid, "visits are made of events, order_lines, event_items or item_interactions");
  return AggregationInput{.all = fmt::format("\"{}\"", aggregation.from),
                          .added = {},
                          .time = kind == Kind::kVisit ? "start_time" : "window_start"};
}

/// Check one, and make its table and view, unless they are there.
Status Declaration::make(Declared& one, AggregationChecker& checker) {
  const auto& aggregation = one.aggregation();
  if (const auto found = declared_.find(aggregation.from); found != declared_.end() && found->second.unfit) {
    one.unfit = true;
    return {};
  }
  if (aggregation.from.empty()) return {};
  auto input = input_of(one);
  if (!input) {
    one.source.error_at("from", input.error().message);
    one.unfit = true;
    return {};
  }
  const AggregationSql sql(aggregation, *std::move(input));
  one.stored = !sql.input().added.empty();
  one.compiled = sql.partial(sql.input().all) + ";\n" + sql.view();
  const auto kept = kept_.find(aggregation.name);
  const bool same = kept != kept_.end() && kept->second.compiled == one.compiled;
  const auto read = declared_.find(aggregation.from);
  one.changed = !same || (read != declared_.end() && read->second.changed);
  if (one.changed && !one.built_in) MILLRACE_TRY(checker.check(one.source, sql.input()));
  if (one.source.finish()) MILLRACE_TRY(check_publish(one, sql));
  if (!one.source.finish()) {
    one.unfit = true;
    return {};
  }
  return one.changed ? make_table(one, sql, same) : Status{};
}

/// Note what stands in the way of publishing it, where it asks for that.
Status Declaration::check_publish(const Declared& one, const AggregationSql& sql) {
  const auto& aggregation = one.aggregation();
  if (aggregation.publish.empty()) return {};
  if (!one.stored) {
    one.source.error_at("publish", fmt::format("is for what is computed from the facts: publish {} instead",
                                               aggregation.from));
    return {};
  }
  MILLRACE_ASSIGN(auto columns, connection_.query("SELECT * FROM (" + sql.by_source("false") + ")"));
  if (auto forms = measure_forms(aggregation, columns); !forms)
    one.source.error_in_column(forms.error().where, forms.error().message);
  return {};
}

Status Declaration::make_table(const Declared& one, const AggregationSql& sql, bool same) {
  const auto& name = one.aggregation().name;
  if (!same) {
    MILLRACE_TRY(drop(name, /*stored=*/true));
    if (one.stored) {
      MILLRACE_TRY(connection_.execute(
          fmt::format("CREATE TABLE {} AS SELECT CAST(0 AS TINYINT) AS tier, * FROM ({}) LIMIT 0",
                      sql.table(), sql.partial(sql.input().all))));
    }
  }
  return connection_.execute(fmt::format("CREATE OR REPLACE VIEW \"{}\" AS {}", name, sql.view()));
}

Status Declaration::make_all() {
  AggregationChecker checker(connection_);
  for (auto* one : order_) MILLRACE_TRY(make(*one, checker));
  for (const auto& [name, one] : declared_) {
    if (auto wrong = one.source.finish(); !wrong) mistakes_.add(wrong.error());
  }
  return mistakes_.finish();
}

Status Declaration::write_kept() {
  MILLRACE_TRY(connection_.execute("DELETE FROM _aggregations"));
  for (const auto* one : order_) {
    const auto& name = one->aggregation().name;
    const auto kept = kept_.find(name);
    const bool same = kept != kept_.end() && kept->second.compiled == one->compiled;
    const bool built = !one->stored || (same && kept->second.built);
    MILLRACE_TRY(connection_.query(
        "INSERT INTO _aggregations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        {std::string_view(name), static_cast<std::int64_t>(one->position), std::int64_t{one->built_in},
         std::string_view(one->file.path.native()), std::string_view(one->file.text),
         std::string_view(one->compiled), std::int64_t{one->stored}, std::int64_t{built}}));
  }
  return {};
}

Status Declaration::run(const std::optional<std::vector<AggregationFile>>& files) {
  MILLRACE_TRY(read_kept());
  for (const auto& file : built_in_aggregations()) MILLRACE_TRY(parse(file, true));
  if (files) {
    if (files->size() > kAggregationsMax) {
      return fail(Code::kInvalid, fmt::format("the project declares {} aggregations; {} are the most",
                                              files->size(), kAggregationsMax));
    }
    for (const auto& file : *files) MILLRACE_TRY(parse(file, false));
  } else {
    for (const auto& [name, kept] : kept_) {
      if (!kept.built_in && !declared_.contains(name)) MILLRACE_TRY(parse(kept.file, false));
    }
  }
  MILLRACE_TRY(drop_undeclared());
  MILLRACE_TRY(check_names());
  find_order();
  MILLRACE_TRY(make_all());
  return write_kept();
}

}  // namespace

Status declare_aggregations(Warehouse& warehouse, const std::optional<std::vector<AggregationFile>>& files,
                            const std::string& schema) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  if (!schema.empty()) MILLRACE_TRY(connection.use_schema(schema));
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  MILLRACE_TRY(Declaration(connection).run(files));
  return transaction.commit();
}

Result<std::vector<AggregationFile>> declared_aggregations(Warehouse& warehouse) {
  std::vector<AggregationFile> files;
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_ASSIGN(auto rows, connection.query("SELECT path, text FROM _aggregations WHERE NOT built_in"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return files;
    for (std::size_t i = 0; i < rows.size(); ++i)
      files.push_back({std::string(rows.text(0, i)), std::string(rows.text(1, i))});
  }
}

}  // namespace millrace
