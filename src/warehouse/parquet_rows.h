#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// The rows of a Parquet file as JSON objects, in their order, a few thousand in memory at a time: a struct
/// is an object, a list an array, a time the text `2024-07-01 09:00:00.123`, a decimal a number. One thread.
class ParquetRows {
 public:
  /// Errors: kInvalid for what is not a Parquet file, whole; kNotFound.
  static Result<std::unique_ptr<ParquetRows>> open(const Path& path);
  virtual ~ParquetRows() = default;

  /// Return the next row, or nothing at the end. Valid until the next call. 64 readable bytes follow it.
  /// Errors: kCorrupt for a damaged file; kOverloaded when a row group does not fit into 512 MB.
  virtual Result<std::string_view> next() = 0;

  virtual std::uint64_t rows_done() const = 0;
  virtual std::uint64_t rows_total() const = 0;
};

}  // namespace millrace
