#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "source/row_reader.h"

namespace millrace {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Where a field lies in the row, without its quotes.
struct Field {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool has_quotes = false;  ///< holds "" that stand for "
};

class CsvReader final : public RowReader {
 public:
  CsvReader(std::unique_ptr<FileReader> file, char delimiter, std::size_t row_bytes_max)
      : window_(std::move(file), row_bytes_max), delimiter_(delimiter) {}

  Status read_header();
  Result<Step> next(Row& row) override;
  const std::vector<std::string>& columns() const override { return columns_; }
  std::uint64_t bytes_done() const override { return window_.file().file_bytes_done(); }
  Result<Hash128> content_hash() const override { return window_.file().file_hash(); }

 private:
  enum class Scan : std::uint8_t { kComplete, kNeedsMore, kTextAfterQuote, kOpenQuote };

  Result<bool> skip_to_row();
  Scan scan(bool at_end);
  std::optional<Scan> scan_field(std::string_view text, std::size_t& at, bool at_end);
  Result<Scan> scan_whole_row();
  void end_row(std::string_view text, std::size_t newline);
  std::string_view unquote(std::string_view raw, const Field& field);
  void fill_cells(std::string_view raw);
  std::size_t first_line_bytes() const;
  Step bad_row(Row& row, std::size_t bytes, std::string message);

  TextWindow window_;
  const char delimiter_;
  std::vector<std::string> columns_;
  std::vector<Field> fields_;  ///< of the row last scanned
  std::size_t row_end_ = 0;    ///< end of its last field
  std::size_t row_bytes_ = 0;  ///< with its line break
  std::size_t taken_ = 0;      ///< bytes of the row handed out last, not consumed yet
  std::vector<Cell> cells_;
  std::string unquoted_;  ///< texts of fields whose quotes had to be taken out
};

void CsvReader::end_row(std::string_view text, std::size_t newline) {
  row_bytes_ = std::min(newline + 1, text.size());
  row_end_ = newline > 0 && text[newline - 1] == '\r' ? newline - 1 : newline;
}

/// Scan one field from `at`, which is left at the delimiter or line break after it. Return what ended
/// the row's scan before the field's end, or nothing.
std::optional<CsvReader::Scan> CsvReader::scan_field(std::string_view text, std::size_t& at, bool at_end) {
  Field field{at, at, false};
  if (at < text.size() && text[at] == '"') {
    ++field.begin;
    for (++at;; at += 2) {
      at = text.find('"', at);
      if (at == std::string_view::npos) return at_end ? Scan::kOpenQuote : Scan::kNeedsMore;
      if (at + 1 >= text.size() && !at_end) return Scan::kNeedsMore;
      if (at + 1 >= text.size() || text[at + 1] != '"') break;
      field.has_quotes = true;
    }
    field.end = at++;
    if (at < text.size() && text[at] == '\r') ++at;
    if (at >= text.size() && !at_end) return Scan::kNeedsMore;
    if (at < text.size() && text[at] != delimiter_ && text[at] != '\n') return Scan::kTextAfterQuote;
  } else {
    while (at < text.size() && text[at] != delimiter_ && text[at] != '\n') ++at;
    if (at >= text.size() && !at_end) return Scan::kNeedsMore;
    field.end = at;
    const bool ends_row = at >= text.size() || text[at] == '\n';
    if (ends_row && field.end > field.begin && text[field.end - 1] == '\r') --field.end;
  }
  fields_.push_back(field);
  return std::nullopt;
}

CsvReader::Scan CsvReader::scan(bool at_end) {
  const auto text = window_.rest();
  fields_.clear();
  for (std::size_t at = 0;; ++at) {
    if (const auto stopped = scan_field(text, at, at_end)) return *stopped;
    if (at < text.size() && text[at] == delimiter_) continue;
    end_row(text, at);
    return Scan::kComplete;
  }
}

Result<CsvReader::Scan> CsvReader::scan_whole_row() {
  for (bool at_end = false;;) {
    const auto outcome = scan(at_end);
    if (outcome != Scan::kNeedsMore) return outcome;
    if (window_.is_full()) return Scan::kOpenQuote;
    MILLRACE_ASSIGN(const bool more, window_.more());
    at_end = !more;
  }
}

/// Pass over blank lines; return false at the end of the file.
Result<bool> CsvReader::skip_to_row() {
  for (;;) {
    const auto text = window_.rest();
    const auto at = text.find_first_not_of("\r\n");
    window_.consume(std::min(at, text.size()));
    if (at != std::string_view::npos) return true;
    MILLRACE_ASSIGN(const bool more, window_.more());
    if (!more) return false;
  }
}

std::string_view CsvReader::unquote(std::string_view raw, const Field& field) {
  const auto text = raw.substr(field.begin, field.end - field.begin);
  if (!field.has_quotes) return text;
  const auto from = unquoted_.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    unquoted_ += text[i];
    if (text[i] == '"') ++i;
  }
  return std::string_view(unquoted_).substr(from);
}

