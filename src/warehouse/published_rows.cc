#include "warehouse/published_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/aggregation_sql.h"
#include "warehouse/duck.h"
#include "warehouse/json_cells.h"

namespace millrace {
namespace {

using Kind = Measure::Kind;

constexpr std::size_t kKeysAt = 2;  ///< after source and window_start

/// The least offset stands apart too: by it DuckDB passes over what is older without looking into it.
std::string condition_of(const FactRange& range) {
  std::string any;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 0; i < range.from.size(); ++i) {
    if (range.from[i] >= range.to[i]) continue;
    least = std::min(least, range.from[i].value());
    any += fmt::format("{}(log_partition = {} AND log_offset >= {} AND log_offset < {})",
                       any.empty() ? "" : " OR ", i, range.from[i].value(), range.to[i].value());
  }
  return any.empty() ? "false" : fmt::format("log_offset >= {} AND ({})", least, any);
}

std::string before_condition(const std::vector<Offset>& before) {
  return condition_of({std::vector<Offset>(before.size()), before});
}

duckdb_vector vector_of(const duck::Rows& rows, std::size_t column) {
  return duckdb_data_chunk_get_vector(rows.chunk(), column);
}

/// Reads the rows of one query; knows its columns.
class RowReader {
 public:
  RowReader(const PublishedAggregation& published, duck::Rows& rows) : published_(published), rows_(rows) {
    for (std::size_t i = 0; i < rows.column_count(); ++i) {
      names_.push_back(rows.column_name(i));
      types_.push_back(rows.column_type(i));
    }
  }

  PublishedRow read(std::size_t row) const {
    PublishedRow out;
    out.source = rows_.text(0, row);
    out.slice = rows_.int64(1, row);
    std::size_t column = kKeysAt;
    JsonWriter json(out.keys);
    json.begin_object();
    for (; column < kKeysAt + published_.aggregation.keys.size(); ++column) {
      json.key(names_[column]);
      write_cell(json, vector_of(rows_, column), types_[column].get(), row);
    }
    json.end_object();
    for (const MeasureForm& form : published_.forms) out.measures.values.push_back(value(form, column, row));
    out.measures.events = static_cast<std::uint64_t>(rows_.int64(column, row));
    return out;
  }

 private:
  /// Read a measure, and move `column` behind it.
  MeasureValue value(const MeasureForm& form, std::size_t& column, std::size_t row) const {
    MeasureValue out{.kind = form.kind, .type = form.type, .text = {}, .shown = {}};
    if (form.kind == Kind::kFirst) {
      if (!rows_.is_null(column, row)) out.at = rows_.int64(column, row);
      ++column;
    }
    const std::size_t at = column++;
    out.known = !rows_.is_null(at, row);
    if (!out.known) return out;
    const auto type = types_[at].get();
    if (form.type == MeasureType::kInteger) {
      out.number = wide_cell(vector_of(rows_, at), type, row).value_or(0);
    } else if (form.type == MeasureType::kReal) {
      out.real = duckdb_get_type_id(type) == DUCKDB_TYPE_FLOAT ? rows_.single(at, row) : rows_.real(at, row);
    } else {
      out.text = rows_.text(at, row);
    }
    if (form.kind == Kind::kMin || form.kind == Kind::kMax || form.kind == Kind::kFirst) {
      JsonWriter json(out.shown);
      write_cell(json, vector_of(rows_, at), type, row);
    }
    return out;
  }

  const PublishedAggregation& published_;
  duck::Rows& rows_;
  std::vector<std::string> names_;
  std::vector<duck::LogicalType> types_;
};

class DuckPublishedRows final : public PublishedRows {
 public:
  explicit DuckPublishedRows(duck::Connection connection) : connection_(std::move(connection)) {}

  Status read_declared();

  const std::vector<PublishedAggregation>& aggregations() const override { return published_; }
  Result<std::vector<SourceMark>> marks(const FactRange& range) override;
  Result<std::map<std::string, TimeUs>> newest(const std::set<std::string>& sources,
                                               const std::vector<Offset>& before) override;
  Result<std::vector<PublishedRow>> rows(std::size_t i, const FactRange& range) override {
    std::vector<PublishedRow> out;
    MILLRACE_TRY(select(i, condition_of(range), [&](PublishedRow row) {
      out.push_back(std::move(row));
      return true;
    }));
    return out;
  }
  Status rows_before(std::size_t i, std::string_view source, TimeUs since, const std::vector<Offset>& before,
                     const Take& take) override {
    const TimeUs from = std::clamp(since, kTimeMin, kTimeMax);
    return select(i,
                  fmt::format("event_time >= make_timestamp({}) AND source = {} AND {}", from,
                              sql_literal(source), before_condition(before)),
                  take);
  }

 private:
  Status add(const Aggregation& aggregation);
  Status select(std::size_t i, const std::string& condition, const Take& take);

