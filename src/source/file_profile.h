#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "source/column_profile.h"
#include "source/mapping.h"
#include "source/row_reader.h"

namespace millrace {

struct ProfileLimits {
  std::uint64_t bytes_max = 16 << 20;    ///< of rows that are looked at, inflated
  std::uint64_t rows_max = 1'000'000;    ///< likewise
  std::size_t distinct_max = 4'000'000;  ///< values told apart, over all columns
};

/// What was found in a file of rows.
struct FileProfile {
  Path path;
  RowFormat format = RowFormat::kCsv;
  char delimiter = ',';
  std::string unnest;  ///< path of the list whose elements are the rows; empty: none
  std::string known;   ///< the format of `millrace ingest` that its rows are in; "ga_sessions"; empty: none
  std::vector<ColumnProfile> columns;
  std::uint64_t rows = 0;      ///< looked at
  std::uint64_t bad_rows = 0;  ///< of them not to be read …
  std::string bad_row;         ///< … and what is wrong with the first
  bool is_whole = false;       ///< all of it was looked at

  const ColumnProfile* find(const std::string& column) const;
};

/// Opens the rows of a file.
struct RowsOf {
  RowFormat format = RowFormat::kCsv;
  char delimiter = ',';
  std::unique_ptr<RowReader> rows;
};

/// Tell by its first bytes how a file is written, and open it. Errors: kInvalid, with what to do, for an
/// empty file and for what is neither CSV with a header, JSON nor Parquet; those of reading.
Result<RowsOf> open_rows_of(Env& env, const Path& path, const OpenParquet& open_parquet,
                            const std::string& unnest = {});

/// Look at the beginning of a file, up to the limits; with `unnest`, at the elements of that list. Errors: as `open_rows_of`; kCorrupt for gzip that is
/// cut short before that; kInvalid when most rows cannot be read.
Result<FileProfile> profile_file(Env& env, const Path& path, const OpenParquet& open_parquet,
                                 const ProfileLimits& limits = {}, const std::string& unnest = {});

}  // namespace millrace
