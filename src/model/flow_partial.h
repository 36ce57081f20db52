#pragma once

#include <memory>

#include "base/time.h"
#include "model/feature_view.h"
#include "warehouse/hyperloglog.h"

namespace millrace {

/// What a feature of the flow has of some rows of one entity; adds up in any order and pieces.
class FlowPartial {
 public:
  /// Add the value of one row, which is not NULL, and its time.
  void add(FlowMeasure measure, const FeatureValue& value, TimeUs time);
  void merge(FlowMeasure measure, const FlowPartial& other);

  /// Return the feature's value: 0 for a count, a sum or a number of different values of nothing.
  FeatureValue result(FlowMeasure measure) const;

  /// Return what it takes up beyond its own size, about.
  std::size_t bytes() const;

 private:
  void take(FlowMeasure measure, const FeatureValue& value, TimeUs time);

  FeatureValue value_;
  TimeUs time_ = 0;  ///< of the value of `last`
  std::unique_ptr<HyperLogLog> distinct_;
};

}  // namespace millrace
