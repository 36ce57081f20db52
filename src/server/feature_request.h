#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/feature_store.h"

namespace millrace {

/// A request for values of features, understood.
struct FeatureRequest {
  static constexpr std::size_t kRowsMax = 1'000;
  static constexpr std::size_t kFeaturesMax = 500;

  struct Entity {
    std::string name;
    std::vector<std::string> values;  ///< as text
    std::vector<std::string> json;    ///< as they were sent
  };
  /// What is asked of one view.
  struct View {
    const FeatureStore::Shelf* shelf = nullptr;
    std::vector<std::size_t> features;
    std::vector<std::size_t> entities;  ///< places in `entities`, in the order of the view's
  };
  struct Column {
    std::string name;
    std::size_t view = 0;  ///< place in `views`
    std::size_t at = 0;    ///< place in its `features`
  };

  std::vector<Entity> entities;
  std::vector<View> views;
  std::vector<Column> columns;  ///< in the order in which they were asked for
  std::size_t rows = 0;
};

/// Read {"features":["view:feature"],"entities":{"customer_id":[1,2]},"full_feature_names":false}. Errors:
/// kInvalid, kNotFound, with what to write instead.
Result<FeatureRequest> parse_feature_request(const FeatureStore& store, std::string_view body);

/// Answer it as of `now`, in Feast's shape: a column for each entity and feature.
std::string answer_features(const FeatureRequest& request, TimeUs now);

}  // namespace millrace
