#include "warehouse/transform_sql.h"

#include <algorithm>
#include <cctype>
#include <deque>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "warehouse/sql_check.h"
#include "warehouse/sql_guard.h"
#include "warehouse/transform_portable.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Return where a comment, a string or a quoted name that begins at `at` ends; `at` when there is none.
std::size_t skip_quoted(std::string_view text, std::size_t at) {
  const auto rest = text.substr(at);
  const auto until = [&](std::string_view end, std::size_t from) {
    const auto found = text.find(end, from);
    return found == std::string_view::npos ? text.size() : found + end.size();
  };
  if (rest.starts_with("--")) return std::min(text.size(), text.find('\n', at));
  if (rest.starts_with("/*")) return until("*/", at + 2);
  if (rest.starts_with("$$")) return until("$$", at + 2);
  if (rest.starts_with('\'')) return until("'", at + 1);  // '' is a string that begins at once again
  if (rest.starts_with('"')) return until("\"", at + 1);
  return at;
}

/// Reads the calls that stand for tables.
class Scanner {
 public:
  Scanner(std::string_view text, const TransformBounds& bounds) : text_(text), bounds_(bounds) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (const auto end = skip_quoted(text_, at_); end != at_) {
        out_ += text_.substr(at_, end - at_);
        at_ = end;
      } else if (!take_bound() && !take_call() && !take_last_semicolon()) {
        take_rest_of_word();
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view word_at(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(at, end - at);
  }

  void take_rest_of_word() {
    const auto word = word_at(at_);
    const std::size_t length = std::max<std::size_t>(1, word.size());
    out_ += text_.substr(at_, length);
    at_ += length;
  }

  bool take_bound() {
    if (text_[at_] != '@') return false;
    const auto word = to_lower(word_at(at_ + 1));
    if (word != "start" && word != "end") return false;
    out_ += sql_time(word == "start" ? bounds_.start : bounds_.end);
    at_ += 1 + word.size();
    return true;
  }

  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size() && std::isspace(static_cast<unsigned char>(text_[at])) != 0) ++at;
    return at;
  }

  bool take_call() {
    const auto word = to_lower(word_at(at_));
    if (word != "ref" && word != "source") return false;
    const std::size_t begin = at_;
    std::size_t at = skip_space(at_ + word.size());
    if (at >= text_.size() || text_[at] != '(') return false;
    std::vector<std::string> names;
    do {
      at = skip_space(at + 1);
      if (at >= text_.size() || text_[at] != '\'') return false;
      const auto end = text_.find('\'', at + 1);
      if (end == std::string_view::npos) return false;
      names.emplace_back(text_.substr(at + 1, end - at - 1));
      at = skip_space(end + 1);
    } while (at < text_.size() && text_[at] == ',');
    if (at >= text_.size() || text_[at] != ')' || names.size() > (word == "ref" ? 1 : 2)) return false;
    const std::string schema = word == "ref" ? kTransformSchema : names.size() == 2 ? names.front() : "main";
    const auto lines = std::ranges::count(text_.substr(begin, at - begin), '\n');
    out_ += sql_identifier(schema) + "." + sql_identifier(names.back());
    out_.append(static_cast<std::size_t>(lines), '\n');
    at_ = at + 1;
    return true;
  }

  /// Only comments may follow it.
  bool take_last_semicolon() {
    if (text_[at_] != ';') return false;
    std::size_t at = at_ + 1;
    for (;;) {
      at = skip_space(at);
      if (at >= text_.size()) break;
      const bool comment = text_.substr(at, 2) == "--" || text_.substr(at, 2) == "/*";
      if (!comment) return false;
      at = skip_quoted(text_, at);
    }
    out_ += ' ';
    ++at_;
    return true;
  }

  const std::string_view text_;
  const TransformBounds& bounds_;
  std::size_t at_ = 0;
  std::string out_;
};

std::string lower_text_of(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? to_lower(found->get<std::string>()) : std::string();
}

/// Walks a syntax tree without recursion.
class Walk {
 public:
  Walk(const Transform& transform, std::string_view sql, const std::set<std::string>& unsteady)
      : transform_(transform), sql_(sql), unsteady_(unsteady) {}

