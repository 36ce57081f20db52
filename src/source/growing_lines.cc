#include "source/growing_lines.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kReadableBytesAfter = 64;  // what simdjson reads past the end
constexpr std::string_view kSpace = " \t\r";

}  // namespace

Result<std::unique_ptr<GrowingLines>> GrowingLines::open(Env& env, const Path& path, const Place& from,
                                                         std::size_t line_bytes_max) {
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kRead));
  return std::unique_ptr<GrowingLines>(new GrowingLines(std::move(file), from, line_bytes_max));
}

Result<GrowingLines::Head> GrowingLines::head_of(std::uint64_t bytes) const {
  std::string text(bytes, '\0');
  MILLRACE_ASSIGN(const auto n, file_->read_at(0, std::as_writable_bytes(std::span(text))));
  return Head{n, hash128(std::string_view(text).substr(0, n))};
}

Result<GrowingLines::Head> GrowingLines::head() const {
  return head_of(Head::kBytesMax);
}

Result<bool> GrowingLines::still_begins(const Head& head) const {
  MILLRACE_ASSIGN(const auto bytes, size());
  if (bytes < read_) return false;
  MILLRACE_ASSIGN(const auto now, head_of(head.bytes));
  return now == head;
}

Result<Hash128> GrowingLines::content_hash() const {
  return fail(Code::kInvalid, "a file that grows has no hash");
}

/// Read what came; return false when there is nothing.
Result<bool> GrowingLines::read_on() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const auto before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  const auto into = std::span(buffer_).subspan(before);
  auto n = file_->read_at(read_, std::as_writable_bytes(into));
  buffer_.resize(before + (n ? *n : 0));
  if (!n) return fail(std::move(n).error());
  read_ += *n;
  buffer_.reserve(buffer_.size() + kReadableBytesAfter);
  return *n > 0;
}

/// Give out the line of `size` bytes at `begin_`, and move on behind it and its line break.
RowReader::Step GrowingLines::take_line(Row& row, std::size_t size, std::size_t line_break) {
  row.place = {.line = place_.line};
  auto text = std::string_view(buffer_).substr(begin_, size);
  const auto from = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(from);
  row.raw = text.substr(0, text.find_last_not_of(kSpace) + 1);
  begin_ += size + line_break;
  searched_ = begin_;
  place_.offset += std::exchange(passed_, 0) + size + line_break;
  place_.line += 1;
  return RowReader::Step::kRow;
}

/// Say of a line that outgrew the limit what it begins with.
RowReader::Step GrowingLines::skip_rest_of_long_line(Row& row) {
  in_long_line_ = true;
  row.place = {.line = place_.line};
  row.raw = std::string_view(buffer_).substr(begin_, kBadRowBytesMax);
  row.problem = {Code::kInvalid, "the line is too long", ""};
  return RowReader::Step::kBadRow;
}

Result<RowReader::Step> GrowingLines::next(Row& row) {
  for (;;) {
    const auto end = buffer_.find('\n', searched_);
    if (end == std::string::npos) searched_ = buffer_.size();
    const auto size = std::min(end, buffer_.size()) - begin_;
    if (end != std::string::npos) {
      if (std::exchange(in_long_line_, false)) {
        take_line(row, size, 1);
        continue;
      }
      take_line(row, size, 1);
      if (!row.raw.empty()) return RowReader::Step::kRow;
      continue;
    }
    if (in_long_line_) {  // its bytes need not be kept
      begin_ = searched_ = buffer_.size();
      passed_ += size;
    } else if (size > line_bytes_max_) {
      return skip_rest_of_long_line(row);
    }
    MILLRACE_ASSIGN(const bool more, read_on());
    if (more) continue;
    if (!is_closed_ || size == 0 || in_long_line_) return RowReader::Step::kEnd;
    take_line(row, size, 0);
    if (!row.raw.empty()) return RowReader::Step::kRow;
  }
}

}  // namespace millrace
