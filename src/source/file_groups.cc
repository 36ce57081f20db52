#include "source/file_groups.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "source/file_profile.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kEndings{".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"};
constexpr std::size_t kFilesLookedAtMax = 1'000;  // of a group; what is behind is taken to be alike
constexpr std::size_t kColumnsMaxShown = 2'000;

bool is_numeral(char c) {
  return c >= '0' && c <= '9';
}

/// Return a name without ".gz" and the ending before it.
std::string stem_of(const Path& file) {
  Path name = file.filename();
  if (name.extension() == ".gz") name = name.stem();
  return name.stem().string();
}

bool is_data(const Path& file) {
  Path name = file.filename();
  if (name.string().starts_with('.') || name.string().starts_with('_')) return false;
  if (name.extension() == ".gz") name = name.stem();
  return std::ranges::find(kEndings, name.extension().string()) != kEndings.end();
}

/// Put "*" in the place of numbers: "dt=2026-11-01" and "part-0007" are the same for every file.
std::string pattern_of(const Path& relative) {
  std::string pattern;
  for (const auto& part : relative) {
    const std::string name = part.string();
    const auto equals = name.find('=');
    if (!pattern.empty()) pattern += '/';
    if (equals != std::string::npos && part != relative.filename()) {
      pattern.append(name, 0, equals + 1).push_back('*');
      continue;
    }
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (!is_numeral(name[i])) {
        pattern += name[i];
      } else if (i == 0 || !is_numeral(name[i - 1])) {
        pattern += '*';
      }
    }
  }
  // A date is one number.
  for (const std::string_view twice : {"*-*", "*_*"})
    for (auto at = pattern.find(twice); at != std::string::npos; at = pattern.find(twice))
      pattern.erase(at + 1, twice.size() - 1);
  return pattern;
}

/// Return the columns of the first row, as a text by which files are told apart.
Result<std::string> columns_of(Env& env, const Path& path, const OpenParquet& open_parquet) {
  MILLRACE_ASSIGN(const auto opened, open_rows_of(env, path, open_parquet));
  Row row;
  MILLRACE_ASSIGN([[maybe_unused]] const auto step, opened.rows->next(row));
  std::vector<std::string> columns = opened.rows->columns();
  if (columns.size() > kColumnsMaxShown) columns.resize(kColumnsMaxShown);
  std::string text = std::to_string(static_cast<int>(opened.format)) + opened.delimiter;
  // Objects name their own members, and not every row has all.
  if (opened.format == RowFormat::kJsonLines) return text;
  for (const auto& column : columns) text += '\n' + column;
  return text;
}

Result<std::vector<Path>> files_below(const Path& folder, std::size_t files_max) {
  std::vector<Path> files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  if (error)
    return fail(error == std::errc::permission_denied           ? Code::kDenied
                : error == std::errc::no_such_file_or_directory ? Code::kNotFound
                                                                : Code::kIo,
                error.message(), folder.string());
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) return fail(Code::kIo, error.message(), folder.string());
    if (at->is_directory(error)) {
      if (at->path().filename().string().starts_with('.')) at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(error)) continue;
    if (files.size() == files_max)
      return fail(Code::kOutOfRange,
                  fmt::format("there are more than {} files: name a folder further down", files_max),
                  folder.string());
    files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::string plain_name(const Path& file) {
  std::string name;
  for (const char c : stem_of(file)) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
      name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    else if (!is_numeral(c) && !name.empty() && name.back() != '_')
      name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  return name.empty() ? "data" : name;
}

Result<FolderFiles> find_file_groups(Env& env, const Path& folder, const OpenParquet& open_parquet,
                                     std::size_t files_max) {
  // A folder that may be listed but not entered shows no files at all.
  MILLRACE_ASSIGN([[maybe_unused]] const auto names, env.list_dir(folder));
  MILLRACE_ASSIGN(const auto files, files_below(folder, files_max));
  FolderFiles found;
  std::map<std::pair<std::string, std::string>, FileGroup> groups;
  std::map<std::string, std::pair<std::size_t, std::string>> looked_at;  // by pattern
  for (const auto& file : files) {
    if (!is_data(file)) {
      found.others.push_back(file.lexically_relative(folder).string());
      continue;
    }
    const auto pattern = pattern_of(file.lexically_relative(folder));
    auto& [count, columns] = looked_at[pattern];
    if (count++ < kFilesLookedAtMax) {
      auto read = columns_of(env, file, open_parquet);
      if (!read) {
        found.problems.push_back(std::move(read).error());
        if (found.problems.back().where.empty()) found.problems.back().where = file.string();
        continue;
      }
      columns = *std::move(read);
    }
    auto& group = groups[{pattern, columns}];
    group.pattern = pattern;
    group.files.push_back(file);
    std::error_code ignored;
    group.bytes += fs::file_size(file, ignored);
  }
  std::set<std::string> used;
  for (auto& [key, group] : groups) {
    group.name = plain_name(group.files.front());
    // "part-0.parquet" says nothing; the folder that holds the partitions does.
    if (group.name == "part" || group.name == "data")
      for (Path above = group.files.front().parent_path(); !above.empty() && above != above.root_path();
           above = above.parent_path())
        if (!above.filename().string().contains('=')) {
          group.name = plain_name(above.filename());
          break;
        }
    const std::string plain = group.name;
    for (int n = 2; !used.insert(group.name).second; ++n) group.name = fmt::format("{}_{}", plain, n);
    found.groups.push_back(std::move(group));
  }
  return found;
}

}  // namespace millrace
