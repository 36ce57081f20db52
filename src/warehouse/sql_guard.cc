#include "warehouse/sql_guard.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

/// Tell whether a name can mean nothing but what WITH calls so: no path, no table of DuckDB's own.
bool is_plain_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOwnPrefixes = {"duckdb_", "pg_", "sqlite_", "pragma_"};
  const std::string lower = to_lower(name);
  const bool plain = std::ranges::all_of(
      lower, [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; });
  return plain && std::ranges::none_of(kOwnPrefixes, [&](auto prefix) { return lower.starts_with(prefix); });
}

/// What tells the time without looking like a function.
constexpr std::array kTimeWords = {"current_timestamp", "current_date", "current_time", "localtimestamp",
                                   "localtime"};

/// Table functions that only compute. All others read something: files, settings, secrets, or SQL in a text.
constexpr std::array kTableFunctions = {"range",     "generate_series", "unnest",
                                        "json_each", "json_tree",       "repeat"};

/// Functions in expressions that tell about the process, change something, or run text as SQL.
constexpr std::array kDeniedFunctions = {"current_setting",
                                         "getenv",
                                         "getvariable",
                                         "nextval",
                                         "currval",
                                         "setseed",
                                         "write_log",
                                         "query",
                                         "query_table",
                                         "json_execute_serialized_sql",
                                         "parse_duckdb_log_message",
                                         "pg_get_viewdef"};

/// Views of DuckDB's own that only tell which tables and columns there are.
constexpr std::array kInformationViews = {"tables", "columns"};

/// What `SHOW TABLES` and `SHOW ALL TABLES` name in the tree.
constexpr std::array kShowTables = {"\"tables\"", "__show_tables_expanded"};

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string text_of(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? to_lower(found->get<std::string>()) : std::string();
}

/// Walks the tree without recursion: a hostile query may be nested deep.
class Checker {
 public:
  explicit Checker(const SqlRules& rules) : rules_(rules) {}

  Status check(const Json& tree) {
    std::vector<const Json*> open{&tree};
    while (!open.empty()) {
      const Json& node = *open.back();
      open.pop_back();
      if (node.is_object()) MILLRACE_TRY(check_node(node));
      if (!node.is_structured()) continue;
      for (const auto& child : node) open.push_back(&child);
    }
    return check_tables();
  }

 private:
  Status check_node(const Json& node) {
    const auto type = text_of(node, "type");
    if (type == "base_table") {
      tables_.push_back(
          {text_of(node, "catalog_name"), text_of(node, "schema_name"), text_of(node, "table_name")});
    } else if (type == "table_function") {
      return check_table_function(node);
    } else if (type == "show_ref") {
      return check_show(node);
    } else if (text_of(node, "class") == "function") {
      return check_function(node);
    }
    note_with_queries(node);
    if (rules_.unsteady.empty()) return {};
    const auto word = unsteady_word(node);
    return word.empty() ? Status{} : unsteady(word);
  }

  static std::unexpected<Error> unsteady(const std::string& what) {
    return fail(Code::kInvalid, what +
                                    " gives something else each time, so the same tables would not give "
                                    "the same: use columns");
  }

  /// Remember the names that WITH gives. One that hides a table is refused, since a name could then mean
  /// either; one that could mean a file or a table of DuckDB's own elsewhere in the query is not remembered.
  void note_with_queries(const Json& node) {
    const auto map = node.find("cte_map");
    if (map == node.end() || !map->is_object() || !map->contains("map")) return;
    for (const auto& entry : (*map)["map"]) {
      auto name = text_of(entry, "key");
      if (is_plain_name(name)) with_names_.push_back(std::move(name));
    }
  }

  Status check_table_function(const Json& node) {
    const auto name = node.contains("function") ? text_of(node["function"], "function_name") : std::string();
    if (is_computing_table_function(name)) return {};
    return fail(Code::kDenied,
                fmt::format("{}() is not allowed in FROM: name a table of the warehouse instead", name));
  }

  Status check_function(const Json& node) {
    const auto name = text_of(node, "function_name");
    if (rules_.unsteady.contains(name)) return unsteady(name + "()");
    if (!is_denied_function(name)) return {};
    return fail(Code::kDenied, fmt::format("{}() is not allowed in queries", name));
  }

