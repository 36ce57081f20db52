#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "source/mysql_source.h"

namespace millrace {

/// What is proposed for one table of a database.
struct TableProposal {
  std::string name;
  std::uint64_t rows_estimate = 0;  ///< the server's
  std::size_t columns = 0;
  std::vector<std::string> key;
  std::string cursor;   ///< column that seems to grow whenever a row changes; empty: none
  std::string problem;  ///< why it cannot be read as it is, with what to do; empty: it can
  std::vector<std::string> notes;
  std::string contract;  ///< a contract file
};

struct DatabaseProposal {
  std::vector<TableProposal> tables;
  std::string config;  ///< the source's `tables:`, for millrace.yaml
};

/// Ask a database for its tables, columns, keys and estimates, and propose how to read them. Reads no rows.
/// Errors: those of the connection.
Result<DatabaseProposal> propose_database(const MysqlSource& source);

}  // namespace millrace
