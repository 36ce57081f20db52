#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/hash.h"
#include "base/result.h"

struct z_stream_s;

namespace millrace {

/// Return the XXH3-128 of a file's bytes as they lie on the disk. Errors: those of `Env::open`; kIo.
Result<Hash128> hash_file(Env& env, const Path& path);

/// The bytes of a file from its beginning to its end; inflated when it begins like a gzip file (one or
/// more members). One thread.
class FileReader {
 public:
  /// Errors: those of `Env::open`; kIo.
  static Result<std::unique_ptr<FileReader>> open(Env& env, const Path& path);
  ~FileReader();

  /// Read up to `into.size()` bytes; 0 only at the end. What came before an error was sound.
  /// Errors: kCorrupt for gzip that is damaged or cut short; kIo.
  Result<std::size_t> read(std::span<char> into);

  std::uint64_t file_bytes_done() const { return position_; }
  std::uint64_t file_bytes_total() const { return total_; }

  /// Return the hash of the file's bytes read so far; at the end it equals `hash_file`, unless the file
  /// was changed in between.
  Hash128 file_hash() const { return hasher_.result(); }

 private:
  struct EndInflate {
    void operator()(z_stream_s* stream) const;
  };

  explicit FileReader(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<std::size_t> read_file_bytes(std::span<char> into);
  Result<std::size_t> inflate_some(std::span<char> into);
  Result<bool> fill_input();
  Status begin_inflating();

  std::unique_ptr<File> file_;
  std::uint64_t position_ = 0;
  std::uint64_t total_ = 0;
  Hasher128 hasher_;
  std::vector<char> input_;                            ///< bytes read and not yet handed out or inflated …
  std::size_t input_at_ = 0;                           ///< … from here …
  std::size_t input_end_ = 0;                          ///< … to here
  std::unique_ptr<z_stream_s, EndInflate> inflating_;  ///< none for a plain file
  bool in_member_ = false;
};

/// A window over the text of a file that moves from line to line. Memory: the longest row allowed plus
/// what is read at once. One thread.
class TextWindow {
 public:
  /// `row_bytes_max` is the longest piece `rest` may have to hold.
  TextWindow(std::unique_ptr<FileReader> reader, std::size_t row_bytes_max);

  /// Return what has been read and not consumed. 64 readable bytes follow it. Valid until `more`.
  std::string_view rest() const { return {buffer_.data() + begin_, end_ - begin_}; }

  /// Read on; `rest` grows. Return false at the end of the file, or when `rest` is at its longest.
  /// Errors: those of `FileReader::read`.
  Result<bool> more();

  /// Whether `rest` holds as much as it may.
  bool is_full() const { return end_ - begin_ >= row_bytes_max_; }

  /// Move on by `bytes` of `rest`, which must be there.
  void consume(std::size_t bytes);

  /// Return the number of the line at which `rest` begins, from 1.
  std::uint64_t line() const { return line_; }

  const FileReader& file() const { return *reader_; }

 private:
  std::unique_ptr<FileReader> reader_;
  std::size_t row_bytes_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t line_ = 1;
};

}  // namespace millrace
