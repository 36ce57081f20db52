#include "model/feature_parity.h"

#include <limits>
#include <numeric>

#include "model/feature_read.h"

namespace millrace {
namespace {

using Values = std::vector<FeatureValue>;

/// Compare one entity; null where a side does not know it.
void compare(const FeatureView& view, const std::string& key, const Values* online, const Values* offline,
             ViewParity& parity) {
  ++parity.entities;
  for (std::size_t i = 0; i < view.features.size(); ++i) {
    ++parity.values;
    FeatureDifference one{.key = key,
                          .feature = &view.features[i],
                          .online = online == nullptr ? FeatureValue() : (*online)[i],
                          .offline = offline == nullptr ? FeatureValue() : (*offline)[i],
                          .online_found = online != nullptr,
                          .offline_found = offline != nullptr};
    if (one.online == one.offline && one.online_found == one.offline_found) continue;
    ++parity.different;
    if (parity.differences.size() < ViewParity::kShownMax) parity.differences.push_back(std::move(one));
  }
}

Result<ViewParity> compare_flow(Warehouse& warehouse, const FeatureStore::Shelf& shelf,
                                const LoadedOffsets& loaded, std::size_t entities_max) {
  const FeatureView& view = *shelf.view;
  const auto memory = shelf.flow();
  ViewParity parity{.at = warehouse.env().now()};
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto keys, read_flow_keys(connection, view, parity.at, loaded, entities_max));
  for (std::string& key : memory->keys(entities_max)) keys.insert(std::move(key));
  MILLRACE_ASSIGN(const auto offline, read_flow_values(connection, view, keys, parity.at, loaded));
  std::vector<std::size_t> all(view.features.size());
  std::iota(all.begin(), all.end(), 0);
  for (const std::string& key : keys) {
    Values online;
    const bool found = memory->read(key, parity.at, all, online, false).has_value();
    const auto other = offline.find(key);
    compare(view, key, found ? &online : nullptr, other == offline.end() ? nullptr : &other->second.values,
            parity);
  }
  return parity;
}

Result<ViewParity> compare_table(Warehouse& warehouse, const FeatureStore::Shelf& shelf) {
  const auto online = shelf.table();
  if (!online) {
    const std::string problem = shelf.problem();
    return fail(Code::kOverloaded, problem.empty() ? "the view was not read yet; try again" : problem,
                shelf.view->name);
  }
  MILLRACE_ASSIGN(const TableMemory offline, read_table_view(warehouse, *shelf.view, online->at,
                                                             std::numeric_limits<std::size_t>::max()));
  ViewParity parity{.at = online->at};
  for (const auto& [key, row] : offline.rows) {
    const auto other = online->rows.find(key);
    compare(*shelf.view, key, other == online->rows.end() ? nullptr : &other->second.values, &row.values,
            parity);
  }
  for (const auto& [key, row] : online->rows)
    if (!offline.rows.contains(key)) compare(*shelf.view, key, &row.values, nullptr, parity);
  return parity;
}

}  // namespace

Result<ViewParity> check_parity(Warehouse& warehouse, FlowFeatureJob* flow, const FeatureStore::Shelf& shelf,
                                std::size_t entities_max) {
  if (!shelf.view->flow) return compare_table(warehouse, shelf);
  Result<ViewParity> parity = fail(Code::kInternal, "views of the flow are not kept");
  if (flow == nullptr) return parity;
  MILLRACE_TRY(flow->at_rest([&](const LoadedOffsets& loaded) -> Status {
    parity = compare_flow(warehouse, shelf, loaded, entities_max);
    return {};
  }));
  return parity;
}

}  // namespace millrace
