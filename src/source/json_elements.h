#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "source/row_reader.h"

namespace millrace {

/// Cuts a file of JSON into its values without parsing them: one a line, or the elements of arrays, or
/// values one after the other over any lines; the first bytes tell which. One thread.
class JsonElements final : public JsonTexts {
 public:
  explicit JsonElements(std::unique_ptr<FileReader> file, std::size_t element_bytes_max = kRowBytesMax)
      : window_(std::move(file), element_bytes_max) {}

  /// Errors: those of `FileReader::read`; kInvalid for a value that is too large, where the next begins
  /// being unknown.
  Result<RowReader::Step> next(Row& row) override;

  std::uint64_t bytes_done() const override { return window_.file().file_bytes_done(); }
  Result<Hash128> content_hash() const override { return window_.file().file_hash(); }

 private:
  enum class Layout : std::uint8_t { kUnknown, kLines, kValues };

  Result<Layout> find_layout();
  Result<bool> skip_any_of(std::string_view bytes);
  Result<std::size_t> find_line_end();
  Result<RowReader::Step> next_line(Row& row);
  Result<RowReader::Step> next_value(Row& row);

  TextWindow window_;
  Layout layout_ = Layout::kUnknown;
  std::size_t taken_ = 0;      ///< bytes handed out last, not consumed yet
  bool in_long_line_ = false;  ///< the rest of the present line is to be passed over
};

}  // namespace millrace
