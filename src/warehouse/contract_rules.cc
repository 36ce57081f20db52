#include "warehouse/contract_rules.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"
#include "warehouse/transform_sql.h"

namespace millrace {
namespace {

using Metric = QualityRule::Metric;

constexpr std::size_t kSampleBytesMax = 2'000;

constexpr RuleOperator kNone{RuleOperator::Kind::kBe, 0, 0};

std::string column_of(const std::string& name) {
  return "t." + sql_identifier(name);
}

std::string list_of(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + sql_literal(value);
  return out;
}

/// Whether DuckDB's type can hold what the contract says.
bool has_type(LogicalType declared, std::string_view type) {
  const auto is = [&](std::initializer_list<std::string_view> beginnings) {
    return std::ranges::any_of(beginnings, [&](std::string_view one) { return type.starts_with(one); });
  };
  const bool is_list = type.ends_with("]") || type.starts_with("LIST");
  const bool is_integer = is({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
                              "UINTEGER", "UBIGINT", "UHUGEINT"}) &&
                          !is_list;
  switch (declared) {
    case LogicalType::kAny:
      return true;
    case LogicalType::kString:
      return is({"VARCHAR", "UUID", "ENUM", "BLOB", "JSON"}) && !is_list;
    case LogicalType::kInteger:
      return is_integer || (type.starts_with("DECIMAL") && type.ends_with(",0)"));
    case LogicalType::kNumber:
      return is_integer || (is({"DECIMAL", "DOUBLE", "FLOAT"}) && !is_list);
    case LogicalType::kBoolean:
      return type == "BOOLEAN";
    case LogicalType::kDate:
      return type == "DATE";
    case LogicalType::kTimestamp:
      return is({"TIMESTAMP"}) && !is_list;
    case LogicalType::kTime:
      return type.starts_with("TIME") && !type.starts_with("TIMESTAMP");
    case LogicalType::kObject:
      return is({"STRUCT", "MAP", "JSON", "VARCHAR"}) && !is_list;
    case LogicalType::kArray:
      return is_list || is({"JSON", "VARCHAR"});
  }
  return false;
}

/// Makes the rules of one object.
class RuleMaker {
 public:
  RuleMaker(const ContractObject& object, const std::map<std::string, std::string>& columns,
            const Contract& contract, TimeUs now)
      : object_(object), columns_(columns), contract_(contract), now_(now) {}

  std::vector<TableRule> make() {
    std::vector<std::string> key;
    for (const ContractProperty& property : object_.properties) {
      if (property.primary_key) key.push_back(property.column());
      add_property(property);
    }
    if (!key.empty()) add_unique("key", "", key, RuleSeverity::kStop, kNone, false);
    for (const QualityRule& rule : object_.quality) add_quality(rule, nullptr);
    return std::move(rules_);
  }

 private:
  TableRule& add(std::string name, std::string property, std::string_view metric, std::string dimension) {
    TableRule& rule = rules_.emplace_back();
    rule.name = std::move(name);
    rule.property = std::move(property);
    rule.metric = metric;
    rule.dimension = std::move(dimension);
    rule.must = kNone;
    return rule;
  }

  void add_bad(std::string name, const ContractProperty& property, std::string dimension, std::string bad) {
    add(std::move(name), property.name, "invalidValues", std::move(dimension)).bad = std::move(bad);
  }

  void add_unique(std::string name, std::string property, const std::vector<std::string>& columns,
                  RuleSeverity severity, const RuleOperator& must, bool percent) {
    TableRule& rule = add(std::move(name), std::move(property), "duplicateValues", "uniqueness");
    std::string names, of_row, present;
    for (const auto& column : columns) {
      names += (names.empty() ? "" : ", ") + sql_identifier(column);
      of_row += (of_row.empty() ? "" : ", ") + column_of(column);
      present += (present.empty() ? "" : " AND ") + sql_identifier(column) + " IS NOT NULL";
    }
    const std::string table = table_of(object_);
    rule.severity = severity;
    rule.must = must;
    rule.percent = percent;
    rule.figure = fmt::format(
        "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {} WHERE {} GROUP BY {} HAVING "
        "count(*) > 1)",
        table, present, names);
    rule.bad = fmt::format("({}) IN (SELECT ({}) FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1)", of_row,
                           names, table, present, names);
  }

