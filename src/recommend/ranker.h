#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

/// A learned ranker: logistic regression on what sources say of an item and on its features, by name. What
/// it does not name counts nothing.
struct Ranker {
  std::string version;  ///< "2"
  double intercept = 0;
  std::map<std::string, double, std::less<>> weights;  ///< by the name of a source or feature

  double weight_of(std::string_view name) const {
    const auto found = weights.find(name);
    return found == weights.end() ? 0 : found->second;
  }
};

/// By the pipeline's name.
using Rankers = std::map<std::string, std::shared_ptr<const Ranker>, std::less<>>;

}  // namespace millrace
