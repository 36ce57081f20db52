#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/feature_columns.h"

namespace millrace {

/// A feature as a model's file names it.
struct FeatureSourceColumn {
  std::string name;
  std::optional<ColumnKind> kind;  ///< not set: by the column's type

  friend bool operator==(const FeatureSourceColumn&, const FeatureSourceColumn&) = default;
};

/// Where the features of users, or of items, come from: docs/how-to/models.md.
struct FeatureSource {
  std::string from;  ///< a table or a SELECT with a row for each; empty: columns of the interactions
  std::string id;    ///< the column of `from` with the ids; empty: named as in the interactions
  std::vector<FeatureSourceColumn>
      columns;  ///< empty: all of `from` but the id; of interactions, the id alone

  friend bool operator==(const FeatureSource&, const FeatureSource&) = default;
};

}  // namespace millrace