  void add_property(const ContractProperty& property) {
    const std::string column = column_of(property.column());
    const auto type = columns_.find(property.column());
    const bool is_there = type != columns_.end();
    if (!is_there || !has_type(property.type, type->second)) {
      TableRule& rule = add("column:" + property.name, property.name, "schema", "conformity");
      rule.error = is_there ? fmt::format("the column is {}, and the contract says {}", type->second,
                                          logical_type_name(property.type))
                            : "the column is missing";
      if (!is_there) return;
    }
    if (property.required || property.primary_key)
      add("required:" + property.name, property.name, "nullValues", "completeness").bad = column + " IS NULL";
    if (property.unique)
      add_unique("unique:" + property.name, property.name, {property.column()}, RuleSeverity::kStop, kNone,
                 false);
    if (is_there && has_type(property.type, type->second)) add_options(property, column);
    for (const QualityRule& rule : property.quality) add_quality(rule, &property);
    for (const Relationship& relationship : property.relationships)
      add_relationship(property, column, relationship);
  }

  /// Return a bound as SQL writes it.
  static std::string literal_of(const ContractProperty& property, const ValueBound& bound) {
    const bool is_time = property.type == LogicalType::kDate || property.type == LogicalType::kTimestamp;
    return is_time ? sql_time(static_cast<TimeUs>(bound.value)) : fmt::format("{}", bound.value);
  }

  void add_options(const ContractProperty& property, const std::string& column) {
    const auto& options = property.options;
    std::string bad;
    const auto refuse = [&](const std::string& condition) { bad += (bad.empty() ? "" : " OR ") + condition; };
    if (const auto& bound = options.minimum)
      refuse(fmt::format("{} {} {}", column, bound->exclusive ? "<=" : "<", literal_of(property, *bound)));
    if (const auto& bound = options.maximum)
      refuse(fmt::format("{} {} {}", column, bound->exclusive ? ">=" : ">", literal_of(property, *bound)));
    if (!bad.empty()) add_bad("range:" + property.name, property, "accuracy", std::exchange(bad, ""));
    if (options.multiple_of)
      refuse(fmt::format("CAST({} AS DECIMAL(38, 8)) % {} <> 0", column, options.multiple_of->text()));
    if (options.min_length) refuse(fmt::format("length({}) < {}", column, *options.min_length));
    if (options.max_length) refuse(fmt::format("length({}) > {}", column, *options.max_length));
    if (!bad.empty()) add_bad("form:" + property.name, property, "conformity", std::exchange(bad, ""));
    if (!options.pattern.empty())
      add_bad("pattern:" + property.name, property, "conformity",
              fmt::format("NOT regexp_matches({}, {})", column, sql_literal(options.pattern)));
  }

  void add_relationship(const ContractProperty& property, const std::string& column,
                        const Relationship& relationship) {
    std::string other = relationship.object, of_other = relationship.property;
    for (const ContractObject& object : contract_.objects) {
      if (object.name != relationship.object) continue;
      other = object.table();
      for (const ContractProperty& one : object.properties)
        if (one.name == relationship.property) of_other = one.column();
    }
    ContractObject target;
    target.name = other;
    add_bad(fmt::format("in:{}.{}:{}", other, of_other, property.name), property, "consistency",
            fmt::format("{0} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {1} AS o WHERE o.{2} = {0})", column,
                        table_of(target), sql_identifier(of_other)));
  }

  /// Return the column of a property that a rule names.
  std::string column_named(const std::string& name) const {
    const auto found = std::ranges::find(object_.properties, name, &ContractProperty::name);
    return found == object_.properties.end() ? name : found->column();
  }

