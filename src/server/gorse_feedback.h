#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// One piece of Gorse's feedback.
struct GorseFeedback {
  std::string type;
  std::string user;
  std::string item;
  std::optional<TimeUs> time;  ///< none: when it is received
  std::optional<double> value;
  std::string comment;
};

/// Read [{"FeedbackType", "UserId", "ItemId", "Value", "Timestamp", "Comment"}]; of a session the user may be
/// missing. Errors: kInvalid, with the place.
Result<std::vector<GorseFeedback>> gorse_feedback_of(const nlohmann::json& body, bool of_session = false);

/// Return whether it says that the person does not want the item.
bool is_dislike(const GorseFeedback& feedback);

/// What the message ids of events begin with that come from feedback.
inline constexpr std::string_view kGorseIdPrefix = "gorse:";

/// Return the message id of its event: the same for the same type, user, item and time.
std::string gorse_message_id(const GorseFeedback& feedback);

/// Write feedback as arrays of our own events, each of at most `bytes_max` bytes and `events_max` events (but
/// at least one).
std::vector<std::string> gorse_event_bodies(const std::vector<GorseFeedback>& feedback, std::size_t bytes_max,
                                            std::size_t events_max);

/// Return the feedback that an event of ours came from: columns type, user_id, item_id, event_time,
/// properties.
nlohmann::json gorse_feedback_json(const nlohmann::json& row);

}  // namespace millrace