void CsvReader::fill_cells(std::string_view raw) {
  unquoted_.clear();
  unquoted_.reserve(raw.size());  // never more, so that the views stay
  cells_.resize(fields_.size());
  for (std::size_t i = 0; i < fields_.size(); ++i) cells_[i].text = unquote(raw, fields_[i]);
}

std::size_t CsvReader::first_line_bytes() const {
  const auto text = window_.rest();
  return std::min(text.find('\n'), text.size() - 1) + 1;
}

/// Report the row, which the next call will pass over by `bytes`.
RowReader::Step CsvReader::bad_row(Row& row, std::size_t bytes, std::string message) {
  taken_ = bytes;
  row.raw = window_.rest().substr(0, std::min(bytes, kBadRowBytesMax));
  row.problem = {Code::kInvalid, std::move(message), ""};
  return Step::kBadRow;
}

Result<RowReader::Step> CsvReader::next(Row& row) {
  window_.consume(taken_);
  taken_ = 0;
  MILLRACE_ASSIGN(const bool any, skip_to_row());
  if (!any) return Step::kEnd;
  row.place.line = window_.line();
  MILLRACE_ASSIGN(const auto outcome, scan_whole_row());
  // Where a row ends is uncertain once its quotes are wrong: take up again at the next line.
  if (outcome == Scan::kTextAfterQuote) {
    return bad_row(row, first_line_bytes(), "there is text between a closing quote and the next delimiter");
  }
  if (outcome != Scan::kComplete) {
    return bad_row(row, first_line_bytes(), "the row does not end; is a quote left open?");
  }
  if (!columns_.empty() && fields_.size() != columns_.size()) {
    return bad_row(row, row_bytes_,
                   fmt::format("expected {} fields, found {}", columns_.size(), fields_.size()));
  }
  row.raw = window_.rest().substr(0, row_end_);
  taken_ = row_bytes_;
  if (!is_utf8(row.raw)) return bad_row(row, row_bytes_, "the row is not UTF-8");
  fill_cells(row.raw);
  row.cells = cells_;
  return Step::kRow;
}

Status CsvReader::read_header() {
  MILLRACE_ASSIGN([[maybe_unused]] const bool any, window_.more());
  if (window_.rest().starts_with(kByteOrderMark)) window_.consume(kByteOrderMark.size());
  if (window_.rest().starts_with("\xFF\xFE") || window_.rest().starts_with("\xFE\xFF")) {
    return fail(Code::kInvalid, "the file is UTF-16; write it as UTF-8");
  }
  Row row;
  MILLRACE_ASSIGN(const auto step, next(row));
  if (step == Step::kEnd)
    return fail(Code::kInvalid, "the file is empty; its first row has to name the columns");
  if (step == Step::kBadRow) return fail(Code::kInvalid, "the header is bad: " + row.problem.message);
  if (row.cells.size() > kColumnsMax) return fail(Code::kInvalid, "the header names too many columns");
  std::set<std::string_view> seen;
  for (const auto& cell : row.cells) {
    if (!seen.insert(cell.text).second)
      return fail(Code::kInvalid, fmt::format("the header names '{}' twice", cell.text));
    columns_.emplace_back(cell.text);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<RowReader>> open_csv(std::unique_ptr<FileReader> file, char delimiter,
                                            std::size_t row_bytes_max) {
  auto reader = std::make_unique<CsvReader>(std::move(file), delimiter, row_bytes_max);
  MILLRACE_TRY(reader->read_header());
  return reader;
}

}  // namespace millrace
