#include "recommend/answer_json.h"

#include <map>

#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr std::size_t kIdsKept = 200;

void text_or_null(JsonWriter& json, std::string_view name, std::string_view text) {
  json.key(name);
  text.empty() ? json.null() : json.text(text);
}

void texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.text(value);
  json.end_array();
}

template <class Number>
void numbers(JsonWriter& json, std::string_view name, const std::map<std::string, Number>& values) {
  json.key(name).begin_object();
  for (const auto& [key, value] : values) json.member(key, value);
  json.end_object();
}

void features(JsonWriter& json, const RecommendedItem& item) {
  json.key("features").begin_object();
  for (const auto& [name, value] : item.features) json.member(name, static_cast<double>(value));
  json.end_object();
}

void items(JsonWriter& json, const std::vector<RecommendedItem>& list, bool with_features) {
  json.key("items").begin_array();
  for (const RecommendedItem& item : list) {
    json.begin_object().member("id", item.id).member("score", item.score).member("source", item.source);
    json.key("reason").begin_object().member("code", item.reason.code).member("text", item.reason.text);
    texts(json, "because", item.reason.because);
    json.end_object();
    if (with_features && !item.features.empty()) features(json, item);
    json.end_object();
  }
  json.end_array();
}

void clauses(JsonWriter& json, const std::vector<ClauseReport>& filter) {
  json.key("filter").begin_array();
  for (const ClauseReport& each : filter) {
    json.begin_object().member("clause", each.clause).member("looked_at", each.looked_at);
    json.member("found", each.found).member("matched", each.matched);
    json.member_if("hint", each.hint).end_object();
  }
  json.end_array();
}

void explanation(JsonWriter& json, const Recommendations& answer) {
  const Explanation& how = *answer.explanation;
  json.key("explanation").begin_object();
  numbers(json, "candidates", how.candidates);
  numbers(json, "filtered", how.filtered);
  if (!how.filter.empty()) clauses(json, how.filter);
  numbers(json, "stages_us", how.stages_us);
  json.member("latency_us", answer.latency_us);
  texts(json, "models", answer.models);
  text_or_null(json, "error", how.error);
  json.end_object();
}

/// Ids as they were given, or how many, where there are too many to keep with each answer.
void ids(JsonWriter& json, std::string_view name, const std::vector<std::string>& values) {
  if (values.size() > kIdsKept)
    json.member(name, values.size());
  else if (!values.empty())
    texts(json, name, values);
}

/// What was asked for, as far as the record does not say it elsewhere.
void rest_of_request(JsonWriter& json, const RecommendRequest& request) {
  json.key("request").begin_object().member("n", request.n);
  ids(json, "items", request.items);
  ids(json, "exclude", request.exclude);
  json.member_if("filter", request.filter.text()).member_if("country", request.country);
  if (request.cursor.size() > 0) json.member("shown_before", request.cursor.size());
  json.member_if("as_of_us", request.as_of);
  if (request.exclude_read) json.member("exclude_read", true);
  json.end_object();
}

}  // namespace

std::string answer_json(const Recommendations& answer) {
  std::string out;
  out.reserve(256 + 224 * answer.items.size());
  JsonWriter json(out);
  json.begin_object().member("recommendation_id", answer.recommendation_id);
  text_or_null(json, "user", answer.user);
  json.member("model", answer.model);
  text_or_null(json, "fallback", answer.fallback.value_or(""));
  json.member_if("fallback_reason", answer.fallback_reason);
  items(json, answer.items, answer.explanation.has_value());
  text_or_null(json, "cursor", answer.cursor.value_or(""));
  if (answer.explanation) explanation(json, answer);
  json.end_object();
  return out;
}

std::string record_json(const Recommendations& answer, const RecommendRequest& request,
                        std::string_view kind) {
  std::string out;
  out.reserve(384 + 224 * answer.items.size());
  JsonWriter json(out);
  json.begin_object().member("recommendation_id", answer.recommendation_id).member("served_us", answer.time);
  json.member("kind", kind);
  text_or_null(json, "user", answer.user);
  text_or_null(json, "session", answer.session);
  json.member("placement", placement_name(answer.placement)).member("model", answer.model);
  if (!answer.models.empty()) texts(json, "models", answer.models);
  text_or_null(json, "fallback", answer.fallback.value_or(""));
  json.member_if("fallback_reason", answer.fallback_reason);
  json.member("latency_us", answer.latency_us);
  items(json, answer.items, true);
  rest_of_request(json, request);
  json.end_object();
  return out;
}

}  // namespace millrace
