#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/result.h"
#include "event/source_state.h"
#include "warehouse/duck.h"

namespace millrace {

/// How far the tables of sources are: what the schema `_sources` holds of them.
struct SourceProgress {
  using TableName = std::pair<std::string, std::string>;  ///< source, table

  std::map<std::string, Offset, std::less<>> next;  ///< by source: where to read on in its topic
  std::map<std::string, SourceStates, std::less<>> states;
  std::map<std::string, SourceStreamState, std::less<>> streams;

  /// Read what is committed, from tables that are made where there are none.
  static Result<SourceProgress> read(duck::Connection& connection);

  /// Write, in the connection's transaction, what differs from `before`, and the states of `touched`.
  Status write(duck::Connection& connection, const SourceProgress& before,
               const std::set<TableName>& touched) const;
};

}  // namespace millrace
