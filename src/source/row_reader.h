#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "source/file_reader.h"

namespace millrace {

/// The value of one column of one row.
struct Cell {
  std::string_view text;
  bool is_json = false;  ///< `text` is JSON that is no string: a number, true, a list, …
};

/// Where a row stands in its file.
struct RowPlace {
  std::uint64_t line = 0;  ///< at which it begins, from 1; of Parquet the row's number
  std::uint64_t part = 0;  ///< of the rows that came of one line, from 1; 0 when the line is one row

  bool operator==(const RowPlace&) const = default;

  /// Return "12", or "12.3" for a part.
  std::string text() const {
    return part == 0 ? std::to_string(line) : std::to_string(line) + '.' + std::to_string(part);
  }
};

/// One row of a file, as read. Its views live until the next call of `RowReader::next`.
struct Row {
  RowPlace place;
  std::string_view raw;         ///< as it stands in the file; of a part, the whole line
  std::span<const Cell> cells;  ///< one for each of `RowReader::columns`; an absent one is empty
  Error problem;                ///< of a bad row
};

/// How far the reading of a file is.
class ReadProgress {
 public:
  virtual ~ReadProgress() = default;

  /// Return the bytes that were read, as they lie on the disk.
  virtual std::uint64_t bytes_done() const = 0;

  /// Return the hash of the bytes that were read; at the end it equals `hash_file`, unless the file was
  /// changed in between. Errors: those of `hash_file`.
  virtual Result<Hash128> content_hash() const = 0;
};

/// The rows of a file one after the other, in bounded memory. One thread.
class RowReader : public ReadProgress {
 public:
  enum class Step : std::uint8_t {
    kRow,
    kBadRow,  ///< `Row::problem` says why; `place` and `raw` (at most its first 64 KB) are given; go on
    kEnd,
  };

  /// Read the next row. Errors, after which reading is over: those of `FileReader::read`; kInvalid when
  /// the file is not of the format at all.
  virtual Result<Step> next(Row& row) = 0;

  /// Return the names of the columns: of the header, or, where each row names its own, all seen so far.
  virtual const std::vector<std::string>& columns() const = 0;
};

/// JSON texts one after the other, in bounded memory. One thread.
class JsonTexts : public ReadProgress {
 public:
  /// Find the next: `place` and `raw` are given, and `problem` for a bad one; `raw` lives until the next call
  /// and 64 readable bytes follow it. Errors, after which reading is over: those of the file.
  virtual Result<RowReader::Step> next(Row& row) = 0;
};

inline constexpr std::size_t kRowBytesMax = 4 << 20;
inline constexpr std::size_t kColumnsMax = 2'000;
inline constexpr std::size_t kBadRowBytesMax = 64 * 1024;

/// Read CSV (RFC 4180): quotes, line breaks within quotes, CRLF or LF, a byte order mark; the first row
/// names the columns. Blank lines are passed over. A row with more or fewer fields than columns is bad.
/// Errors: kInvalid for no or a bad header; those of `FileReader::read`.
Result<std::unique_ptr<RowReader>> open_csv(std::unique_ptr<FileReader> file, char delimiter,
                                            std::size_t row_bytes_max = kRowBytesMax);

/// Opens a Parquet file as JSON texts, one a row. Given by whoever has a library that can: this layer has
/// none.
using OpenParquet = std::function<Result<std::unique_ptr<JsonTexts>>(Env&, const Path&)>;

/// Read JSON values, or the rows of a Parquet file as such; the first bytes tell which.
/// Errors: those of `FileReader::open` and `open_parquet`; kInvalid for Parquet without `open_parquet`.
Result<std::unique_ptr<JsonTexts>> open_json_texts(Env& env, const Path& path,
                                                   const OpenParquet& open_parquet,
                                                   std::size_t text_bytes_max = kRowBytesMax);

/// Return whether a file begins as Parquet does. Errors: those of `Env::open`; kIo.
Result<bool> is_parquet(Env& env, const Path& path);

/// Read JSON objects as rows. A column is a key; within objects `outer.inner`. A list of objects that are
/// each
/// `{"index": I, "value": V}`, as web analytics exports write what a site defined itself, is the columns
/// `list.I`. With `unnest`, the path of a list of objects, each element of it is a row, which has the columns
/// of the object around it as well; an object without elements is no row.
std::unique_ptr<RowReader> read_json_rows(std::unique_ptr<JsonTexts> texts, std::string unnest = {});

}  // namespace millrace
