#pragma once

#include <string_view>

namespace millrace {

// The topics every Millrace has. What lies in their records: docs/schema.md and docs/formats/.

inline constexpr std::string_view kEventsTopic = "events";          ///< what people did
inline constexpr std::string_view kQuarantineTopic = "quarantine";  ///< what was refused, with the reason
inline constexpr std::string_view kRecommendationsTopic = "recommendations";  ///< answers given
inline constexpr std::string_view kItemsTopic = "items";                      ///< changes of the catalogue
inline constexpr std::string_view kUsersTopic = "users";  ///< changes of what is known of people

}  // namespace millrace
