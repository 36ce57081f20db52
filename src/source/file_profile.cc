#include "source/file_profile.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "event/codec.h"
#include "source/json_elements.h"
#include "source/known_shape.h"

namespace millrace {
namespace {

constexpr std::size_t kHeadBytes = 64 << 10;
constexpr std::size_t kDistinctMin = 1'000;
constexpr std::size_t kShownValueBytes = 60;
constexpr std::string_view kBlankBytes = " \t\r\n\xEF\xBB\xBF";

/// Read the first bytes, inflated.
Result<std::string> read_head(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, FileReader::open(env, path));
  std::string head(kHeadBytes, '\0');
  std::size_t size = 0;
  while (size < head.size()) {
    MILLRACE_ASSIGN(const auto n, file->read(std::span(head).subspan(size)));
    if (n == 0) break;
    size += n;
  }
  head.resize(size);
  return head;
}

/// Return the first line that is not blank.
std::string_view first_line(std::string_view head) {
  const auto from = head.find_first_not_of(kBlankBytes);
  if (from == std::string_view::npos) return {};
  head.remove_prefix(from);
  return head.substr(0, head.find_first_of("\r\n"));
}

/// Return what separates the columns of a header, or NUL when it seems to have one column.
char delimiter_of(std::string_view line) {
  std::array<std::pair<char, std::size_t>, 4> counts{{{',', 0}, {';', 0}, {'\t', 0}, {'|', 0}}};
  bool in_quotes = false;
  for (const char c : line) {
    if (c == '"') in_quotes = !in_quotes;
    for (auto& [delimiter, count] : counts) count += !in_quotes && c == delimiter ? 1 : 0;
  }
  const auto most = std::ranges::max_element(counts, {}, &std::pair<char, std::size_t>::second);
  return most->second == 0 ? '\0' : most->first;
}

/// Errors: kInvalid when the first line holds values rather than names.
Status check_header(const std::vector<std::string>& columns, const Path& path) {
  const auto is_value = [](const std::string& name) {
    return !name.empty() && (name.find_first_not_of("0123456789.-+:/ TZ") == std::string::npos);
  };
  const auto value = std::ranges::find_if(columns, is_value);
  if (value == columns.end()) return {};
  return fail(
      Code::kInvalid,
      fmt::format("the first line holds values ('{}'), where the names of the columns should stand: put "
                  "a line of names before it",
                  value->substr(0, kShownValueBytes)),
      path.string());
}

Result<RowsOf> open_csv_of(Env& env, const Path& path, std::string_view head) {
  RowsOf opened;
  const char delimiter = delimiter_of(first_line(head));
  const bool is_csv = path.string().contains(".csv") || path.string().contains(".tsv");
  if (delimiter == '\0' && !is_csv)
    return fail(Code::kInvalid,
                "this is neither CSV with a header, nor JSON, nor Parquet: its first line has no commas, "
                "semicolons, tabs or bars",
                path.string());
  opened.delimiter = delimiter == '\0' ? ',' : delimiter;
  MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
  auto rows = open_csv(std::move(file), opened.delimiter);
  if (!rows) {
    auto error = std::move(rows).error();
    if (error.where.empty()) error.where = path.string();
    return fail(std::move(error));
  }
  opened.rows = *std::move(rows);
  MILLRACE_TRY(check_header(opened.rows->columns(), path));
  return opened;
}

/// Look at the rows that a reader gives.
class Looker {
 public:
  Looker(const ProfileLimits& limits, FileProfile& profile) : limits_(limits), profile_(profile) {}

  Status run(RowReader& rows) {
    std::uint64_t bytes = 0;
    for (Row row; profile_.rows < limits_.rows_max && bytes < limits_.bytes_max;) {
      MILLRACE_ASSIGN(const auto step, rows.next(row));
      if (step == RowReader::Step::kEnd) {
        profile_.is_whole = true;
        break;
      }
      bytes += row.raw.size();
      if (step == RowReader::Step::kBadRow)
        note_bad(row);
      else
        add(rows.columns(), row);
      ++profile_.rows;
    }
    for (const auto& profiler : profilers_) profile_.columns.push_back(profiler.finish());
    return {};
  }

 private:
  void note_bad(const Row& row) {
    if (profile_.bad_rows++ == 0)
      profile_.bad_row = fmt::format("line {}: {}", row.place.text(), row.problem.message);
  }

  void add(const std::vector<std::string>& columns, const Row& row) {
    while (profilers_.size() < columns.size())
      profilers_.emplace_back(columns[profilers_.size()], profile_.rows - profile_.bad_rows,
                              std::max(kDistinctMin, limits_.distinct_max / columns.size()));
    for (std::size_t i = 0; i < profilers_.size(); ++i)
      profilers_[i].add(i < row.cells.size() ? row.cells[i] : Cell());
  }

  const ProfileLimits& limits_;
  FileProfile& profile_;
  std::vector<ColumnProfiler> profilers_;
};

}  // namespace

const ColumnProfile* FileProfile::find(const std::string& column) const {
  const auto found = std::ranges::find(columns, column, &ColumnProfile::name);
  return found == columns.end() ? nullptr : &*found;
}

Result<RowsOf> open_rows_of(Env& env, const Path& path, const OpenParquet& open_parquet,
                            const std::string& unnest) {
  RowsOf opened;
  MILLRACE_ASSIGN(const bool parquet, is_parquet(env, path));
  if (parquet) {
    opened.format = RowFormat::kParquet;
    MILLRACE_ASSIGN(auto texts, open_json_texts(env, path, open_parquet));
    opened.rows = read_json_rows(std::move(texts), unnest);
    return opened;
  }
  MILLRACE_ASSIGN(const auto head, read_head(env, path));
  const auto line = first_line(head);
  if (line.empty())
    return fail(Code::kInvalid,
                head.size() < kHeadBytes ? "the file is empty"
                                         : fmt::format("its first {} bytes are blank", head.size()),
                path.string());
  if (head.contains('\0'))
    return fail(Code::kInvalid,
                fmt::format("this is neither CSV, JSON nor Parquet: byte {} is 0, as in binary files",
                            head.find('\0') + 1),
                path.string());
  if (line[0] != '{' && line[0] != '[') return open_csv_of(env, path, head);
  opened.format = RowFormat::kJsonLines;
  MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
  opened.rows = read_json_rows(std::make_unique<JsonElements>(std::move(file)), unnest);
  return opened;
}

Result<FileProfile> profile_file(Env& env, const Path& path, const OpenParquet& open_parquet,
                                 const ProfileLimits& limits, const std::string& unnest) {
  FileProfile profile;
  profile.unnest = unnest;
  profile.path = path;
  MILLRACE_ASSIGN(const auto opened, open_rows_of(env, path, open_parquet, unnest));
  profile.format = opened.format;
  profile.delimiter = opened.delimiter;
  if (auto looked = Looker(limits, profile).run(*opened.rows); !looked) {
    auto error = std::move(looked).error();
    if (error.where.empty()) error.where = path.string();
    return fail(std::move(error));
  }
  if (profile.rows == 0)
    return fail(Code::kInvalid, "the file has no rows: nothing can be said of its values", path.string());
  if (2 * profile.bad_rows > profile.rows)
    return fail(Code::kInvalid,
                fmt::format("{} of the first {} rows cannot be read ({}): is this the format it looks like?",
                            profile.bad_rows, profile.rows, profile.bad_row),
                path.string());
  if (profile.format == RowFormat::kJsonLines && unnest.empty()) {
    MILLRACE_ASSIGN(profile.known, known_shape(env, path, profile));
  }
  return profile;
}

}  // namespace millrace
