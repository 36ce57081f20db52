#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/file_reader.h"

namespace millrace {

/// The value of one column of one row.
struct Cell {
  std::string_view text;
  bool is_json = false;  ///< `text` is JSON that is no string: a number, true, a list, …
};

/// One row of a file, as read. Its views live until the next call of `RowReader::next`.
struct Row {
  std::uint64_t line = 0;       ///< at which it begins, from 1
  std::string_view raw;         ///< as it stands in the file
  std::span<const Cell> cells;  ///< one for each of `RowReader::columns`; an absent one is empty
  Error problem;                ///< of a bad row
};

/// The rows of a file one after the other, in bounded memory. One thread.
class RowReader {
 public:
  enum class Step : std::uint8_t {
    kRow,
    kBadRow,  ///< `Row::problem` says why; `line` and `raw` (at most its first 64 KB) are given; go on
    kEnd,
  };

  virtual ~RowReader() = default;

  /// Read the next row. Errors, after which reading is over: those of `FileReader::read`; kInvalid when
  /// the file is not of the format at all.
  virtual Result<Step> next(Row& row) = 0;

  /// Return the names of the columns: of the header, or, where each row names its own, all seen so far.
  virtual const std::vector<std::string>& columns() const = 0;

  virtual const FileReader& file() const = 0;
};

inline constexpr std::size_t kRowBytesMax = 4 << 20;
inline constexpr std::size_t kColumnsMax = 2'000;
inline constexpr std::size_t kBadRowBytesMax = 64 * 1024;

/// Read CSV (RFC 4180): quotes, line breaks within quotes, CRLF or LF, a byte order mark; the first row
/// names the columns. Blank lines are passed over. A row with more or fewer fields than columns is bad.
/// Errors: kInvalid for no or a bad header; those of `FileReader::read`.
Result<std::unique_ptr<RowReader>> open_csv(std::unique_ptr<FileReader> file, char delimiter,
                                            std::size_t row_bytes_max = kRowBytesMax);

/// Read JSON objects, one a line or the elements of an array, as rows. A column is a key; within objects
/// `outer.inner`. Each object that is not on one line must belong to an array.
Result<std::unique_ptr<RowReader>> open_json_rows(std::unique_ptr<FileReader> file,
                                                  std::size_t row_bytes_max = kRowBytesMax);

}  // namespace millrace