  Result<TransformReads> run(const Json& statement) {
    open_.push_back({&statement, &scopes_.emplace_back()});
    while (!open_.empty()) {
      const auto [node, outer] = open_.back();
      open_.pop_back();
      const Names* names = node->is_object() ? enter_with(*node, outer) : outer;
      if (node->is_object()) MILLRACE_TRY(visit(*node, *names));
      if (!node->is_structured()) continue;
      for (const auto& [key, child] : node->items())
        if (key != "cte_map") open_.push_back({&child, names});
    }
    for (const auto& table : tables_) MILLRACE_TRY(take_table(table));
    std::ranges::sort(reads_.unportable);
    return std::move(reads_);
  }

 private:
  using Names = std::set<std::string>;  ///< that WITH gives
  struct Open {
    const Json* node;
    const Names* names;  ///< that it sees
  };
  struct Table {
    std::string catalog, schema, name, where;
  };

  std::string where(const Json& node) const {
    const auto location = node.value("query_location", ~std::uint64_t{0});
    if (location > sql_.size()) return transform_.path.string();
    return fmt::format("{}:{}", transform_.path.string(),
                       1 + std::ranges::count(sql_.substr(0, location), '\n'));
  }

  std::unexpected<Error> wrong(const Json& node, std::string message) const {
    return fail(Code::kInvalid, std::move(message), where(node));
  }

  Status visit(const Json& node, const Names& names) {
    if (const auto word = unsteady_word(node); !word.empty()) return unsteady(node, word);
    if (auto why = why_unportable(node); !why.empty())
      reads_.unportable.push_back(fmt::format("{}: {}", where(node), why));
    const auto type = lower_text_of(node, "type");
    const auto kind = lower_text_of(node, "class");
    if (type == "base_table") {
      Table table{lower_text_of(node, "catalog_name"), lower_text_of(node, "schema_name"),
                  lower_text_of(node, "table_name"), where(node)};
      if (!table.schema.empty() || !names.contains(table.name)) tables_.push_back(std::move(table));
    } else if (type == "table_function") {
      return visit_table_function(node);
    } else if (type == "show_ref") {
      return wrong(node, "a transform is one SELECT; SHOW and DESCRIBE are not");
    } else if (kind == "function") {
      return visit_function(node);
    } else if (kind == "parameter") {
      return wrong(node, "parameters such as ? or $1 have no value here; an interval is @start and @end");
    }
    return {};
  }

  std::unexpected<Error> unsteady(const Json& node, const std::string& name) const {
    return wrong(node,
                 fmt::format("{} gives something else each time, so that a run could not be repeated: use "
                             "@start and @end, or columns",
                             name));
  }

  Status visit_function(const Json& node) {
    const auto name = lower_text_of(node, "function_name");
    if (is_denied_function(name)) return wrong(node, fmt::format("{}() is not allowed in transforms", name));
    if (unsteady_.contains(name)) return unsteady(node, name + "()");
    return {};
  }

  Status visit_table_function(const Json& node) {
    const auto name =
        node.contains("function") ? lower_text_of(node["function"], "function_name") : std::string();
    if (name == "ref" || name == "source")
      return wrong(node, fmt::format("{}() takes the name of a {} in single quotes: {}('name')", name,
                                     name == "ref" ? "transform" : "table of the warehouse", name));
    if (is_computing_table_function(name)) return {};
    return wrong(node, fmt::format("{}() is not allowed in FROM: transforms read tables of the warehouse, by "
                                   "source('name') and ref('name')",
                                   name));
  }

  /// Open the queries of a node's WITH, each of which sees those before it, and itself only when it is
  /// recursive: WITH events AS (SELECT * FROM events) reads the table. Return the names that the rest sees.
  const Names* enter_with(const Json& node, const Names* outer) {
    const auto map = node.find("cte_map");
    if (map == node.end() || !map->is_object() || !map->contains("map") || (*map)["map"].empty())
      return outer;
    Names seen = *outer;
    for (const auto& entry : (*map)["map"]) {
      const auto name = lower_text_of(entry, "key");
      const auto query = entry.find("value");
      if (query == entry.end()) continue;
      Names& of_query = scopes_.emplace_back(seen);
      if (query->value(Json::json_pointer("/query/node/type"), "") == "RECURSIVE_CTE_NODE")
        of_query.insert(name);
      open_.push_back({&*query, &of_query});
      seen.insert(name);
    }
    return &scopes_.emplace_back(std::move(seen));
  }

