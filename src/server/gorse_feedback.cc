#include "server/gorse_feedback.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"
#include "event/event.h"
#include "event/json_read.h"
#include "server/catalogue_record.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr double kLiked = 5;
constexpr double kDisliked = 1;
constexpr TimeUs kGoZero = kTimeMin;  // Go's "no time"

/// What a type of feedback is as an event; `value` where the type alone says it.
struct Meaning {
  std::string_view feedback;
  EventType type;
  std::optional<double> value;
};

constexpr std::array<Meaning, 20> kMeanings = {{
    {"view", EventType::kItemView, {}},
    {"click", EventType::kItemView, {}},
    {"read", EventType::kRead, {}},
    {"like", EventType::kRating, kLiked},
    {"star", EventType::kRating, kLiked},
    {"favorite", EventType::kRating, kLiked},
    {"favourite", EventType::kRating, kLiked},
    {"thumbs_up", EventType::kRating, kLiked},
    {"upvote", EventType::kRating, kLiked},
    {"dislike", EventType::kRating, kDisliked},
    {"thumbs_down", EventType::kRating, kDisliked},
    {"downvote", EventType::kRating, kDisliked},
    {"rating", EventType::kRating, {}},
    {"rate", EventType::kRating, {}},
    {"cart", EventType::kAddToCart, {}},
    {"purchase", EventType::kPurchase, {}},
    {"buy", EventType::kPurchase, {}},
    {"order", EventType::kPurchase, {}},
    {"item_view", EventType::kItemView, {}},
    {"add_to_cart", EventType::kAddToCart, {}},
}};

const Meaning* meaning_of(std::string_view feedback) {
  const auto found = std::ranges::find(kMeanings, feedback, &Meaning::feedback);
  return found == kMeanings.end() ? nullptr : &*found;
}

Status read_name(const Json& object, const char* name, bool may_be_missing, std::string& into) {
  const auto found = object.find(name);
  if (may_be_missing && (found == object.end() || found->is_null() || *found == "")) return {};
  if (found == object.end() || !found->is_string()) return fail(Code::kInvalid, "must be a text", name);
  into = found->get<std::string>();
  if (Status good = check_catalogue_id(into); !good) return fail(Code::kInvalid, good.error().message, name);
  return {};
}

Status read_timestamp(const Json& object, std::optional<TimeUs>& into) {
  const auto found = object.find("Timestamp");
  if (found == object.end() || found->is_null() || *found == "") return {};
  if (!found->is_string())
    return fail(Code::kInvalid, "must be a time, as 2026-01-31T12:00:00Z", "Timestamp");
  Result<TimeUs> time = parse_time(found->get_ref<const std::string&>());
  if (!time) return fail(Code::kInvalid, time.error().message, "Timestamp");
  if (*time != kGoZero) into = *time;
  return {};
}

/// Gorse's `Value` says how much; that of a rating must fit, or the event could not say what was rated.
Status read_value(const Json& object, GorseFeedback& into) {
  const auto found = object.find("Value");
  if (found != object.end() && !found->is_null()) {
    if (!found->is_number() || !std::isfinite(found->get<double>()))
      return fail(Code::kInvalid, "must be a number", "Value");
    into.value = found->get<double>();
  }
  const Meaning* meaning = meaning_of(into.type);
  if (!meaning || meaning->type != EventType::kRating || meaning->value) return {};
  if (!into.value || *into.value < kDisliked || *into.value > kLiked)
    return fail(Code::kInvalid, "of a rating must be from 1 to 5", "Value");
  return {};
}

Result<GorseFeedback> read_feedback(const Json& object, bool of_session) {
  if (!object.is_object()) return fail(Code::kInvalid, "not an object");
  GorseFeedback feedback;
  MILLRACE_TRY(read_name(object, "FeedbackType", of_session, feedback.type));
  MILLRACE_TRY(read_name(object, "UserId", of_session, feedback.user));
  MILLRACE_TRY(read_name(object, "ItemId", false, feedback.item));
  MILLRACE_TRY(read_timestamp(object, feedback.time));
  if (!of_session) MILLRACE_TRY(read_value(object, feedback));
  if (const auto comment = object.find("Comment"); comment != object.end() && comment->is_string())
    feedback.comment = comment->get<std::string>();
  return feedback;
}

