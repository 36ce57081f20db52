#include "warehouse/transform_origins.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "warehouse/transform_sql.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Columns = std::vector<ColumnOrigin>;

/// A table of a FROM, by the name that the query calls it.
struct Named {
  std::string name;
  Columns columns;
};

/// What names mean at a place of the query.
struct Scope {
  std::vector<Named> tables;
  std::map<std::string, Columns> with;
  const Scope* outer = nullptr;

  /// Return a column by its name alone, or by its table's too.
  const ColumnOrigin* find(const std::string& table, const std::string& column) const {
    for (const auto& one : tables) {
      if (!table.empty() && one.name != table) continue;
      for (const auto& known : one.columns)
        if (to_lower(known.name) == column) return &known;
    }
    return outer == nullptr ? nullptr : outer->find(table, column);
  }

  const Columns* find_with(const std::string& name) const {
    const auto found = with.find(name);
    if (found != with.end()) return &found->second;
    return outer == nullptr ? nullptr : outer->find_with(name);
  }
};

/// Follows columns through a syntax tree, from the inside out. Trees are as deep as people write them: the
/// parser refused deeper ones.
class Follower {
 public:
  explicit Follower(const TableColumns& tables) : tables_(tables) {}

  Columns of_query(const Json& node, const Scope* outer) const {
    Scope scope;
    scope.outer = outer;
    if (node.contains("cte_map"))
      for (const auto& entry : node["cte_map"]["map"])
        scope.with[to_lower(entry.value("key", ""))] = of_query(entry["value"]["query"]["node"], &scope);
    const auto type = node.value("type", "");
    if (type == "SET_OPERATION_NODE") return of_set_operation(node, scope);
    if (type == "CTE_NODE") {
      scope.with[to_lower(node.value("cte_name", ""))] = of_query(node["query"], &scope);
      return of_query(node["child"], &scope);
    }
    if (type != "SELECT_NODE") return {};
    add_tables(node["from_table"], scope);
    Columns out;
    for (const auto& expression : node["select_list"]) add_column(expression, scope, out);
    return out;
  }

 private:
  Columns of_set_operation(const Json& node, const Scope& scope) const {
    std::vector<const Json*> sides;
    if (node.contains("children") && node["children"].is_array())
      for (const auto& child : node["children"]) sides.push_back(&child);
    for (const char* side : {"left", "right"})
      if (node.contains(side)) sides.push_back(&node[side]);
    Columns out;
    for (const auto* side : sides) {
      const auto columns = of_query(*side, &scope);
      if (out.empty()) {
        out = columns;
        continue;
      }
      for (std::size_t i = 0; i < std::min(out.size(), columns.size()); ++i) {
        out[i].from.insert(columns[i].from.begin(), columns[i].from.end());
        out[i].as_it_is = out[i].as_it_is && columns[i].as_it_is;
      }
    }
    return out;
  }

  void add_tables(const Json& from, Scope& scope) const {
    const auto type = from.value("type", "");
    const auto alias = to_lower(from.value("alias", ""));
    if (type == "JOIN") {
      add_tables(from["left"], scope);
      add_tables(from["right"], scope);
    } else if (type == "SUBQUERY") {
      scope.tables.push_back({alias, of_query(from["subquery"]["node"], &scope)});
    } else if (type == "BASE_TABLE") {
      const auto name = to_lower(from.value("table_name", ""));
      scope.tables.push_back({alias.empty() ? name : alias, of_table(from, name, scope)});
    }
  }

  Columns of_table(const Json& from, const std::string& name, const Scope& scope) const {
    const auto schema = to_lower(from.value("schema_name", ""));
    if (schema.empty())
      if (const auto* with = scope.find_with(name)) return *with;
    const auto full = schema == kTransformSchema ? schema + "." + name : name;
    Columns out;
    if (const auto found = tables_.find(full); found != tables_.end())
      for (const auto& column : found->second) out.push_back({column, {full + "." + column}, true});
    return out;
  }

  void add_column(const Json& expression, const Scope& scope, Columns& out) const {
    if (expression.value("class", "") == "STAR") {
      const auto of = to_lower(expression.value("relation_name", ""));
      for (const auto& table : scope.tables)
        if (of.empty() || table.name == of) out.insert(out.end(), table.columns.begin(), table.columns.end());
      return;
    }
    ColumnOrigin column{.name = expression.value("alias", ""), .from = {}, .as_it_is = false};
    const bool plain = expression.value("class", "") == "COLUMN_REF";
    if (plain && column.name.empty()) column.name = expression["column_names"].back().get<std::string>();
    bool whole = true;  // false once a column is itself made of others
    gather(expression, scope, column, whole);
    column.as_it_is = plain && whole;
    out.push_back(std::move(column));
  }

  /// Add all columns that are named in an expression; `whole` turns false when one is itself made of others.
  void gather(const Json& node, const Scope& scope, ColumnOrigin& into, bool& whole) const {
    if (node.is_object() && node.value("class", "") == "COLUMN_REF") {
      const auto& names = node["column_names"];
      const auto column = to_lower(names.back().get<std::string>());
      const auto table =
          names.size() > 1 ? to_lower(names[names.size() - 2].get<std::string>()) : std::string();
      if (const auto* found = scope.find(table, column)) {
        into.from.insert(found->from.begin(), found->from.end());
        whole = whole && found->as_it_is;
      }
      return;
    }
    if (node.is_object() && node.value("class", "") == "SUBQUERY") {
      for (const auto& column : of_query(node["subquery"]["node"], &scope))
        into.from.insert(column.from.begin(), column.from.end());
      return;
    }
    if (node.is_object() && node.value("class", "") == "WINDOW")
      return gather_window(node, scope, into, whole);
    if (!node.is_structured()) return;
    if (node.is_object() && chooses_by_second(node)) return gather(node["children"][0], scope, into, whole);
    for (const auto& child : node) gather(child, scope, into, whole);
  }

  static bool chooses_by_second(const Json& node) {
    const auto name = node.value("class", "") == "FUNCTION" ? node.value("function_name", "") : std::string();
    return (name == "min_by" || name == "max_by" || name == "arg_min" || name == "arg_max") &&
           node["children"].size() > 1;
  }

  /// What a window orders and divides by chooses rows; only its arguments are values. Of one without
  /// arguments the order is the value.
  void gather_window(const Json& node, const Scope& scope, ColumnOrigin& into, bool& whole) const {
    whole = false;
    const bool arguments = node.contains("children") && !node["children"].empty();
    for (const char* key : {"children", "offset_expr", "default_expr"})
      if (arguments && node.contains(key)) gather(node[key], scope, into, whole);
    for (const char* key : {"partitions", "orders"})
      if (!arguments && node.contains(key)) gather(node[key], scope, into, whole);
  }

  const TableColumns& tables_;
};

}  // namespace

Result<std::vector<ColumnOrigin>> column_origins(duck::Connection& connection, const Transform& transform,
                                                 const TableColumns& tables) {
  const auto sql = expand_transform(transform.text, {});
  MILLRACE_ASSIGN(auto rows,
                  connection.query("SELECT json_serialize_sql(?::VARCHAR)", {std::string_view(sql)}));
  MILLRACE_TRY(rows.next_chunk());
  const auto tree = Json::parse(rows.text(0, 0), nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object() || tree.value("error", true) || tree["statements"].empty())
    return fail(Code::kInvalid, "is no query", transform.path.string());
  return Follower(tables).of_query(tree["statements"][0]["node"], nullptr);
}

}  // namespace millrace