  duck::Connection connection_;
  std::vector<PublishedAggregation> published_;
  std::vector<AggregationSql> sql_;
};

Status DuckPublishedRows::read_declared() {
  std::vector<Aggregation> found;
  MILLRACE_ASSIGN(auto rows, connection_.query("SELECT path, text FROM _aggregations ORDER BY position"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) break;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      MILLRACE_ASSIGN(const auto source,
                      AggregationSource::parse({std::string(rows.text(0, i)), std::string(rows.text(1, i))}));
      if (!source.aggregation().publish.empty()) found.push_back(source.aggregation());
    }
  }
  for (const Aggregation& aggregation : found) MILLRACE_TRY(add(aggregation));
  return {};
}

Status DuckPublishedRows::add(const Aggregation& aggregation) {
  AggregationSql sql(aggregation, fact_input(aggregation.from));
  MILLRACE_ASSIGN(auto columns, connection_.query("SELECT * FROM (" + sql.by_source("false") + ")"));
  MILLRACE_ASSIGN(auto forms, measure_forms(aggregation, columns));
  std::string compiled = fmt::format("{} {} {} {}", sql.by_source("true"), aggregation.window.size,
                                     aggregation.lateness.value_or(0), aggregation.publish);
  published_.push_back({aggregation, std::move(compiled), std::move(forms)});
  sql_.push_back(std::move(sql));
  return {};
}

Result<std::vector<SourceMark>> DuckPublishedRows::marks(const FactRange& range) {
  std::vector<SourceMark> marks;
  MILLRACE_ASSIGN(
      auto rows,
      connection_.query(
          "SELECT log_partition, source, max(t), max(received_time) FILTER (t = newest), "
          "max(received_time), count(*) FROM (SELECT *, max(t) OVER (PARTITION BY log_partition, source) AS "
          "newest FROM (SELECT log_partition, source, received_time, "
          "least(event_time, received_time) AS t FROM events WHERE " +
          condition_of(range) + ")) GROUP BY ALL ORDER BY ALL"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return marks;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      marks.push_back({static_cast<std::uint32_t>(rows.int32(0, i)), std::string(rows.text(1, i)),
                       rows.int64(2, i), rows.int64(3, i), rows.int64(4, i),
                       static_cast<std::uint64_t>(rows.int64(5, i))});
    }
  }
}

Result<std::map<std::string, TimeUs>> DuckPublishedRows::newest(const std::set<std::string>& sources,
                                                                const std::vector<Offset>& before) {
  std::map<std::string, TimeUs> newest;
  if (sources.empty()) return newest;
  std::string names;
  for (const std::string& source : sources) names += (names.empty() ? "" : ", ") + sql_literal(source);
  MILLRACE_ASSIGN(auto rows, connection_.query(fmt::format(
                                 "SELECT source, max(least(event_time, received_time)) FROM events "
                                 "WHERE source IN ({}) AND {} GROUP BY ALL",
                                 names, before_condition(before))));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return newest;
    for (std::size_t i = 0; i < rows.size(); ++i) newest.emplace(rows.text(0, i), rows.int64(1, i));
  }
}

Status DuckPublishedRows::select(std::size_t i, const std::string& condition, const Take& take) {
  MILLRACE_ASSIGN(auto rows, connection_.stream(sql_[i].by_source(condition)));
  const RowReader reader(published_[i], rows);
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (!take(reader.read(row))) return {};
    }
  }
}

/// What a column of min, max or first compares by.
std::optional<MeasureType> type_of(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
      return MeasureType::kReal;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
      return MeasureType::kText;
    case DUCKDB_TYPE_INTERVAL:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_UHUGEINT:
      return std::nullopt;
    default:
      return sql_type_name(type) ? std::optional(MeasureType::kInteger) : std::nullopt;
  }
}

}  // namespace

Result<std::vector<MeasureForm>> measure_forms(const Aggregation& aggregation, duck::Rows& rows) {
  std::vector<MeasureForm> forms;
  for (std::size_t i = 0; i < aggregation.keys.size(); ++i) {
    if (auto name = sql_type_name(rows.column_type(kKeysAt + i).get()); !name)
      return fail(Code::kInvalid, name.error().message, aggregation.keys[i].name);
  }
  std::size_t column = kKeysAt + aggregation.keys.size();
  for (const Measure& measure : aggregation.measures) {
    column += measure.kind == Kind::kFirst ? 1 : 0;
    const auto type = rows.column_type(column++);
    MeasureForm form{.name = measure.name, .kind = measure.kind, .type = MeasureType::kText, .scale = {}};
    if (measure.kind != Kind::kDistinct && measure.kind != Kind::kTop) {
      const auto found = type_of(type.get());
      if (!found)
        return fail(Code::kInvalid, "cannot be published: cast it, for example TRY_CAST(… AS VARCHAR)",
                    measure.name);
      form.type = *found;
    }
    if (duckdb_get_type_id(type.get()) == DUCKDB_TYPE_DECIMAL) form.scale = duckdb_decimal_scale(type.get());
    forms.push_back(std::move(form));
  }
  return forms;
}

Result<std::unique_ptr<PublishedRows>> PublishedRows::open(Warehouse& warehouse) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  auto rows = std::make_unique<DuckPublishedRows>(std::move(connection));
  MILLRACE_TRY(rows->read_declared());
  return rows;
}

}  // namespace millrace
