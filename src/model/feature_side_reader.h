#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/feature_columns.h"
#include "model/feature_source.h"
#include "model/feedback.h"
#include "warehouse/duck.h"

namespace millrace {

/// Reads what is known of one side of interactions, while these are read row by row. One thread.
class FeatureSideReader {
 public:
  /// `whose` is "users" or "items".
  FeatureSideReader(FeatureSource source, std::string whose)
      : source_(std::move(source)), whose_(std::move(whose)) {}

  /// Read the side's table, if it has one. `interactions` is a table of the connection, `id_column` its
  /// column with the ids. Errors: kInvalid for SQL that cannot be run, columns that are not there, of a type
  /// that no feature can be of, and an id with several rows.
  Status begin(duck::Connection& connection, const std::string& interactions, const std::string& id_column);

  /// What the SELECT over the interactions must give, for `add` to read.
  const std::vector<std::string>& expressions() const { return expressions_; }

  /// Take in an interaction of the one with that id and number; its expressions begin at `column`.
  void add(const duck::Rows& rows, std::size_t row, std::size_t column, std::string_view id,
           std::uint32_t number);

  /// End: number those who are known, but in no interaction.
  void finish(IdMap& ids);

  FeatureTable table;
  std::vector<std::uint32_t> rows;   ///< of the table, of each interaction
  std::vector<std::uint32_t> first;  ///< of each number

 private:
  struct Column {
    std::string name;
    ColumnKind kind = ColumnKind::kNumber;
    std::string expression;
  };
  Status choose_columns(duck::Connection& connection, const std::string& of_table);
  Status read_table(duck::Connection& connection, const std::string& of_table);
  std::uint32_t append(const duck::Rows& rows, std::size_t row, std::size_t column, std::string_view id);
  std::uint32_t append_unknown(std::string_view id);

  FeatureSource source_;
  const std::string whose_;
  std::vector<Column> columns_;
  std::vector<std::string> expressions_;
  std::unordered_map<std::string, std::uint32_t> row_of_;  ///< by id, or by id and values
};

}  // namespace millrace