  /// Return `column IN (values)`: of numbers by what they are, not by how they are written.
  std::string is_one_of(const std::string& name, const std::vector<std::string>& values) const {
    const auto type = columns_.find(name);
    const bool is_number = type != columns_.end() && has_type(LogicalType::kNumber, type->second);
    if (!is_number) return fmt::format("CAST({} AS VARCHAR) IN ({})", column_of(name), list_of(values));
    std::string numbers;
    for (const auto& value : values)
      numbers += fmt::format("{}TRY_CAST({} AS DOUBLE)", numbers.empty() ? "" : ", ", sql_literal(value));
    return fmt::format("coalesce(CAST({} AS DOUBLE) IN ({}), false)", column_of(name), numbers);
  }

  /// Return the condition of a rule that looks at rows one by one.
  std::string bad_of(const QualityRule& rule, const std::string& name) const {
    const std::string column = column_of(name);
    switch (rule.metric) {
      case Metric::kNullValues:
        return column + " IS NULL";
      case Metric::kMissingValues: {
        std::string bad = rule.null_is_missing ? column + " IS NULL" : "";
        if (!rule.missing_values.empty())
          bad += (bad.empty() ? "" : " OR ") + is_one_of(name, rule.missing_values);
        return bad.empty() ? "false" : bad;
      }
      default: {
        std::string bad;
        if (!rule.valid_values.empty())
          bad = fmt::format("{} IS NOT NULL AND NOT {}", column, is_one_of(name, rule.valid_values));
        if (!rule.pattern.empty())
          bad += fmt::format("{}NOT regexp_matches(CAST({} AS VARCHAR), {})", bad.empty() ? "" : " OR ",
                             column, sql_literal(rule.pattern));
        return bad;
      }
    }
  }

  void add_quality(const QualityRule& said, const ContractProperty* property) {
    const std::string name = property == nullptr ? "" : property->name;
    const std::string dimension = said.dimension;
    if (said.metric == Metric::kDuplicateValues) {
      std::vector<std::string> columns;
      for (const auto& one : said.properties) columns.push_back(column_named(one));
      if (columns.empty() && property != nullptr) columns = {property->column()};
      return add_unique(said.name, name, columns, said.severity, said.must, said.percent);
    }
    TableRule& rule = add(said.name, name, rule_metric_name(said.metric), dimension);
    rule.severity = said.severity;
    rule.must = said.must;
    rule.percent = said.percent;
    if (said.metric == Metric::kRowCount)
      rule.figure = "SELECT count(*) FROM " + table_of(object_);
    else if (said.metric == Metric::kFreshness)
      rule.figure =
          fmt::format("SELECT epoch({}) - epoch(CAST(max({}) AS TIMESTAMP)) FROM {}", sql_time(now_),
                      sql_identifier(column_named(said.properties.front())), table_of(object_));
    else if (said.metric == Metric::kSql)
      rule.figure = expand(said.query, property);
    else if (property != nullptr)
      rule.bad = bad_of(said, property->column());
  }

  /// Put the table and the column into a query of the contract.
  std::string expand(std::string query, const ContractProperty* property) const {
    const auto replace = [&query](std::string_view word, const std::string& by) {
      for (std::size_t at = query.find(word); at != std::string::npos; at = query.find(word, at + by.size()))
        query.replace(at, word.size(), by);
    };
    replace("{object}", table_of(object_));
    replace("{table}", table_of(object_));
    if (property != nullptr) replace("{property}", sql_identifier(property->column()));
    if (property != nullptr) replace("{column}", sql_identifier(property->column()));
    while (!query.empty() && (query.back() == ';' || query.back() == '\n' || query.back() == ' '))
      query.pop_back();
    return query;
  }

