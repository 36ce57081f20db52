#include "source/keyset.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace millrace {
namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

bool is_plain(std::string_view text, std::string_view others) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || others.find(c) != std::string_view::npos;
  });
}

Result<std::string> behind(const std::vector<KeyColumn>& key, const std::vector<std::string>& after) {
  assert(after.size() == key.size());
  std::string condition;
  std::string same;
  for (std::size_t i = 0; i < key.size(); ++i) {
    MILLRACE_ASSIGN(const std::string literal, key_literal(key[i], after[i]));
    const std::string name = mysql_name(key[i].name);
    if (!condition.empty()) condition += " OR ";
    condition += fmt::format("({}{} > {})", same, name, literal);
    same += fmt::format("{} = {} AND ", name, literal);
  }
  return "(" + condition + ")";
}

}  // namespace

std::string mysql_name(std::string_view name) {
  std::string out = "`";
  for (const char c : name) out += c == '`' ? "``" : std::string(1, c);
  return out + "`";
}

Result<std::string> key_literal(const KeyColumn& column, std::string_view value) {
  switch (column.form) {
    case KeyColumn::Form::kNumber:
      if (is_plain(value, "-.")) return std::string(value);
      break;
    case KeyColumn::Form::kQuoted:
      if (is_plain(value, "-.: abcdefABCDEF")) return "'" + std::string(value) + "'";
      break;
    case KeyColumn::Form::kBytes:
      return "X'" + hex(value) + "'";
    case KeyColumn::Form::kText:
      return fmt::format("CONVERT(_utf8mb4 X'{}' USING {}) COLLATE {}", hex(value), column.charset,
                         column.collation);
  }
  return fail(Code::kInvalid,
              fmt::format("the key's column {} has a value that is none of its type", column.name));
}

Result<std::string> keyset_sql(const KeysetSelect& select) {
  std::string conditions = select.from;
  if (!select.after.empty()) {
    MILLRACE_ASSIGN(const std::string rest, behind(select.key, select.after));
    conditions += (conditions.empty() ? "" : " AND ") + rest;
  }
  std::string order;
  for (const KeyColumn& column : select.key) order += (order.empty() ? "" : ", ") + mysql_name(column.name);
  std::string sql = fmt::format("SELECT {} FROM {}.{}", fmt::join(select.expressions, ", "),
                                mysql_name(select.database), mysql_name(select.table));
  if (!select.index.empty()) sql += fmt::format(" FORCE INDEX ({})", mysql_name(select.index));
  if (!conditions.empty()) sql += " WHERE " + conditions;
  if (!order.empty()) sql += " ORDER BY " + order;
  if (select.limit > 0) sql += fmt::format(" LIMIT {}", select.limit);
  return sql;
}

}  // namespace millrace
