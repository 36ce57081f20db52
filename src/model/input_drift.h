#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/population_stability.h"
#include "model/training_feedback.h"

namespace millrace {

/// How one column of what a model learns from differs before and after some time.
struct InputDrift {
  /// A bin, and its share of the rows.
  struct Bin {
    std::string value;  ///< an item, a category, or numbers: "3 to 7.5"
    double before = 0;
    double after = 0;
  };
  std::string of;    ///< "interactions", "users" or "items"
  std::string name;  ///< "item", "weight", "label"; of users and items the feature's
  std::size_t bins = 0;
  Stability stability;
  std::vector<Bin> moved_most;  ///< the few bins that make most of the difference
};

/// The share of rows that are of someone or something that was not in any row before.
struct NewcomerShare {
  double after = 0;
  double before = 0;  ///< likewise, of the last rows before, as many as came after: what is usual
};

struct InputComparison {
  std::vector<InputDrift> columns;  ///< that which has moved most first; columns with one value are left out
  NewcomerShare users;
  NewcomerShare items;
};

/// Compare the rows from number `after` on with those before, which must both be there. Items and categories
/// are in a bin each, the most frequent of all rows, at most fifty, and one for the rest; numbers in at most
/// ten between quantiles of the rows before; what is missing in one of its own. There are no more bins than a
/// tenth of the people after.
InputComparison compare_inputs(const TrainingFeedback& feedback, std::size_t after);

}  // namespace millrace
