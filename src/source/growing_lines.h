#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "source/row_reader.h"

namespace millrace {

/// The complete lines of a file that grows, as JSON texts: `next` says kEnd when there is none by now, and
/// may be called again. A line without its line break is not complete. Memory: the longest line allowed, and
/// what is read at once. One thread.
class GrowingLines final : public JsonTexts {
 public:
  /// The beginning of a file, by which it is known again.
  struct Head {
    std::uint64_t bytes = 0;  ///< at most kBytesMax
    Hash128 hash;
    static constexpr std::uint64_t kBytesMax = 256;
    bool operator==(const Head&) const = default;
  };

  /// Where a line begins.
  struct Place {
    std::uint64_t offset = 0;  ///< in bytes
    std::uint64_t line = 1;
  };

  /// Begin at `from`. Errors: those of `Env::open`.
  static Result<std::unique_ptr<GrowingLines>> open(Env& env, const Path& path, const Place& from,
                                                    std::size_t line_bytes_max = kRowBytesMax);

  Result<RowReader::Step> next(Row& row) override;

  /// Take what stands after the last line break as a line too: nobody writes to the file any more.
  void close_last_line() { is_closed_ = true; }

  /// Return where the line after the last one returned begins.
  Place place() const { return place_; }

  /// Return the file's present size. Errors: kIo.
  Result<std::uint64_t> size() const { return file_->size(); }

  /// Return the head of as many bytes as there are by now. Errors: kIo.
  Result<Head> head() const;
  /// Return whether the file still begins so, and has at least what was read of it. Errors: kIo.
  Result<bool> still_begins(const Head& head) const;

  std::uint64_t bytes_done() const override { return place_.offset; }
  /// Not known of a file that grows. Errors: kInvalid always.
  Result<Hash128> content_hash() const override;

 private:
  GrowingLines(std::unique_ptr<File> file, const Place& from, std::size_t line_bytes_max)
      : file_(std::move(file)), line_bytes_max_(line_bytes_max), place_(from), read_(from.offset) {}

  Result<Head> head_of(std::uint64_t bytes) const;
  Result<bool> read_on();
  RowReader::Step take_line(Row& row, std::size_t size, std::size_t line_break);
  RowReader::Step skip_rest_of_long_line(Row& row);

  const std::unique_ptr<File> file_;
  const std::size_t line_bytes_max_;
  Place place_;
  std::uint64_t read_;         ///< bytes of the file that were read, or passed over before the first line
  std::string buffer_;         ///< read and not taken; 64 more bytes are readable …
  std::size_t begin_ = 0;      ///< … from here on
  std::size_t searched_ = 0;   ///< no line break before this place
  bool in_long_line_ = false;  ///< the rest of the present line is to be passed over …
  std::uint64_t passed_ = 0;   ///< … and so many bytes of it were
  bool is_closed_ = false;
};

}  // namespace millrace