  Status check_show(const Json& node) {
    const auto query = node.find("query");
    if (query != node.end() && query->is_object()) return {};  // DESCRIBE of something: walked like the rest
    if (contains(kShowTables, text_of(node, "table_name"))) return {};
    return fail(Code::kDenied, "only SHOW TABLES and SHOW ALL TABLES are allowed");
  }

  Status check_tables() const {
    for (const auto& name : with_names_) {
      if (rules_.tables.contains(name)) {
        return fail(Code::kDenied,
                    fmt::format("WITH {} hides the table of that name: choose another name", name));
      }
    }
    for (const auto& name : tables_) MILLRACE_TRY(check_table(name));
    return {};
  }

  Status check_table(const TableName& name) const {
    if (name.schema == "information_schema" && contains(kInformationViews, name.table)) return {};
    if (name.schema.empty() && contains(with_names_, name.table)) return {};
    const std::string full = name.schema + "." + name.table;
    if (name.catalog.empty() && rules_.others.contains(full)) return check_right(full);
    const bool ours = (name.schema.empty() || name.schema == "main" || name.schema.starts_with("replay_")) &&
                      name.catalog.empty();
    if (!ours || !rules_.tables.contains(name.table)) return no_such_table(name);
    return check_right(name.table);
  }

  Status check_right(const std::string& table) const {
    if (!rules_.may_read || rules_.may_read(table)) return {};
    return fail(Code::kDenied, fmt::format("you may not read the table {}", table));
  }

  Status no_such_table(const TableName& name) const {
    const bool qualified = !name.schema.empty() && name.schema != "main";
    const auto& known = qualified ? rules_.others : rules_.tables;
    const auto nearest =
        nearest_name((qualified ? name.schema + "." : "") + name.table, {known.begin(), known.end()});
    return fail(Code::kInvalid,
                fmt::format("there is no table {}{}{} in the warehouse{}", name.schema,
                            name.schema.empty() ? "" : ".", name.table,
                            nearest.empty() ? "; SHOW TABLES lists them" : "; did you mean " + nearest));
  }

  const SqlRules& rules_;
  std::vector<TableName> tables_;
  std::vector<std::string> with_names_;
};

std::string_view skip_space(std::string_view sql) {
  while (!sql.empty() && std::isspace(static_cast<unsigned char>(sql.front()))) sql.remove_prefix(1);
  return sql;
}

/// Take the word off the front of `sql`, whatever its case; false when it is not there.
bool take_word(std::string_view& sql, std::string_view word) {
  const auto rest = skip_space(sql);
  if (rest.size() <= word.size() || to_lower(rest.substr(0, word.size())) != word) return false;
  if (!std::isspace(static_cast<unsigned char>(rest[word.size()]))) return false;
  sql = rest.substr(word.size());
  return true;
}

}  // namespace

bool is_computing_table_function(std::string_view name) {
  return contains(kTableFunctions, name);
}

bool is_denied_function(std::string_view name) {
  return contains(kDeniedFunctions, name) || name.starts_with("pragma_");
}

std::string unsteady_word(const Json& node) {
  if (text_of(node, "class") == "column_ref" && node.contains("column_names") &&
      node["column_names"].size() == 1) {
    auto name = to_lower(node["column_names"][0].get<std::string>());
    if (contains(kTimeWords, name)) return name;
  }
  const auto sample = node.find("sample");
  return sample != node.end() && sample->is_object() ? "a sample" : "";
}

std::string_view without_explain(std::string_view sql) {
  if (take_word(sql, "explain")) take_word(sql, "analyze");
  return sql;
}

Status check_query(std::string_view syntax_tree, const SqlRules& rules) {
  const auto tree = Json::parse(syntax_tree, nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object()) return fail(Code::kInternal, "DuckDB gave no syntax tree");
  if (tree.value("error", true)) {
    const auto kind = tree.value("error_type", std::string());
    const auto message = tree.value("error_message", std::string());
    if (kind == "not implemented")
      return fail(Code::kDenied, "only SELECT is allowed: this is read-only SQL");
    return fail(Code::kInvalid, message);
  }
  const auto statements = tree.find("statements");
  if (statements == tree.end() || statements->size() != 1) {
    return fail(Code::kInvalid, "give exactly one statement");
  }
  return Checker(rules).check(*statements);
}

}  // namespace millrace
