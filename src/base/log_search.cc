#include "base/log_search.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

constexpr std::string_view kTimeKey = R"({"time":")";
constexpr std::string_view kLevelKey = R"(","level":")";
constexpr std::string_view kComponentKey = R"(","component":")";
constexpr std::uint64_t kFileBytesMax = 64 << 20;  ///< more than any of ours holds

/// The members that each line begins with.
struct LineHead {
  std::string_view time;
  std::string_view level;
  std::string_view component;
};

/// Take `key` and the text up to the next quote from the front of `rest`.
std::optional<std::string_view> take(std::string_view key, std::string_view& rest) {
  if (!rest.starts_with(key)) return {};
  rest.remove_prefix(key.size());
  const std::size_t end = rest.find('"');
  if (end == std::string_view::npos) return {};
  const std::string_view value = rest.substr(0, end);
  rest.remove_prefix(end);
  return value;
}

std::optional<LineHead> head_of(std::string_view line) {
  const auto time = take(kTimeKey, line);
  const auto level = take(kLevelKey, line);
  const auto component = take(kComponentKey, line);
  if (!time || !level || !component || !line.ends_with('}')) return {};
  return LineHead{*time, *level, *component};
}

std::string small_letters(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

/// Return `text` as it stands inside a JSON string.
std::string escaped(std::string_view text) {
  const std::string quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

/// As `find`, in linear time whatever is looked for.
std::size_t find_in(std::string_view text, std::string_view what, std::size_t from = 0) {
  if (from > text.size()) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
               : std::string_view::npos;
}

bool in_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

bool mentions(std::string_view line, std::string_view id) {
  for (std::size_t at = find_in(line, id); at != std::string_view::npos; at = find_in(line, id, at + 1)) {
    const std::size_t end = at + id.size();
    const bool begins = at == 0 || !in_word(line[at - 1]) || !in_word(id.front());
    const bool ends = end == line.size() || !in_word(line[end]) || !in_word(id.back());
    if (begins && ends) return true;
  }
  return false;
}

/// A filter as lines are compared with it: its texts escaped once.
class Matcher {
 public:
  explicit Matcher(const LogFilter& filter)
      : filter_(filter), text_(small_letters(escaped(filter.text))), record_(escaped(filter.record)) {}

  bool operator()(std::string_view line) const {
    const auto head = head_of(line);
    if (!head) return false;
    const auto level = parse_log_level(head->level);
    if (!level || *level < filter_.level_min) return false;
    if (!filter_.components.empty() &&
        std::ranges::find(filter_.components, head->component) == filter_.components.end())
      return false;
    if ((filter_.since || filter_.until) && !in_time(head->time)) return false;
    if (!record_.empty() && !mentions(line, record_)) return false;
    return text_.empty() || find_in(small_letters(line), text_) != std::string_view::npos;
  }

 private:
  bool in_time(std::string_view text) const {
    const auto time = parse_time(text);
    return time && (!filter_.since || *time >= *filter_.since) && (!filter_.until || *time < *filter_.until);
  }

  const LogFilter& filter_;
  const std::string text_;
  const std::string record_;
};

/// Read a file from `from` on; one that is gone is empty.
Result<std::string> read_part(Env& env, const Path& path, std::uint64_t from, std::uint64_t bytes_max) {
  auto file = env.open(path, OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) return std::string();
  if (!file) return fail(std::move(file).error());
  MILLRACE_ASSIGN(const std::uint64_t size, (*file)->size());
  std::string text(std::min(size - std::min(size, from), bytes_max), '\0');
  MILLRACE_ASSIGN(const std::size_t got,
                  (*file)->read_at(from, std::as_writable_bytes(std::span(text.data(), text.size()))));
  text.resize(got);
  return text;
}

/// Gather lines of `text`, the last first. Returns the position of the first that was not looked at.
LogPosition gather_backwards(std::string_view text, std::uint64_t file, const Matcher& wanted,
                             std::size_t lines_max, LogPage& page) {
  std::size_t end = text.rfind('\n');  // behind it is at most the half of a line
  end = end == std::string_view::npos ? 0 : end + 1;
  while (end > 0 && page.lines.size() < lines_max) {
    const std::size_t before = end >= 2 ? text.rfind('\n', end - 2) : std::string_view::npos;
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    const std::string_view line = text.substr(begin, end - 1 - begin);
    if (wanted(line)) page.lines.push_back({{file, begin}, std::string(line)});
    end = begin;
  }
  return {file, end};
}

}  // namespace

Status LogFilter::check() const {
  if (text.size() > kTextBytesMax || record.size() > kTextBytesMax)
    return fail(Code::kInvalid,
                fmt::format("what is looked for may be {} bytes long at most", kTextBytesMax));
  return {};
}

bool matches(const LogFilter& filter, std::string_view json_line) {
  return Matcher(filter)(json_line);
}

Result<LogPage> read_log_backwards(Env& env, const Path& dir, const LogFilter& filter,
                                   std::optional<LogPosition> before, const LogPageLimits& limits) {
  MILLRACE_TRY(filter.check());
  const Matcher wanted(filter);
  LogPage page;
  std::uint64_t looked = 0;
  const auto files = list_log_files(env, dir);
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const auto& [number, path] = *file;
    if (before && number > before->file) continue;
    const bool cut = before && number == before->file;
    MILLRACE_ASSIGN(const std::string text, read_part(env, path, 0, cut ? before->byte : kFileBytesMax));
    looked += text.size();
    const LogPosition rest = gather_backwards(text, number, wanted, limits.lines, page);
    const bool older = rest.byte > 0 || std::next(file) != files.rend();
    if (page.lines.size() < limits.lines && looked < limits.bytes) continue;
    if (older) page.next = rest;
    return page;
  }
  return page;
}

Result<LogPage> read_log_forwards(Env& env, const Path& dir, const LogFilter& filter, LogPosition from,
                                  const LogPageLimits& limits) {
  MILLRACE_TRY(filter.check());
  const Matcher wanted(filter);
  LogPage page;
  page.next = from;
  std::uint64_t looked = 0;
  for (const auto& [number, path] : list_log_files(env, dir)) {
    if (number < from.file) continue;
    std::uint64_t at = number == from.file ? from.byte : 0;
    MILLRACE_ASSIGN(const std::string text, read_part(env, path, at, kFileBytesMax));
    std::string_view rest = text;
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      const std::string_view line = rest.substr(0, end);
      if (page.lines.size() >= limits.lines || looked >= limits.bytes) return page;
      if (wanted(line)) page.lines.push_back({{number, at}, std::string(line)});
      looked += end + 1;
      at += end + 1;
      rest.remove_prefix(end + 1);
      page.next = LogPosition{number, at};
    }
  }
  return page;
}

}  // namespace millrace
