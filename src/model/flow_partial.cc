#include "model/flow_partial.h"

#include <limits>
#include <tuple>

namespace millrace {
namespace {

std::int64_t number_of(const FeatureValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

/// SQL gives NULL where a sum no longer fits; nothing real does that.
std::int64_t added(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

}  // namespace

void FlowPartial::add(FlowMeasure measure, const FeatureValue& value, TimeUs time) {
  if (measure == FlowMeasure::kDistinct) {
    if (!distinct_) distinct_ = std::make_unique<HyperLogLog>();
    distinct_->add(std::get<std::string>(value));
  } else {
    take(measure, value, time);
  }
}

void FlowPartial::merge(FlowMeasure measure, const FlowPartial& other) {
  if (measure == FlowMeasure::kDistinct) {
    if (!other.distinct_) return;
    if (!distinct_) distinct_ = std::make_unique<HyperLogLog>();
    distinct_->merge(*other.distinct_);
  } else if (!is_null(other.value_)) {
    take(measure, other.value_, other.time_);
  }
}

void FlowPartial::take(FlowMeasure measure, const FeatureValue& value, TimeUs time) {
  switch (measure) {
    case FlowMeasure::kCount:
    case FlowMeasure::kSum:
      value_ = added(number_of(value_), number_of(value));
      return;
    case FlowMeasure::kMin:
      if (is_null(value_) || value < value_) value_ = value;
      return;
    case FlowMeasure::kMax:
      if (is_null(value_) || value > value_) value_ = value;
      return;
    case FlowMeasure::kLast:
      if (!is_null(value_) && std::tie(time, value) <= std::tie(time_, value_)) return;
      value_ = value;
      time_ = time;
      return;
    case FlowMeasure::kDistinct:
      return;
  }
}

FeatureValue FlowPartial::result(FlowMeasure measure) const {
  if (measure == FlowMeasure::kDistinct)
    return distinct_ ? static_cast<std::int64_t>(distinct_->estimate()) : std::int64_t{0};
  if (measure == FlowMeasure::kCount || measure == FlowMeasure::kSum) return number_of(value_);
  return value_;
}

std::size_t FlowPartial::bytes() const {
  return bytes_beyond(value_) + (distinct_ ? sizeof(HyperLogLog) + distinct_->memory() : 0);
}

}  // namespace millrace
