#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

/// What a statement of the binary log, which is none of rows, may have done to a table.
enum class StatementEffect : std::uint8_t {
  kNone,
  kColumns,   ///< it may have other columns; the rows have kept their values
  kContents,  ///< its rows may be others, or the table another one
};

/// Return what the statement may have done to `table` of `database`, when the session's database was
/// `session_database`. Says rather too much than too little: it looks for the table's name alone.
StatementEffect statement_effect(std::string_view statement, std::string_view session_database,
                                 std::string_view database, std::string_view table);

/// Return whether the statement may have made a table of `database`, dropped or altered one.
bool alters_tables(std::string_view statement, std::string_view session_database, std::string_view database);

/// Return the statement's first word in capitals: "ALTER".
std::string_view statement_verb(std::string_view statement);

}  // namespace millrace
