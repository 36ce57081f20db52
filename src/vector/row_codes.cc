#include "vector/row_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr int kZero = 64;         ///< the code of 0
constexpr float kMost = 63;       ///< a row's codes are 1 to 127
constexpr float kByteMost = 127;  ///< a query's and a graph's codes are -127 to 127
constexpr float kTiny = 1e-36F;   ///< above what products lose that are smaller than floats hold whole

/// What sums of n products in floats, ours and those they are compared with, may be off, as a share.
float rounding(std::size_t n) {
  return 2e-7F * static_cast<float>(n + 16);
}

float scale_of(std::span<const float> values, float most) {
  float greatest = 0;
  for (const float value : values) greatest = std::max(greatest, std::abs(value));
  return greatest / most;
}

/// The smallest of scales are rounded themselves, so that a quotient may be beyond what there are codes for.
float code_of(float value, float scale, float most) {
  return scale > 0 ? std::clamp(std::round(value / scale), -most, most) : 0;
}

float rounded_up(double value) {
  return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

}  // namespace

float byte_scale(std::span<const float> values) {
  return scale_of(values, kByteMost);
}

std::int8_t byte_code(float value, float scale) {
  return static_cast<std::int8_t>(code_of(value, scale, kByteMost));
}

RowCodes::RowCodes(std::size_t dimensions)
    : dimensions_(dimensions), width_((dimensions + kBlockStep - 1) / kBlockStep * kBlockStep) {}

void RowCodes::set(std::size_t row, std::span<const float> values, float factor) {
  const std::size_t block = row / kBlockRows;
  if (codes_.size() < (block + 1) * kBlockRows * width_) {
    codes_.resize((block + 1) * kBlockRows * width_, kZero);
    for (auto* each : {&scales_, &lengths_, &errors_}) each->resize((block + 1) * kBlockRows);
  }
  const float scale = scale_of(values, kMost);
  std::uint8_t* const to = codes_.data() + block * kBlockRows * width_ + row % kBlockRows * kBlockStep;
  double told = 0, untold = 0;
  for (std::size_t k = 0; k < dimensions_; ++k) {
    const float code = code_of(values[k], scale, kMost);
    to[k / kBlockStep * kBlockRows * kBlockStep + k % kBlockStep] =
        static_cast<std::uint8_t>(kZero + static_cast<int>(code));
    const double tells = static_cast<double>(scale) * code;
    told += tells * tells;
    untold += (values[k] - tells) * (values[k] - tells);
  }
  scales_[row] = scale * factor;
  lengths_[row] = rounded_up(std::sqrt(told) * factor);
  errors_[row] = rounded_up(std::sqrt(untold) * factor);
}

CodedQuery RowCodes::code(std::span<const float> query) const {
  CodedQuery coded{.values = std::vector<std::int8_t>(width_), .scale = byte_scale(query)};
  double whole = 0, untold = 0;
  for (std::size_t k = 0; k < dimensions_; ++k) {
    const std::int8_t code = byte_code(query[k], coded.scale);
    coded.values[k] = code;
    coded.zero += kZero * code;
    const double rest = query[k] - static_cast<double>(coded.scale) * code;
    whole += static_cast<double>(query[k]) * query[k];
    untold += rest * rest;
  }
  coded.length = rounded_up(std::sqrt(whole));
  coded.error = rounded_up(std::sqrt(untold));
  return coded;
}

void RowCodes::bound(const CodedQuery& query, std::size_t from, std::size_t count, float* bounds) const {
  const float share = rounding(dimensions_);
  const BoundTerms terms{.product = query.scale,
                         .length = query.error * (1 + share) + query.length * share,
                         .error = query.length * (1 + share),
                         .least = kTiny,
                         .zero = query.zero};
  kernels().block_bounds(codes_.data() + from * width_, (count + kBlockRows - 1) / kBlockRows, width_,
                         query.values.data(), terms, scales_.data() + from, lengths_.data() + from,
                         errors_.data() + from, bounds);
}

}  // namespace millrace
