#include "app/parquet_texts.h"

#include <algorithm>

#include "warehouse/parquet_rows.h"

namespace millrace {
namespace {

class ParquetTexts final : public JsonTexts {
 public:
  ParquetTexts(Env& env, const Path& path, std::uint64_t bytes_total, std::unique_ptr<ParquetRows> rows)
      : env_(env), path_(path), bytes_total_(bytes_total), rows_(std::move(rows)) {}

  Result<RowReader::Step> next(Row& row) override {
    MILLRACE_ASSIGN(row.raw, rows_->next());
    if (row.raw.empty()) return RowReader::Step::kEnd;
    row.place = {.line = rows_->rows_done()};
    return RowReader::Step::kRow;
  }

  /// As many of the file's bytes as of its rows: they are not read in their order.
  std::uint64_t bytes_done() const override {
    const auto total = std::max<std::uint64_t>(rows_->rows_total(), 1);
    const auto share = static_cast<double>(rows_->rows_done()) / static_cast<double>(total);
    return static_cast<std::uint64_t>(share * static_cast<double>(bytes_total_));
  }

  Result<Hash128> content_hash() const override { return hash_file(env_, path_); }

 private:
  Env& env_;
  const Path path_;
  const std::uint64_t bytes_total_;
  const std::unique_ptr<ParquetRows> rows_;
};

}  // namespace

Result<std::unique_ptr<JsonTexts>> open_parquet_texts(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kRead));
  MILLRACE_ASSIGN(const auto bytes_total, file->size());
  MILLRACE_ASSIGN(auto rows, ParquetRows::open(path));
  return std::make_unique<ParquetTexts>(env, path, bytes_total, std::move(rows));
}

}  // namespace millrace
