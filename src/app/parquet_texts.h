#pragma once

#include <memory>

#include "source/row_reader.h"

namespace millrace {

/// Open a Parquet file as JSON texts, with DuckDB: an `OpenParquet`. Errors: those of `ParquetRows::open`.
Result<std::unique_ptr<JsonTexts>> open_parquet_texts(Env& env, const Path& path);

}  // namespace millrace
