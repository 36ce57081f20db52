#pragma once

#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/feature_encoder.h"

namespace millrace {

/// Make rows that `encoder` can read of objects such as {"country": "France", "credit_limit": 21000}, as a
/// caller tells them of someone or something. What is left out, or null, is missing. Errors: kInvalid for
/// what is no object, a feature that the encoder does not know (with those it does), and one of another type.
Result<FeatureTable> told_features(const FeatureEncoder& encoder, std::span<const nlohmann::json> rows);

}  // namespace millrace
