#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "model/feature_view.h"

namespace millrace {

/// What is known of the things that labels are about: a table or a SELECT, and which of its rows holds.
struct TrainingFeature {
  std::string name;
  std::string from;                                     ///< a table's name, or a SELECT
  std::vector<std::pair<std::string, std::string>> on;  ///< column of the labels = column of `from`
  std::string time;   ///< since when a row holds; empty: a row holds always, and there is one for each key
  std::string known;  ///< when it became known to us; empty: at `time`
  /// Name in the set, expression over `from`; with `flow` the feature's name.
  std::vector<std::pair<std::string, std::string>> columns;
  std::shared_ptr<const FeatureView>
      flow;                ///< of the flow of events: its view, in the place of `from` … `known`
  DurationUs max_age = 0;  ///< older rows do not count; 0: any age will do
  bool with_time = false;  ///< keep since when its row holds, as `_t`

  bool has_time() const { return flow != nullptr || !time.empty(); }
};

/// Make of a feature view what a training set takes of it: `on` says for each of its entities the column of
/// the labels, `columns` the features by their names in the set.
TrainingFeature feature_of_view(const FeatureView& view, const std::vector<std::string>& on,
                                const std::vector<std::pair<std::string, std::string>>& columns);

/// A file `training_sets/NAME.yaml` of a project: docs/how-to/training-sets.md.
struct TrainingSet {
  std::string name;
  std::string description;
  std::string labels;            ///< a SELECT, one row for each label
  std::vector<std::string> key;  ///< what a label is about: columns of `labels`
  std::string time;              ///< when it happened: a column of `labels`; empty: it has no time
  std::vector<TrainingFeature> features;
  double test = 0;       ///< share of the rows in the split `test`; 0: no column `split`
  std::string split_by;  ///< "time", or a column: all rows of one value on one side
  std::string seed;
  std::vector<std::string> partitions;  ///< columns whose values become folders
  std::string path;                     ///< of the files in the lake; empty: training_sets/NAME/v=VERSION
  std::string text;                     ///< the file's
  std::map<std::string, std::string> views;  ///< the feature views it names, with their files' text
};

/// The training sets of a project, as its files are now. A file with a mistake keeps nobody from the others.
struct ProjectTrainingSets {
  std::vector<TrainingSet> sets;
  std::map<std::string, Error> problems;  ///< of the files that cannot be used, by the name of their set
};

/// Return the set of that name. Errors: what is wrong with its file; kNotFound, with the name that was
/// probably meant.
Result<TrainingSet> find_training_set(ProjectTrainingSets project, std::string_view name);

/// Read a file; `views` are those of the project, which it may name. Errors: kInvalid, all mistakes at once,
/// each with file and line.
Result<TrainingSet> parse_training_set(std::string_view text, const Path& path,
                                       std::span<const FeatureView> views = {});

}  // namespace millrace
