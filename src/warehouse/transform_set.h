#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"
#include "warehouse/transform_sql.h"

namespace millrace {

/// How many transforms a project may declare.
inline constexpr std::size_t kTransformsMax = 500;

/// A transform that was found sound.
struct SoundTransform {
  Transform transform;
  TransformReads reads;
  std::vector<std::pair<std::string, std::string>> columns;  ///< of its table: name and type of SQL
  std::string hash;  ///< of its SQL, its columns, and what it reads of other transforms
};

/// All transforms of a project, checked against the warehouse and each other.
class TransformSet {
 public:
  /// Check all files: that each is one SELECT over what exists, that none leads back to itself, and, by
  /// having DuckDB bind them, their columns. Changes nothing. Errors: kInvalid, the mistakes of all files,
  /// each with its place; those of the warehouse.
  static Result<TransformSet> load(duck::Connection& connection, const std::vector<TransformFile>& files);

  /// Return all, each after those that it reads.
  const std::vector<SoundTransform>& in_order() const { return order_; }

  /// Return the one of that name; nullptr when there is none.
  const SoundTransform* find(std::string_view name) const;

  /// Return the names that `patterns` choose: NAME, +NAME (with what it needs), NAME+ (with what needs it);
  /// all for none. Errors: kNotFound with the nearest name.
  Result<std::set<std::string>> select(const std::vector<std::string>& patterns) const;

 private:
  void add_needed(const std::string& name, std::set<std::string>& chosen) const;
  void add_needing(const std::string& name, std::set<std::string>& chosen) const;

  std::vector<SoundTransform> order_;
};

/// What tells the facts behind a source that are new: a table with a time and offsets of the log.
struct FactsOf {
  std::string table;  ///< "" when nothing does: its rows have no time
  std::string time;
};
FactsOf facts_of(std::string_view source);

}  // namespace millrace
