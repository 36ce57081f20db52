#pragma once

#include <string>

#include "model/feature_sql.h"
#include "model/training_set.h"
#include "warehouse/duck.h"

namespace millrace {

/// The SQL that makes a training set, step by step, in temporary tables:
///
///   ts_all      what the labels' SELECT gives
///   ts_labels   one row for each key and time, numbered in their order (_row)
///   ts_rows     the rows of a feature: _k0 … its key, _t since when a row holds, _a from when on it may be
///               used, _n when it became known
///   ts_f0 …     for each label the row of a feature that held, with its _t
///   ts_out      all of it, with the split
///
/// Of a view of the flow ts_rows are its rows, and ts_f0 … what they add up to (model/feature_sql.h).
///
/// A row may be used from the first microsecond after it began to hold, and not before it was known. Of two
/// rows of which the later known holds since earlier, that one never matters; without those, the row to use
/// is the one with the greatest _a that the label has reached: an ASOF join. It finds _a alone; which of
/// several rows of that _a counts is settled afterwards, for the rows found only.
class TrainingSetSql {
 public:
  explicit TrainingSetSql(const TrainingSet& set, FlowAt at = FlowAt::kBefore) : set_(set), at_(at) {}

  std::string all_labels() const;
  std::string labels() const;
  std::string complete_labels() const;  ///< gives their number
  std::string feature_rows(std::size_t feature) const;
  std::string drop_rows(std::size_t feature) const;
  std::string ambiguous_keys(std::size_t feature) const;  ///< gives their number
  std::string matches(std::size_t feature) const;
  std::string joined() const;

 private:
  std::string is_complete() const;
  std::string on_keys(const TrainingFeature& feature, std::string_view labels, std::string_view rows) const;
  std::string flow_matches(std::size_t feature) const;
  std::string split() const;

  const TrainingSet& set_;
  const FlowAt at_;
};

/// Run a statement "CREATE … AS SELECT …" of above, whose SELECT holds what people wrote, once it is known to
/// be one SELECT that gives the same of the same tables (warehouse/sql_check.h). Errors: kInvalid; kDenied.
Status make_checked(duck::Connection& connection, const std::string& sql);

/// Return what a FROM takes of a table's name or a SELECT.
std::string from_sql(const std::string& from);

}  // namespace millrace