  const ContractObject& object_;
  const std::map<std::string, std::string>& columns_;
  const Contract& contract_;
  const TimeUs now_;
  std::vector<TableRule> rules_;
};

/// Return the table's columns with their types; none when there is no such table.
Result<std::map<std::string, std::string>> columns_of(duck::Connection& connection,
                                                      const std::string& table) {
  std::map<std::string, std::string> columns;
  MILLRACE_ASSIGN(auto rows,
                  connection.query("SELECT column_name, column_type FROM (DESCRIBE " + table + ")"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return columns;
    for (std::size_t i = 0; i < rows.size(); ++i) columns.emplace(rows.text(0, i), rows.text(1, i));
  }
}

/// Counts rules over one table.
class Judge {
 public:
  Judge(duck::Connection& connection, std::string table, std::uint64_t rows)
      : connection_(connection), table_(std::move(table)), rows_(rows) {}

  /// Whether the SQL of a rule failed, after which a transaction is good for nothing.
  bool failed() const { return failed_; }

  Status judge(RuleResult& result) {
    result.rows = rows_;
    result.error = result.rule.error;
    if (!result.error.empty()) return {};
    const Status counted = count(result);
    if (!counted) return about_rule(counted.error(), result);
    if (!result.figure) {
      result.error = "there is no row to measure";
      return {};
    }
    double judged = *result.figure;
    if (result.rule.percent) judged = rows_ == 0 ? 0 : 100 * judged / static_cast<double>(rows_);
    result.figure = judged;
    result.passed = result.rule.must.holds(judged);
    if (result.passed || result.rule.bad.empty()) return {};
    const Status sampled = sample(result);
    return sampled ? Status() : about_rule(sampled.error(), result);
  }

 private:
  /// What the rule's own SQL got wrong is its result; the rest is everybody's.
  Status about_rule(const Error& error, RuleResult& result) {
    if (error.code != Code::kInvalid) return fail(error);
    failed_ = true;
    result.error = error.message.substr(0, error.message.find('\n'));
    return {};
  }

  Status count(RuleResult& result) {
    const TableRule& rule = result.rule;
    const std::string query = rule.figure.empty()
                                  ? fmt::format("SELECT count(*) FROM {} AS t WHERE {}", table_, rule.bad)
                                  : rule.figure;
    // In brackets only a query can stand, so that a contract changes nothing.
    MILLRACE_ASSIGN(auto rows, connection_.query(fmt::format("SELECT CAST((\n{}\n) AS DOUBLE)", query)));
    MILLRACE_ASSIGN(const bool any, rows.next_chunk());
    if (any && !rows.is_null(0, 0)) result.figure = rows.real(0, 0);
    return {};
  }

  Status sample(RuleResult& result) {
    MILLRACE_ASSIGN(auto rows, connection_.query(fmt::format(
                                   "SELECT CAST(to_json(t) AS VARCHAR) FROM {} AS t WHERE {} LIMIT {}",
                                   table_, result.rule.bad, kRuleSamplesMax)));
    for (;;) {
      MILLRACE_ASSIGN(const bool more, rows.next_chunk());
      if (!more) return {};
      for (std::size_t i = 0; i < rows.size(); ++i)
        result.samples.emplace_back(rows.text(0, i).size() > kSampleBytesMax
                                        ? R"({"left_out":"the row is too long"})"
                                        : rows.text(0, i));
    }
  }

  duck::Connection& connection_;
  const std::string table_;
  const std::uint64_t rows_;
  bool failed_ = false;
};

RuleResult result_for(const Contract& contract, const ContractObject& object) {
  RuleResult result;
  result.contract = contract.id;
  result.version = contract.version;
  result.object = object.name;
  result.table = object.table();
  return result;
}

}  // namespace

std::string table_of(const ContractObject& object) {
  const std::string& name = object.table();
  const auto dot = name.find('.');
  if (dot == std::string::npos) return sql_identifier(name);
  return sql_identifier(name.substr(0, dot)) + "." + sql_identifier(name.substr(dot + 1));
}

std::string RuleResult::text() const {
  std::string out = fmt::format("{} of {} {}: ", rule.name, contract, version);
  if (!error.empty()) return out + error;
  out += rule.percent ? fmt::format("{} %", figure.value_or(0)) : fmt::format("{}", figure.value_or(0));
  if (!rule.bad.empty()) out += " of " + counted_rows();
  return out + "; " + rule.must.text();
}

std::string RuleResult::counted_rows() const {
  return with_thousands(rows) + (rows == 1 ? " row" : " rows");
}

Result<std::vector<RuleResult>> judge_table(duck::Connection& connection, const Contract& contract,
                                            const ContractObject& object, TimeUs now, JudgeWhich which) {
  std::vector<RuleResult> results;
  const std::string table = table_of(object);
  const auto columns = columns_of(connection, table);
  if (!columns && columns.error().code != Code::kInvalid) return fail(columns.error());
  if (!columns && which == JudgeWhich::kThatWarn) return results;
  if (!columns) {
    RuleResult& result = results.emplace_back(result_for(contract, object));
    result.rule = {.name = "table", .metric = "schema", .dimension = "conformity"};
    result.error = "there is no table " + object.table();
    return results;
  }
  MILLRACE_ASSIGN(const auto rows, connection.scalar("SELECT count(*) FROM " + table));
  Judge judge(connection, table, static_cast<std::uint64_t>(rows.value_or(0)));
  for (TableRule& rule : RuleMaker(object, *columns, contract, now).make()) {
    const bool stops = rule.severity == RuleSeverity::kStop;
    if (which != JudgeWhich::kAll && stops != (which == JudgeWhich::kThatStop)) continue;
    RuleResult& result = results.emplace_back(result_for(contract, object));
    result.rule = std::move(rule);
    MILLRACE_TRY(judge.judge(result));
    if (which == JudgeWhich::kThatStop && judge.failed()) break;
  }
  return results;
}

Result<std::vector<RuleResult>> judge_by(duck::Connection& connection, const Contracts& contracts,
                                         std::string_view table, TimeUs now, JudgeWhich which) {
  std::vector<RuleResult> all;
  for (const Contract& contract : contracts.all()) {
    if (!contracts.holds_at(contract, now)) continue;
    for (const ContractObject& object : contract.objects) {
      if (object.is_event() || (!table.empty() && object.table() != table)) continue;
      MILLRACE_ASSIGN(auto results, judge_table(connection, contract, object, now, which));
      std::ranges::move(results, std::back_inserter(all));
      const bool is_broken = std::ranges::any_of(all, &RuleResult::stops);
      if (which == JudgeWhich::kThatStop && is_broken) return all;
    }
  }
  return all;
}

Status keep_results(duck::Connection& connection, const std::vector<RuleResult>& results,
                    std::string_view run, std::string_view trigger, TimeUs now) {
  MILLRACE_TRY(connection.execute(fmt::format("DELETE FROM main.contract_results WHERE dt < CAST({} AS DATE)",
                                              sql_time(now - kRuleResultsKept))));
  MILLRACE_ASSIGN(auto rows, duck::TableAppender::open(connection, "contract_results", "main"));
  for (const RuleResult& result : results) {
    const TableRule& rule = result.rule;
    rows->date(now)
        .time(now)
        .text(run)
        .text(trigger)
        .text(result.contract)
        .text(result.version)
        .text(result.object);
    rows->text(result.table).text(rule.property).text(rule.name).text(rule.metric).text(rule.dimension);
    rows->text(rule.severity == RuleSeverity::kStop ? "stop" : "warn")
        .boolean(result.passed)
        .real(result.figure);
    rows->int64(static_cast<std::int64_t>(result.rows)).text(rule.must.text()).text(result.error);
    std::string samples;
    for (const std::string& sample : result.samples) samples += (samples.empty() ? "[" : ",") + sample;
    rows->text(samples.empty() ? samples : samples + "]");
    MILLRACE_TRY(rows->end_row());
  }
  return rows->flush();
}

Result<std::vector<RuleResult>> check_tables(Warehouse& warehouse, const Contracts& contracts,
                                             std::string_view table) {
  const TimeUs now = warehouse.env().now();
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto results, judge_by(connection, contracts, table, now, JudgeWhich::kAll));
  if (results.empty()) return results;
  const WriterBeside beside(warehouse);
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  MILLRACE_TRY(keep_results(connection, results, new_uuid(warehouse.env()), "check", now));
  MILLRACE_TRY(transaction.commit());
  return results;
}

}  // namespace millrace
