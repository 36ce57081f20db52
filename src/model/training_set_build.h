#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lake/object_store.h"
#include "model/training_set.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What a build made; the same stands in the manifest beside the files.
struct TrainingSetResult {
  std::string version;  ///< 16 hexadecimal digits of what it was made from and of what it holds
  std::string path;     ///< of its files in the lake
  std::uint64_t rows = 0;
  std::uint64_t test_rows = 0;
  std::uint64_t repeats = 0;     ///< labels with the key and time of another, left out
  std::uint64_t incomplete = 0;  ///< labels without a key or a time, left out
  std::uint64_t files = 0;
  std::string manifest;  ///< JSON
};

/// Makes training sets out of the warehouse, as Parquet in the lake. Every label gives one row, with what was
/// known of its things *before* it happened: of each feature the row with the greatest time that is earlier
/// than the label's, among those that were known by then. Of several of one time the one that became known
/// last counts, else the values themselves decide, so the same tables give the same rows. Reads one state of
/// the tables, whatever is loaded meanwhile.
///
/// A version's files never change; its manifest comes last, and one that is there is not made again. With a
/// `path` of its own a set is written in place, once all of its files lie ready: its manifest goes first and
/// comes last, and only files that it or a build that was cut off names are removed. A build that fails
/// before leaves what was there. Threads: one at a time.
class TrainingSetBuilder {
 public:
  /// Hears what is being done: "labels", "feature customer", "files".
  using OnStep = std::function<void(std::string_view)>;

  /// `staging` is a directory in the lake's, of its own. The references must outlive it.
  TrainingSetBuilder(Warehouse& warehouse, ObjectStore& lake, Path staging)
      : warehouse_(warehouse), lake_(lake), staging_(std::move(staging)) {}

  /// Errors: kInvalid for SQL that cannot be run, with DuckDB's words and whose it is; kInvalid for a feature
  /// without time that has several rows for a key; kExists when files of others lie in its `path`; those of
  /// the store.
  Result<TrainingSetResult> build(const TrainingSet& set, const OnStep& on_step);

 private:
  Warehouse& warehouse_;
  ObjectStore& lake_;
  const Path staging_;
};

/// Return the manifest of the newest version of a set, or of the files at its own path. Errors: kNotFound.
Result<std::string> training_set_manifest(const ObjectStore& lake, const TrainingSet& set);

}  // namespace millrace
