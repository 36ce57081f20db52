#include "warehouse/parquet_rows.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr std::size_t kReadableBytesAfter = 64;  // what simdjson reads past the end

/// DuckDB reads names with these as patterns for many files.
constexpr std::string_view kPatternLetters = "*?[";

class DuckParquetRows final : public ParquetRows {
 public:
  Status open_all(const Path& path);
  Result<std::string_view> next() override;
  std::uint64_t rows_done() const override { return rows_done_; }
  std::uint64_t rows_total() const override { return rows_total_; }

 private:
  Error damaged(Error error) const;

  std::string name_;
  std::unique_ptr<duck::Database> database_;
  std::optional<duck::Connection> connection_;
  std::optional<duck::Rows> rows_;
  std::size_t row_ = 0;  ///< of the present chunk, to be given next
  std::uint64_t rows_done_ = 0;
  std::uint64_t rows_total_ = 0;
  std::string text_;
};

/// Say what a person can do about it, with the first line of what DuckDB says.
Error DuckParquetRows::damaged(Error error) const {
  if (error.code == Code::kOverloaded || error.code == Code::kCancelled) return error;
  const auto line = error.message.substr(0, error.message.find('\n'));
  return {Code::kCorrupt,
          fmt::format("the Parquet file is damaged or was not written to its end ({}); write it again", line),
          name_};
}

Status DuckParquetRows::open_all(const Path& path) {
  name_ = path.string();
  if (name_.find_first_of(kPatternLetters) != std::string::npos) {
    return fail(Code::kInvalid, "the name of a Parquet file may not hold * ? or [; rename it", name_);
  }
  MILLRACE_ASSIGN(
      database_, duck::Database::open(":memory:",
                                      {{"threads", "1"}, {"memory_limit", "512MB"}, {"temp_directory", ""}}));
  MILLRACE_ASSIGN(auto connection, database_->connect());
  connection_.emplace(std::move(connection));
  MILLRACE_TRY(connection_->execute("SET TimeZone = 'UTC'"));
  const auto file = sql_literal(name_);
  const auto total = connection_->scalar(
      fmt::format("SELECT CAST(num_rows AS BIGINT) FROM parquet_file_metadata({})", file));
  if (!total) return fail(damaged(total.error()));
  rows_total_ = static_cast<std::uint64_t>(total->value_or(0));
  auto rows = connection_->stream(
      fmt::format("SELECT CAST(to_json(given) AS VARCHAR) FROM read_parquet({}) AS given", file));
  if (!rows) return fail(damaged(rows.error()));
  rows_.emplace(*std::move(rows));
  return {};
}

Result<std::string_view> DuckParquetRows::next() {
  while (row_ == rows_->size()) {
    auto more = rows_->next_chunk();
    if (!more) return fail(damaged(more.error()));
    if (!*more) return std::string_view();
    row_ = 0;
  }
  const auto json = rows_->text(0, row_++);
  ++rows_done_;
  text_.assign(json);
  text_.append(kReadableBytesAfter, ' ');
  return std::string_view(text_).substr(0, json.size());
}

}  // namespace

Result<std::unique_ptr<ParquetRows>> ParquetRows::open(const Path& path) {
  auto rows = std::make_unique<DuckParquetRows>();
  MILLRACE_TRY(rows->open_all(path));
  return rows;
}

}  // namespace millrace
