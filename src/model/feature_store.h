#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/env.h"
#include "base/metrics.h"
#include "model/feature_view.h"
#include "model/flow_memory.h"

namespace millrace {

/// The values of a view of a table, as they were at one moment. Immutable, but for being made.
struct TableMemory {
  struct Row {
    TimeUs time = 0;  ///< since when it holds; of a table without times the moment it was read
    std::vector<FeatureValue> values;
  };
  std::unordered_map<std::string, Row> rows;
  TimeUs at = 0;
  std::size_t bytes = 0;
  std::uint64_t left_out = 0;  ///< entities for which there was no room
};

enum class FeatureStatus : std::uint8_t { kPresent, kNullValue, kNotFound, kOutsideMaxAge };
std::string_view feature_status_name(FeatureStatus status);

/// What memory holds of all feature views of a project. Threads: any method from any thread.
class FeatureStore {
 public:
  /// One view. `flow` or `table`, by its kind, is nothing until it was first filled.
  struct Shelf {
    std::shared_ptr<const FeatureView> view;
    std::size_t bytes_max = 0;

    std::shared_ptr<FlowMemory> flow() const;
    std::shared_ptr<const TableMemory> table() const;
    void put(std::shared_ptr<FlowMemory> flow);
    void put(std::shared_ptr<const TableMemory> table);

    /// Why it could not be filled last; empty when it could.
    std::string problem() const;
    void set_problem(std::string problem);

   private:
    mutable std::mutex mutex_;  ///< guards the rest
    std::shared_ptr<FlowMemory> flow_;
    std::shared_ptr<const TableMemory> table_;
    std::string problem_;
  };

  /// `bytes_max` is shared evenly between the views.
  FeatureStore(std::vector<FeatureView> views, std::size_t bytes_max);

  std::span<const std::unique_ptr<Shelf>> shelves() const { return shelves_; }
  /// The views alone, for whom their definitions are enough.
  const std::vector<FeatureView>& views() const { return views_; }
  /// Errors: kNotFound with the nearest name.
  Result<Shelf*> find(std::string_view view) const;

  /// Return whether every view was filled, or could not be.
  bool filled() const;

  /// What an entity has of some features of one view.
  struct Answer {
    FeatureStatus status = FeatureStatus::kNotFound;  ///< of all; a value that is NULL besides is kNullValue
    TimeUs time = 0;                                  ///< since when it holds; not of kNotFound
    std::vector<FeatureValue> values;                 ///< as many as were asked for when kPresent, else none
  };
  /// Threads: any; reads memory alone.
  static Answer read(const Shelf& shelf, const std::string& key, TimeUs now,
                     std::span<const std::size_t> features);

  /// Bring the metrics up to date.
  void show() const;

 private:
  std::vector<FeatureView> views_;
  std::vector<std::unique_ptr<Shelf>> shelves_;
};

}  // namespace millrace
