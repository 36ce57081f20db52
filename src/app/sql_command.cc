#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kColumnWidthMax = 60;

std::string cell_text(const Json& cell) {
  if (cell.is_null()) return "";
  return cell.is_string() ? cell.get<std::string>() : cell.dump();
}

/// Return how many letters a terminal shows, roughly: the bytes that begin a UTF-8 character.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void print_row(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line.append(widths[i] - std::min(widths[i], width_of(cells[i])) + 2, ' ');
  }
  fmt::print("{}\n", line);
}

void print_table(const Json& result) {
  std::vector<std::string> names;
  for (const Json& column : result["columns"]) names.push_back(column["name"].get<std::string>());
  std::vector<std::size_t> widths;
  for (const std::string& name : names) widths.push_back(width_of(name));
  std::vector<std::vector<std::string>> rows;
  for (const Json& row : result["rows"]) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      cells.push_back(cell_text(row[i]));
      widths[i] = std::min(kColumnWidthMax, std::max(widths[i], width_of(cells.back())));
    }
  }
  print_row(names, widths);
  for (const std::vector<std::string>& row : rows) print_row(row, widths);
  if (result["truncated"].get<bool>()) fmt::print("… more rows; add a LIMIT or raise --rows\n");
}

int run_sql(const CommonOptions& common, const std::string& query, std::int64_t rows_max) {
  Result<std::unique_ptr<ServerConnection>> server =
      ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  const Json body = {{"query", query}, {"rows_max", rows_max}};
  const Result<HttpResponse> answer = (*server)->client().request("POST", "/v1/sql", body.dump());
  if (!answer) return report_failure(answer.error());
  if (Status good = check_answer(*answer); !good) return report_failure(good.error());
  if (common.json) {
    fmt::print("{}\n", answer->body);
  } else {
    print_table(Json::parse(answer->body));
  }
  return kExitDone;
}

}  // namespace

void add_sql_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* sql = app.add_subcommand("sql", "Run one SELECT over the tables (docs/schema.md)");
  add_data_options(*sql, common);
  sql->add_flag("--json", common.json, "print JSON");
  auto query = std::make_shared<std::string>();
  auto rows = std::make_shared<std::int64_t>(1'000);
  sql->add_option("QUERY", *query, "the query")->required();
  sql->add_option("--rows", *rows, "rows at most")->check(CLI::Range(1, 100'000));
  sql->footer(
      "Examples:\n"
      "  millrace sql 'SHOW TABLES'\n"
      "  millrace sql \"SELECT page_path, count(*) AS views FROM events WHERE type = 'page_view' GROUP BY 1 "
      "ORDER BY 2 DESC\"");
  sql->callback([&common, &exit_code, query, rows] { exit_code = run_sql(common, *query, *rows); });
}

}  // namespace millrace
