#include "source/file_reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <zlib.h>

namespace millrace {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kPaddingBytes = 64;  // simdjson reads that far past the end
constexpr int kGzipWindow = 15 + 16;       // the largest window, gzip header and trailer

}  // namespace

Result<Hash128> hash_file(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kRead));
  Hasher128 hasher;
  std::vector<char> bytes(kReadBytes);
  for (std::uint64_t at = 0;;) {
    MILLRACE_ASSIGN(const auto n, file->read_at(at, std::as_writable_bytes(std::span(bytes))));
    if (n == 0) return hasher.result();
    hasher.add(std::span(bytes).first(n));
    at += n;
  }
}

void FileReader::EndInflate::operator()(z_stream_s* stream) const {
  inflateEnd(stream);
  delete stream;
}

FileReader::~FileReader() = default;

Result<std::unique_ptr<FileReader>> FileReader::open(Env& env, const Path& path) {
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kRead));
  std::unique_ptr<FileReader> reader(new FileReader(std::move(file)));
  MILLRACE_ASSIGN(reader->total_, reader->file_->size());
  reader->input_.resize(kReadBytes);
  MILLRACE_ASSIGN([[maybe_unused]] const bool any, reader->fill_input());
  const std::string_view start(reader->input_.data(), reader->input_end_);
  if (start.starts_with("\x1F\x8B")) MILLRACE_TRY(reader->begin_inflating());
  return reader;
}

Status FileReader::begin_inflating() {
  std::unique_ptr<z_stream_s, EndInflate> stream(new z_stream_s{});
  if (inflateInit2(stream.get(), kGzipWindow) != Z_OK) return fail(Code::kInternal, "zlib does not start");
  inflating_ = std::move(stream);
  in_member_ = true;
  return {};
}

Result<std::size_t> FileReader::read_file_bytes(std::span<char> into) {
  MILLRACE_ASSIGN(const auto n, file_->read_at(position_, std::as_writable_bytes(into)));
  hasher_.add(into.first(n));
  position_ += n;
  return n;
}

/// Make sure that there is input; return false at the end of the file.
Result<bool> FileReader::fill_input() {
  if (input_at_ < input_end_) return true;
  MILLRACE_ASSIGN(input_end_, read_file_bytes(input_));
  input_at_ = 0;
  return input_end_ > 0;
}

Result<std::size_t> FileReader::read(std::span<char> into) {
  if (into.empty()) return 0;
  if (inflating_) return inflate_some(into);
  if (input_at_ == input_end_) return read_file_bytes(into);
  const auto n = std::min(into.size(), input_end_ - input_at_);
  std::memcpy(into.data(), input_.data() + input_at_, n);
  input_at_ += n;
  return n;
}

Result<std::size_t> FileReader::inflate_some(std::span<char> into) {
  auto& stream = *inflating_;
  stream.next_out = reinterpret_cast<Bytef*>(into.data());
  stream.avail_out = static_cast<uInt>(into.size());
  while (stream.avail_out == into.size()) {
    MILLRACE_ASSIGN(const bool any, fill_input());
    if (!any) {
      if (in_member_) return fail(Code::kCorrupt, "the gzip file is cut short");
      return 0;
    }
    if (!in_member_) {
      inflateReset(&stream);
      in_member_ = true;
    }
    stream.next_in = reinterpret_cast<Bytef*>(input_.data() + input_at_);
    stream.avail_in = static_cast<uInt>(input_end_ - input_at_);
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    input_at_ = input_end_ - stream.avail_in;
    if (outcome == Z_STREAM_END) {
      in_member_ = false;
    } else if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
      return fail(Code::kCorrupt, "the gzip file is damaged");
    }
  }
  return into.size() - stream.avail_out;
}

TextWindow::TextWindow(std::unique_ptr<FileReader> reader, std::size_t row_bytes_max)
    : reader_(std::move(reader)), row_bytes_max_(row_bytes_max), buffer_(2 * kReadBytes + kPaddingBytes) {}

Result<bool> TextWindow::more() {
  if (is_full()) return false;
  if (buffer_.size() - end_ < kReadBytes + kPaddingBytes && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadBytes + kPaddingBytes) buffer_.resize(2 * buffer_.size());
  MILLRACE_ASSIGN(const auto n, reader_->read(std::span(buffer_).subspan(end_, kReadBytes)));
  end_ += n;
  return n > 0;
}

void TextWindow::consume(std::size_t bytes) {
  assert(bytes <= end_ - begin_);
  const auto* from = buffer_.data() + begin_;
  line_ += static_cast<std::uint64_t>(std::count(from, from + bytes, '\n'));
  begin_ += bytes;
}

}  // namespace millrace
