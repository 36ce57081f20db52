#include "warehouse/transform_docs.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "warehouse/transform_origins.h"

namespace millrace {
namespace {

constexpr const char* kHead =
    "# The analyst schema\n\n"
    "Tables for questions, in the schema `analytics`, which the transforms of a project make of the "
    "warehouse's own tables\n"
    "([schema.md](schema.md)). `millrace run docs` writes this page from their files: the diagram and the "
    "origins are what DuckDB's\n"
    "parser sees in the SQL. How to add or change one: [how-to/transforms.md](how-to/transforms.md).\n\n"
    "Before, on the left, and after:\n\n";

/// Text of people in a cell of a table: one line, no bar.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '\n' ? std::string(" ") : c == '|' ? std::string("\\|") : std::string(1, c);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Result<TableColumns> columns_of_sources(duck::Connection& connection) {
  MILLRACE_ASSIGN(auto rows, connection.query("SELECT lower(table_name), lower(column_name) FROM "
                                              "information_schema.columns WHERE table_schema = 'main' AND "
                                              "table_catalog = current_database() ORDER BY table_name, "
                                              "ordinal_position"));
  TableColumns columns;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return columns;
    for (std::size_t i = 0; i < rows.size(); ++i)
      columns[std::string(rows.text(0, i))].emplace_back(rows.text(1, i));
  }
}

std::string diagram(const TransformSet& set) {
  std::set<std::string> sources;
  std::set<std::string> edges;
  std::set<std::string> names;
  for (const auto& one : set.in_order()) {
    const auto& name = one.transform.name;
    names.insert(name);
    for (const auto& source : one.reads.sources) {
      sources.insert(source);
      edges.insert(fmt::format("  main_{} --> {}\n", source, name));
    }
    for (const auto& ref : one.reads.refs) edges.insert(fmt::format("  {} --> {}\n", ref, name));
  }
  std::string out = "```mermaid\nflowchart LR\n  subgraph main [warehouse]\n";
  for (const auto& source : sources) out += fmt::format("    main_{0}[{0}]\n", source);
  out += "  end\n  subgraph analytics\n";
  for (const auto& name : names) out += fmt::format("    {}\n", name);
  out += "  end\n";
  for (const auto& edge : edges) out += edge;
  return out + "```\n";
}

std::string origin_text(const ColumnOrigin& origin) {
  if (origin.from.empty()) return "computed";
  std::string out;
  for (const auto& from : origin.from) out += fmt::format("{}`{}`", out.empty() ? "" : ", ", from);
  return origin.as_it_is ? out : "from " + out;
}

std::string period(DurationUs interval) {
  if (interval == 0) return "Made as a whole in each run.";
  if (interval % kDayUs == 0) return fmt::format("Made by intervals of {} d", interval / kDayUs);
  if (interval % kHourUs == 0) return fmt::format("Made by intervals of {} h", interval / kHourUs);
  return fmt::format("Made by intervals of {} min", interval / kMinuteUs);
}

Result<std::string> section(duck::Connection& connection, const SoundTransform& one, TableColumns& tables) {
  const auto& transform = one.transform;
  MILLRACE_ASSIGN(const auto origins, column_origins(connection, transform, tables));
  std::string out = fmt::format("\n## {}\n\n{}{}{}", transform.name, cell(transform.description),
                                transform.description.empty() ? "" : "\n", period(transform.interval));
  if (transform.is_incremental()) out += fmt::format(", by `{}`.", transform.time);
  for (const auto& columns : transform.unique)
    out += fmt::format(" One row for each `{}`.", fmt::join(columns, "`, `"));
  out += "\n\n| column | type | meaning | origin |\n|---|---|---|---|\n";
  auto& known = tables[std::string(kTransformSchema) + "." + transform.name];
  for (std::size_t i = 0; i < one.columns.size(); ++i) {
    const auto& [name, type] = one.columns[i];
    const auto meaning = transform.columns.find(name);
    out += fmt::format("| {} | {} | {} | {} |\n", name, type,
                       meaning == transform.columns.end() ? "" : cell(meaning->second),
                       i < origins.size() ? origin_text(origins[i]) : "");
    known.push_back(name);
  }
  return out;
}

}  // namespace

Result<std::string> transform_page(duck::Connection& connection, const TransformSet& set) {
  MILLRACE_ASSIGN(auto tables, columns_of_sources(connection));
  std::vector<std::pair<std::string, std::string>> sections;
  for (const auto& one : set.in_order()) {  // each after those whose columns it names
    MILLRACE_ASSIGN(auto text, section(connection, one, tables));
    sections.emplace_back(one.transform.name, std::move(text));
  }
  std::ranges::sort(sections);
  std::string page = kHead + diagram(set);
  for (const auto& [name, text] : sections) page += text;
  return page;
}

}  // namespace millrace