  Status take_table(const Table& table) {
    if (table.catalog.empty() && table.schema == kTransformSchema) {
      reads_.refs.insert(table.name);
      return {};
    }
    if (table.catalog.empty() && (table.schema.empty() || table.schema == "main")) {
      reads_.sources.insert(table.name);
      return {};
    }
    return fail(Code::kInvalid,
                fmt::format("{}.{} is not a table that transforms may read: source('name') names one of the "
                            "warehouse, ref('name') another transform",
                            table.schema, table.name),
                table.where);
  }

  const Transform& transform_;
  const std::string_view sql_;
  const std::set<std::string>& unsteady_;
  TransformReads reads_;
  std::vector<Table> tables_;
  std::vector<Open> open_;
  std::deque<Names> scopes_;  ///< whose places stay
};

/// Say at which line DuckDB's parser stopped.
Error syntax_error(const Transform& transform, std::string_view sql, const Json& tree) {
  std::size_t position = 0;
  const std::string text = tree.value("position", "0");
  for (const char c : text) position = position * 10 + static_cast<std::size_t>(c - '0');
  const auto line = 1 + std::ranges::count(sql.substr(0, std::min(position, sql.size())), '\n');
  if (tree.value("error_type", "") == "not implemented")
    return {Code::kInvalid, "must be one SELECT: what it makes is stored by Millrace, not by the SQL",
            transform.path.string()};
  return {Code::kInvalid, tree.value("error_message", ""),
          fmt::format("{}:{}", transform.path.string(), line)};
}

}  // namespace

std::string sql_time(TimeUs time) {
  std::string text = format_time(time);  // 2026-01-31T12:00:00Z
  text.pop_back();
  text[text.find('T')] = ' ';
  return fmt::format("TIMESTAMP '{}'", text);
}

std::string expand_transform(std::string_view text, const TransformBounds& bounds) {
  return Scanner(text, bounds).run();
}

Result<TransformReader> TransformReader::open(duck::Connection& connection) {
  TransformReader reader(connection);
  MILLRACE_ASSIGN(reader.unsteady_, unsteady_functions(connection));
  return reader;
}

Result<TransformReads> TransformReader::read(const Transform& transform) const {
  const auto sql = expand_transform(transform.text, {0, kDayUs});
  MILLRACE_ASSIGN(auto rows,
                  connection_->query("SELECT json_serialize_sql(?::VARCHAR)", {std::string_view(sql)}));
  MILLRACE_TRY(rows.next_chunk());
  const std::string serialized(rows.text(0, 0));
  const auto tree = Json::parse(serialized, nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object()) return fail(Code::kInternal, "DuckDB gave no syntax tree", transform.path.string());
  if (tree.value("error", true)) return fail(syntax_error(transform, sql, tree));
  const auto statements = tree.find("statements");
  if (statements == tree.end() || statements->size() != 1)
    return fail(Code::kInvalid,
                statements == tree.end() || statements->empty()
                    ? "holds no SELECT"
                    : "holds several statements: a transform is exactly one SELECT; put others into files of "
                      "their own",
                transform.path.string());
  MILLRACE_ASSIGN(auto reads, Walk(transform, sql, unsteady_).run((*statements)[0]));
  reads.bounds = expand_transform(transform.text, {kDayUs, 2 * kDayUs}) != sql;
  MILLRACE_ASSIGN(auto canonical, connection_->query("SELECT json_deserialize_sql(?::VARCHAR::JSON)",
                                                     {std::string_view(serialized)}));
  MILLRACE_TRY(canonical.next_chunk());
  reads.canonical = canonical.text(0, 0);
  return reads;
}

}  // namespace millrace
