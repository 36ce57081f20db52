#include "model/feedback.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace millrace {
namespace {

/// One line cut into at most four fields.
struct Fields {
  std::array<std::string_view, 4> text;
  std::size_t count = 0;
  bool more = false;  ///< there were more than four
};

std::string_view trimmed(std::string_view text) {
  const auto inner = [](char c) { return c != ' ' && c != '\t' && c != '\r' && c != '"'; };
  const auto begin = std::ranges::find_if(text, inner) - text.begin();
  text.remove_prefix(static_cast<std::size_t>(begin));
  while (!text.empty() && !inner(text.back())) text.remove_suffix(1);
  return text;
}

/// What a file's fields are cut at: the first of these that its first line has.
std::string_view separator_of(std::string_view line) {
  for (const std::string_view separator : {"::", "\t", ",", ";"})
    if (line.find(separator) != std::string_view::npos) return separator;
  return " ";
}

Fields cut(std::string_view line, std::string_view separator) {
  Fields fields;
  while (true) {
    if (separator == " ") line = trimmed(line);
    const std::size_t end = line.find(separator);
    const std::string_view field = trimmed(line.substr(0, end));
    if (fields.count == fields.text.size()) {
      fields.more = true;
      return fields;
    }
    fields.text[fields.count++] = field;
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + separator.size());
  }
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Seconds, milliseconds or microseconds since 1970, told apart by their size (until the year 5138).
TimeUs time_of(double value) {
  if (std::abs(value) < 1e11) return static_cast<TimeUs>(value * kSecondUs);
  if (std::abs(value) < 1e14) return static_cast<TimeUs>(value * kMillisecondUs);
  return static_cast<TimeUs>(std::clamp(value, -9e18, 9e18));
}

std::unexpected<Error> unreadable(const PlainTextOptions& options, std::size_t line, std::string message) {
  return fail(Code::kInvalid, std::move(message), fmt::format("{}:{}", options.name, line));
}

/// Return a line's weight and time, nothing for one that is left out.
Result<std::optional<Feedback>> read_line(const Fields& fields, const PlainTextOptions& options,
                                          std::size_t line) {
  if (fields.more)
    return unreadable(options, line, "more than four fields: a line is `user item [rating [time]]`");
  if (fields.count < 2 || fields.text[0].empty() || fields.text[1].empty())
    return unreadable(options, line, "a line is `user item [rating [time]]`");
  Feedback row{.time = static_cast<TimeUs>(line)};
  if (fields.count > 2) {
    const auto rating = number(fields.text[2]);
    if (!rating) return unreadable(options, line, fmt::format("'{}' is no rating", fields.text[2]));
    row.weight = static_cast<float>(*rating);
  }
  if (fields.count > 3) {
    const auto time = number(fields.text[3]);
    if (!time)
      return unreadable(options, line, fmt::format("'{}' is no time: seconds since 1970", fields.text[3]));
    row.time = time_of(*time);
  }
  if (options.liked_from) {
    if (fields.count > 2 && row.weight < *options.liked_from) return std::optional<Feedback>();
    row.weight = 1;
  }
  return std::optional(row);
}

}  // namespace

std::uint32_t IdMap::add(std::string_view id) {
  if (const auto found = numbers_.find(id); found != numbers_.end()) return found->second;
  const auto next = static_cast<std::uint32_t>(ids_.size());
  numbers_.emplace(id, next);
  ids_.emplace_back(id);
  return next;
}

std::optional<std::uint32_t> IdMap::find(std::string_view id) const {
  const auto found = numbers_.find(id);
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

void sort_by_time(std::vector<Feedback>& rows) {
  std::ranges::stable_sort(rows, {}, &Feedback::time);
}

FeedbackSet numbered_by_time(const FeedbackSet& all) {
  FeedbackSet numbered;
  numbered.rows = all.rows;
  for (Feedback& row : numbered.rows) {
    row.user = numbered.users.add(all.users.id(row.user));
    row.item = numbered.items.add(all.items.id(row.item));
  }
  return numbered;
}

SparseMatrix meetings_of(std::span<const Feedback> rows, std::size_t users, std::size_t items) {
  std::vector<SparseEntry> cells;
  cells.reserve(rows.size());
  for (const Feedback& row : rows) cells.push_back({row.user, row.item, row.weight});
  return SparseMatrix(users, items, cells);
}

Status read_feedback(std::string_view text, const PlainTextOptions& options, FeedbackSet& into) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string_view separator;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty()) continue;
    if (separator.empty()) separator = separator_of(content);
    const Fields fields = cut(content, separator);
    const bool names = line == 1 && fields.count > 2 && !number(fields.text[2]);
    const bool two_names = line == 1 && fields.count == 2 && fields.text[0].starts_with("user");
    if (names || two_names) continue;
    MILLRACE_ASSIGN(std::optional<Feedback> row, read_line(fields, options, line));
    if (!row) continue;
    row->user = into.users.add(fields.text[0]);
    row->item = into.items.add(fields.text[1]);
    into.rows.push_back(*row);
  }
  sort_by_time(into.rows);
  return {};
}

}  // namespace millrace