std::string event_json(const GorseFeedback& feedback) {
  const Meaning* meaning = meaning_of(feedback.type);
  Json properties = {{"feedback_type", feedback.type}};
  if (!feedback.comment.empty()) properties["comment"] = feedback.comment;
  if (feedback.value) properties["feedback_value"] = *feedback.value;
  Json event = {{"type", meaning ? std::string(event_type_name(meaning->type)) : feedback.type},
                {"message_id", gorse_message_id(feedback)},
                {"user_id", feedback.user},
                {"items", Json::array({{{"item_id", feedback.item}}})},
                {"properties", std::move(properties)}};
  if (feedback.time) event["event_time"] = format_time(*feedback.time);
  const bool counts = !meaning || meaning->type == EventType::kRating ||
                      (meaning->type == EventType::kRead && feedback.value.value_or(-1) >= 0);
  const std::optional<double> value = meaning && meaning->value ? meaning->value : feedback.value;
  if (counts && value) event["value"] = *value;
  return event.dump();
}

}  // namespace

Result<std::vector<GorseFeedback>> gorse_feedback_of(const Json& body, bool of_session) {
  if (!body.is_array()) return fail(Code::kInvalid, "send a list of feedback");
  std::vector<GorseFeedback> all;
  all.reserve(body.size());
  for (std::size_t i = 0; i < body.size(); ++i) {
    Result<GorseFeedback> one = read_feedback(body[i], of_session);
    if (!one) return fail(json::under(i, one.error()));
    all.push_back(*std::move(one));
  }
  return all;
}

bool is_dislike(const GorseFeedback& feedback) {
  const Meaning* meaning = meaning_of(feedback.type);
  return meaning && meaning->value == kDisliked;
}

std::string gorse_message_id(const GorseFeedback& feedback) {
  // The lengths keep ("ab", "c") and ("a", "bc") apart.
  const std::string whole =
      fmt::format("{}:{}{}:{}{}:{}{}", feedback.type.size(), feedback.type, feedback.user.size(),
                  feedback.user, feedback.item.size(), feedback.item,
                  feedback.time ? fmt::format("@{}", *feedback.time) : std::string());
  return std::string(kGorseIdPrefix) + to_hex(hash128(whole));
}

std::vector<std::string> gorse_event_bodies(const std::vector<GorseFeedback>& feedback, std::size_t bytes_max,
                                            std::size_t events_max) {
  std::vector<std::string> bodies;
  std::size_t events = 0;
  for (const GorseFeedback& each : feedback) {
    const std::string event = event_json(each);
    const bool full = bodies.empty() || events == events_max ||
                      bodies.back().size() + event.size() + 2 > bytes_max;  // comma and bracket
    if (full && !bodies.empty()) bodies.back() += ']';
    if (full) {
      bodies.emplace_back("[");
      events = 0;
    }
    if (events++ > 0) bodies.back() += ',';
    bodies.back() += event;
  }
  if (!bodies.empty()) bodies.back() += ']';
  return bodies;
}

Json gorse_feedback_json(const Json& row) {
  const auto text = [&](std::size_t i) {
    return row[i].is_string() ? row[i].get<std::string>() : std::string();
  };
  const Json properties = Json::parse(text(4), nullptr, false);
  const auto told = [&](const char* name, const Json& otherwise) {
    const bool there = properties.is_object() && properties.contains(name);
    return there && properties[name].type() == otherwise.type() ? properties[name] : otherwise;
  };
  return {{"FeedbackType", told("feedback_type", text(0))},
          {"UserId", text(1)},
          {"ItemId", text(2)},
          {"Value", told("feedback_value", 0.0)},
          {"Timestamp", text(3)},
          {"Comment", told("comment", "")}};
}

}  // namespace millrace
