#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// How the value of a column of a key is written into SQL so that it compares as the column itself does.
struct KeyColumn {
  enum class Form : std::uint8_t {
    kNumber,  ///< 12.50
    kQuoted,  ///< '2024-07-01': dates and what else the server reads from a text of plain letters
    kText,    ///< in the column's character set and collation
    kBytes,   ///< X'00FF'
  };
  std::string name;
  Form form = Form::kNumber;
  std::string charset;    ///< of kText
  std::string collation;  ///< of kText
};

/// Rows of one table in the order of a key, beginning behind one of its values.
struct KeysetSelect {
  std::string database;
  std::string table;
  std::vector<std::string> expressions;  ///< what to select, as SQL
  std::string index;                     ///< to be used; empty: the server's choice
  std::vector<KeyColumn> key;            ///< to order by; empty: no order
  std::vector<std::string> after;        ///< values of the key; empty: from the beginning
  std::string from;                      ///< another condition, as SQL; empty: none
  std::uint64_t limit = 0;               ///< 0: all
};

/// Return `name` as MySQL quotes names: `a``b`.
std::string mysql_name(std::string_view name);

/// Return the value as SQL. Errors: kInvalid for one that the column's form cannot have.
Result<std::string> key_literal(const KeyColumn& column, std::string_view value);

/// Return the statement. (a, b) > (1, 2) is written a > 1 OR (a = 1 AND b > 2), for which both servers use an
/// index. Errors: as `key_literal`.
Result<std::string> keyset_sql(const KeysetSelect& select);

}  // namespace millrace
