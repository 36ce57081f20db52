#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace millrace {

// The topics every Millrace has. What lies in their records: docs/schema.md and docs/formats/.

inline constexpr std::string_view kEventsTopic = "events";          ///< what people did
inline constexpr std::string_view kQuarantineTopic = "quarantine";  ///< what was refused, with the reason
inline constexpr std::string_view kRecommendationsTopic = "recommendations";  ///< answers given
inline constexpr std::string_view kItemsTopic = "items";                      ///< changes of the catalogue
inline constexpr std::string_view kUsersTopic = "users";  ///< changes of what is known of people
inline constexpr std::string_view kDecisionsTopic =
    "quarantine_decisions";  ///< what people decided about refused records

inline constexpr std::string_view kNoticesTopic =
    "source_notices";  ///< what owners of sources announce; not loaded into tables
/// Outages, changes of tables and problems of the databases that are followed, as JSON.
inline constexpr std::string_view kSourceEventsTopic = "source_events";

/// Return whether `name` may name a topic or a group: [A-Za-z0-9._-]{1,128}, but not "." or "..".
constexpr bool is_log_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && name != "." && name != ".." &&
         std::ranges::all_of(name, fits);
}

/// All of them: Millrace alone writes these.
inline constexpr std::array kOwnTopics = {kEventsTopic,     kItemsTopic,           kUsersTopic,
                                          kQuarantineTopic, kRecommendationsTopic, kDecisionsTopic};

constexpr bool is_own_topic(std::string_view topic) {
  return std::ranges::find(kOwnTopics, topic) != kOwnTopics.end();
}

/// The topics of rows read from databases are called so and the source's name (docs/formats/row-changes.md).
inline constexpr std::string_view kSourceTopicPrefix = "source.";

inline std::string source_topic(std::string_view source) {
  return std::string(kSourceTopicPrefix) + std::string(source);
}

/// Return whether Millrace alone writes the topic: one of its own, notices, or those of sources.
constexpr bool is_reserved_topic(std::string_view topic) {
  return is_own_topic(topic) || topic == kNoticesTopic || topic == kSourceEventsTopic ||
         topic.starts_with(kSourceTopicPrefix);
}

}  // namespace millrace
