#include "source/json_elements.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace millrace {
namespace {

using Step = RowReader::Step;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kBetweenValues = " \t\r\n,[]";

/// Finds the end of one JSON value by its brackets and quotes; can be fed in pieces.
class ValueEnd {
 public:
  /// Look on from where the last call stopped; return the value's length once its end is found.
  std::optional<std::size_t> find(std::string_view text) {
    for (; at_ < text.size(); ++at_) {
      const char c = text[at_];
      if (in_text_) {
        if (c == '\\') ++at_;
        if (c == '"') in_text_ = false;
        continue;
      }
      if (c == '"') in_text_ = true;
      if (c == '{' || c == '[') ++depth_;
      if (c != '}' && c != ']' && !(depth_ == 0 && ends_scalar(c))) continue;
      if (depth_ == 0) return at_;
      if (--depth_ == 0) return at_ + 1;
    }
    return std::nullopt;
  }

  bool is_complete() const { return depth_ == 0 && !in_text_; }

 private:
  static bool ends_scalar(char c) { return kBetweenValues.find(c) != std::string_view::npos; }

  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool in_text_ = false;
};

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) + 1 - from);
}

Step bad(Row& row, std::string_view raw, std::string message) {
  row.raw = raw.substr(0, kBadRowBytesMax);
  row.problem = {Code::kInvalid, std::move(message), ""};
  return Step::kBadRow;
}

}  // namespace

/// Pass over `bytes`; return false at the end of the file.
Result<bool> JsonElements::skip_any_of(std::string_view bytes) {
  for (;;) {
    const auto text = window_.rest();
    const auto at = text.find_first_not_of(bytes);
    window_.consume(std::min(at, text.size()));
    if (at != std::string_view::npos) return true;
    MILLRACE_ASSIGN(const bool more, window_.more());
    if (!more) return false;
  }
}

/// Return how far the present line goes, without its line break: to the end of the file for the last.
/// A line that is too long gives npos.
Result<std::size_t> JsonElements::find_line_end() {
  for (std::size_t from = 0;;) {
    const auto end = window_.rest().find('\n', from);
    if (end != std::string_view::npos) return end;
    if (window_.is_full()) return std::string_view::npos;
    from = window_.rest().size();
    MILLRACE_ASSIGN(const bool more, window_.more());
    if (!more) return window_.rest().size();
  }
}

Result<JsonElements::Layout> JsonElements::find_layout() {
  MILLRACE_ASSIGN([[maybe_unused]] const bool some, window_.more());
  if (window_.rest().starts_with(kByteOrderMark)) window_.consume(kByteOrderMark.size());
  MILLRACE_ASSIGN(const bool any, skip_any_of(kSpace));
  if (!any) return Layout::kLines;
  if (window_.rest().starts_with('[')) return Layout::kValues;
  MILLRACE_ASSIGN(const auto line_end, find_line_end());
  const auto line = window_.rest().substr(0, line_end);
  ValueEnd end;
  const bool whole = end.find(line).has_value() || end.is_complete();
  return whole || !line.starts_with('{') ? Layout::kLines : Layout::kValues;
}

Result<Step> JsonElements::next(Row& row) {
  window_.consume(taken_);
  taken_ = 0;
  if (layout_ == Layout::kUnknown) {
    MILLRACE_ASSIGN(layout_, find_layout());
  }
  return layout_ == Layout::kLines ? next_line(row) : next_value(row);
}

Result<Step> JsonElements::next_line(Row& row) {
  while (in_long_line_) {
    MILLRACE_ASSIGN(const auto end, find_line_end());
    in_long_line_ = end == std::string_view::npos;
    window_.consume(std::min(end, window_.rest().size()));
  }
  MILLRACE_ASSIGN(const bool any, skip_any_of(kSpace));
  if (!any) return Step::kEnd;
  row.place.line = window_.line();
  MILLRACE_ASSIGN(const auto end, find_line_end());
  taken_ = std::min(end, window_.rest().size());
  in_long_line_ = end == std::string_view::npos;
  if (in_long_line_) return bad(row, window_.rest(), "the line is too long");
  row.raw = trimmed(window_.rest().substr(0, end));
  return Step::kRow;
}

Result<Step> JsonElements::next_value(Row& row) {
  MILLRACE_ASSIGN(const bool any, skip_any_of(kBetweenValues));
  if (!any) return Step::kEnd;
  row.place.line = window_.line();
  for (ValueEnd end;;) {
    if (const auto size = end.find(window_.rest())) {
      taken_ = std::max<std::size_t>(*size, 1);  // a stray closing brace is a value of its own
      row.raw = window_.rest().substr(0, taken_);
      return Step::kRow;
    }
    if (window_.is_full()) {
      return fail(Code::kInvalid,
                  fmt::format("the value that begins at line {} is too large, or a bracket or quote "
                              "is left open",
                              row.place.line));
    }
    MILLRACE_ASSIGN(const bool more, window_.more());
    if (more) continue;
    taken_ = window_.rest().size();
    if (!end.is_complete()) return bad(row, window_.rest(), "the value does not end");
    row.raw = window_.rest();
    return Step::kRow;
  }
}

}  // namespace millrace
