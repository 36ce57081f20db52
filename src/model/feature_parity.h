#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/feature_job.h"
#include "model/feature_store.h"

namespace millrace {

/// One value that memory has otherwise than the tables give it.
struct FeatureDifference {
  std::string key;
  const Feature* feature = nullptr;
  FeatureValue online;
  FeatureValue offline;
  bool online_found = false;  ///< whether the entity is known
  bool offline_found = false;
};

struct ViewParity {
  static constexpr std::size_t kShownMax = 100;

  TimeUs at = 0;               ///< the moment that both sides speak of
  std::uint64_t entities = 0;  ///< that were compared
  std::uint64_t values = 0;
  std::uint64_t different = 0;                 ///< values
  std::vector<FeatureDifference> differences;  ///< of them, as many as are shown
};

/// Compare what memory holds of a view with what SQL over the tables gives, as training sets use it, at one
/// moment: of a view of the flow now, with what is loaded, for about `entities_max` entities of each side; of
/// a view of a table when it was read last, for all. `flow` keeps the views of the flow; needed for those.
/// Errors: kOverloaded before memory is filled; those of the tables.
Result<ViewParity> check_parity(Warehouse& warehouse, FlowFeatureJob* flow, const FeatureStore::Shelf& shelf,
                                std::size_t entities_max);

}  // namespace millrace
