#include "app/discover_report.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace {
namespace {

using nlohmann::json;

constexpr std::size_t kNameMax = 32;
constexpr std::size_t kValueMax = 22;

/// Cut a text to so many bytes, at a letter's end, and take out what would upset a terminal.
std::string for_terminal(std::string text, std::size_t bytes_max) {
  text = without_controls(text);
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string role_of(const DiscoveredFiles& found, const ColumnProfile& column) {
  for (const auto& [role, name] : found.mapping.roles) {
    if (name != column.name) continue;
    return role == "time" ? fmt::format("time ({})", column.time_format) : role;
  }
  if (column.is_unique() && column.rows > 1) return "unique";
  if (column.is_enum() && column.type == ColumnProfile::Type::kText)
    return fmt::format("one of {}", column.values.size());
  if (!column.time_format.empty()) return fmt::format("a time ({})", column.time_format);
  return "";
}

std::string share(std::uint64_t part, std::uint64_t of) {
  if (part == 0) return "0 %";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(of);
  return percent < 1 ? "<1 %" : fmt::format("{:.0f} %", percent);
}

std::string size_of(std::uint64_t bytes) {
  if (bytes < 10'000) return with_thousands(bytes) + " bytes";
  return bytes < 10'000'000 ? with_thousands(bytes / 1'000) + " KB"
                            : with_thousands(bytes / 1'000'000) + " MB";
}

std::string format_name(const FileProfile& profile) {
  if (profile.format == RowFormat::kParquet) return "Parquet";
  if (profile.format == RowFormat::kJsonLines) return "JSON";
  if (profile.delimiter == ',') return "CSV";
  return profile.delimiter == '\t' ? "CSV with tabs" : fmt::format("CSV with {}", profile.delimiter);
}

std::string known_name(const std::string& known) {
  return known == "ga_sessions" ? "sessions of web analytics with their hits"
                                : fmt::format("events in the format {}", known);
}

/// Columns below one another; the width of each is that of its longest cell, in bytes but for the "…".
std::string table_of(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  const auto width_of = [](const std::string& cell) {
    return static_cast<std::size_t>(
        std::ranges::count_if(cell, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i)
      line += ' ' + row[i] + std::string(widths[i] - width_of(row[i]) + 1, ' ');
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

json column_json(const DiscoveredFiles& found, const ColumnProfile& column) {
  json out = {{"name", column.name},
              {"type", type_name(column.type)},
              {"rows", column.rows},
              {"empty", column.empty},
              {"distinct", column.distinct},
              {"distinct_is_least", column.has_more},
              {"min", column.min},
              {"max", column.max},
              {"unique", column.is_unique()},
              {"time_format", column.time_format}};
  for (const auto& [role, name] : found.mapping.roles)
    if (name == column.name) out["role"] = role;
  if (column.is_enum()) {
    out["values"] = json::object();
    for (const auto& [value, count] : column.values) out["values"][value] = count;
  }
  return out;
}

std::string key_of(const TableProposal& table) {
  return table.key.empty() ? "no key" : fmt::format("{}", fmt::join(table.key, ", "));
}

}  // namespace

std::string files_report(const DiscoveredFiles& found) {
  const FileProfile& profile = found.profile;
  const auto& group = found.group;
  std::string text = group.files.size() == 1
                         ? without_controls(profile.path.string())
                         : fmt::format("{}: {} files", without_controls(group.pattern), group.files.size());
  text +=
      fmt::format("  {}, {}; {} rows looked at{}{}\n", format_name(profile), size_of(group.bytes),
                  with_thousands(profile.rows), profile.is_whole ? "" : ", from the beginning",
                  group.files.size() == 1 ? "" : " of " + without_controls(profile.path.filename().string()));
  std::vector<std::vector<std::string>> rows{
      {"column", "type", "empty", "distinct", "from", "to", "seems to be"}};
  for (const auto& column : profile.columns)
    rows.push_back(
        {for_terminal(column.name, kNameMax), std::string(type_name(column.type)),
         share(column.empty, column.rows), (column.has_more ? "≥" : "") + with_thousands(column.distinct),
         for_terminal(column.min, kValueMax), for_terminal(column.max, kValueMax), role_of(found, column)});
  text += table_of(rows);
  if (profile.bad_rows > 0)
    text += fmt::format("  {} rows cannot be read; {}\n", with_thousands(profile.bad_rows),
                        without_controls(profile.bad_row));
  if (!profile.known.empty()) text += fmt::format("  these are {}\n", known_name(profile.known));
  for (const auto& note : found.mapping.notes) text += fmt::format("  note: {}\n", without_controls(note));
  if (found.mapping.yaml.empty()) return text;
  const auto produce = found.mapping.mapping.produce;
  text += fmt::format(
      "  mapping {}: {} of {} rows become {} {}{}", group.name,
      with_thousands(found.trial.rows - std::min(found.trial.refused, found.trial.rows)),
      with_thousands(found.trial.rows), with_thousands(found.trial.records),
      produce == Produce::kEvents  ? "events"
      : produce == Produce::kItems ? "items"
                                   : "people",
      found.mapping.types.empty() ? "" : fmt::format(" ({})", fmt::join(found.mapping.types, ", ")));
  if (found.trial.refused > 0)
    text += fmt::format("; {} would be refused, the first: {}", with_thousands(found.trial.refused),
                        without_controls(found.trial.first_refusal));
  return text + '\n';
}

json files_json(const DiscoveredFiles& found) {
  const FileProfile& profile = found.profile;
  json files = json::array();
  for (const auto& file : found.group.files) files.push_back(file.string());
  json columns = json::array();
  for (const auto& column : profile.columns) columns.push_back(column_json(found, column));
  return {{"name", found.group.name},
          {"files", std::move(files)},
          {"bytes", found.group.bytes},
          {"format", profile.format == RowFormat::kCsv       ? "csv"
                     : profile.format == RowFormat::kParquet ? "parquet"
                                                             : "jsonl"},
          {"known_format", profile.known},
          {"rows", profile.rows},
          {"bad_rows", profile.bad_rows},
          {"whole", profile.is_whole},
          {"columns", std::move(columns)},
          {"mapping", found.mapping.yaml},
          {"contract", found.contract},
          {"types", found.mapping.types},
          {"notes", found.mapping.notes},
          {"trial",
           {{"rows", found.trial.rows},
            {"records", found.trial.records},
            {"refused", found.trial.refused},
            {"first_refusal", found.trial.first_refusal}}}};
}

std::string database_report(const std::string& source, const DatabaseProposal& proposal) {
  std::vector<std::vector<std::string>> rows{{"table", "columns", "rows, about", "key", "cursor"}};
  for (const auto& table : proposal.tables)
    rows.push_back({for_terminal(table.name, kNameMax), std::to_string(table.columns),
                    with_thousands(table.rows_estimate), without_controls(key_of(table)), table.cursor});
  std::string text = fmt::format("{}  {} tables\n", source, proposal.tables.size()) + table_of(rows);
  for (const auto& table : proposal.tables) {
    const auto add = [&](const std::string& note) {
      text += fmt::format("  note: {}\n", without_controls(table.name + ": " + note));
    };
    if (!table.problem.empty()) add(table.problem);
    for (const auto& note : table.notes) add(note);
  }
  return text;
}

json database_json(const std::string& source, const DatabaseProposal& proposal) {
  json tables = json::array();
  for (const auto& table : proposal.tables)
    tables.push_back({{"table", table.name},
                      {"columns", table.columns},
                      {"rows_estimate", table.rows_estimate},
                      {"key", table.key},
                      {"cursor", table.cursor},
                      {"problem", table.problem},
                      {"notes", table.notes},
                      {"contract", table.contract}});
  return {{"source", source}, {"config", proposal.config}, {"tables", std::move(tables)}};
}

std::string shell_text(std::string_view text, bool is_pattern) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./,:=@%+-").contains(c);
  };
  std::string out;
  bool in_quotes = false;
  const auto quote = [&](bool on) {
    if (in_quotes != on) out += '\'';
    in_quotes = on;
  };
  const std::string shown = without_controls(text);
  const bool needs_none = !shown.empty() && std::ranges::all_of(shown, [&](char c) {
    return is_plain(c) || (is_pattern && c == '*');
  });
  for (const char c : shown) {
    quote(!needs_none && c != '\'' && !(is_pattern && c == '*'));
    out += c == '\'' ? "\\'" : std::string(1, c);
  }
  quote(false);
  return out.empty() ? "''" : out;
}

std::string ingest_command(const DiscoveredFiles& found, const Path& mapping) {
  std::string files = shell_text(found.group.files.front().string());
  if (found.group.files.size() > 1) {
    const auto up = static_cast<std::size_t>(std::ranges::count(found.group.pattern, '/'));
    Path folder = found.group.files.front().parent_path();
    for (std::size_t i = 0; i < up; ++i) folder = folder.parent_path();
    files = folder.empty() ? "" : shell_text((folder / "").string());
    files += shell_text(found.group.pattern, true);
  }
  const std::string& known = found.profile.known;
  if (known == "ga_sessions")
    return "millrace ingest jsonl --map examples/news/mappings/ga_sessions.yaml " + files;
  if (!known.empty()) return fmt::format("millrace ingest {} {}", known, files);
  return fmt::format("millrace {} --map {} {}", found.mapping.command, shell_text(mapping.string()), files);
}

}  // namespace millrace
