#include "server/feature_request.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_writer.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr const char* kShape =
    R"(send {"features":["VIEW:FEATURE"],"entities":{"ENTITY":["a","b"]}}; GET /v1/features lists them)";
constexpr const char* kFull = "full_feature_names";

/// Reads one request.
class Reader {
 public:
  Reader(const FeatureStore& store, FeatureRequest& request) : store_(store), request_(request) {}

  Status read(const Json& body) {
    MILLRACE_TRY(check_members(body));
    if (const auto full = body.find(kFull); full != body.end()) {
      if (!full->is_boolean()) return fail(Code::kInvalid, "is true or false", kFull);
      full_names_ = full->get<bool>();
    }
    MILLRACE_TRY(read_entities(body["entities"]));
    const Json& features = body["features"];
    if (!features.is_array() || features.empty() || features.size() > FeatureRequest::kFeaturesMax)
      return fail(Code::kInvalid,
                  fmt::format("takes a list of 1 to {} names VIEW:FEATURE", FeatureRequest::kFeaturesMax),
                  "features");
    for (const Json& feature : features) MILLRACE_TRY(add_name(feature));
    return check_entities();
  }

 private:
  static Status check_members(const Json& body) {
    if (!body.is_object() || !body.contains("features") || !body.contains("entities"))
      return fail(Code::kInvalid, kShape);
    for (const auto& [name, value] : body.items()) {
      if (name == "features" || name == "entities" || name == kFull) continue;
      const std::string nearest = nearest_name(name, {"features", "entities", kFull});
      return fail(Code::kInvalid,
                  nearest.empty() ? "is not known here" : "is not known here; did you mean " + nearest + "?",
                  name);
    }
    return {};
  }

  Status read_entities(const Json& entities) {
    if (!entities.is_object() || entities.empty())
      return fail(Code::kInvalid, R"(takes the values of each entity: {"visitor":["a","b"]})", "entities");
    for (const auto& [name, values] : entities.items()) {
      const std::string where = "entities." + name;
      if (!values.is_array() || values.empty() || values.size() > FeatureRequest::kRowsMax)
        return fail(Code::kInvalid, fmt::format("takes a list of 1 to {} values", FeatureRequest::kRowsMax),
                    where);
      FeatureRequest::Entity& entity = request_.entities.emplace_back();
      entity.name = name;
      for (const Json& value : values) {
        if (!value.is_string() && !value.is_number_integer())
          return fail(Code::kInvalid, "takes texts and whole numbers", where);
        entity.json.push_back(json_text(value));
        entity.values.push_back(value.is_string() ? value.get<std::string>() : entity.json.back());
      }
      const std::size_t rows = entity.values.size();
      if (request_.rows == 0) request_.rows = rows;
      if (request_.rows != rows)
        return fail(
            Code::kInvalid,
            fmt::format("has {} values and another entity {}: a row takes one of each", rows, request_.rows),
            where);
    }
    return {};
  }

  /// "view:feature", or "view" for all of its features.
  Status add_name(const Json& json) {
    if (!json.is_string()) return fail(Code::kInvalid, "takes names VIEW:FEATURE", "features");
    const auto name = json.get<std::string>();
    const auto colon = name.find(':');
    MILLRACE_ASSIGN(const FeatureStore::Shelf* const shelf, store_.find(name.substr(0, colon)));
    MILLRACE_ASSIGN(const std::size_t view, place_of(*shelf));
    const auto& features = shelf->view->features;
    if (colon == std::string::npos) {
      for (std::size_t i = 0; i < features.size(); ++i) MILLRACE_TRY(add_feature(view, i));
      return {};
    }
    const Feature* feature = shelf->view->find(name.substr(colon + 1));
    if (feature != nullptr) return add_feature(view, static_cast<std::size_t>(feature - features.data()));
    std::vector<std::string> names;
    for (const Feature& one : features) names.push_back(one.name);
    const std::string nearest = nearest_name(name.substr(colon + 1), names);
    return fail(
        Code::kNotFound,
        nearest.empty() ? fmt::format("has {}", fmt::join(names, ", ")) : "did you mean " + nearest + "?",
        name);
  }

  Result<std::size_t> place_of(const FeatureStore::Shelf& shelf) {
    for (std::size_t i = 0; i < request_.views.size(); ++i)
      if (request_.views[i].shelf == &shelf) return i;
    FeatureRequest::View view{.shelf = &shelf, .features = {}, .entities = {}};
    for (const auto& entity : shelf.view->entities) {
      const auto given = std::ranges::find(request_.entities, entity.name, &FeatureRequest::Entity::name);
      if (given == request_.entities.end())
        return fail(Code::kInvalid,
                    fmt::format("{} is about {}: give its values", shelf.view->name, entity.name),
                    "entities." + entity.name);
      view.entities.push_back(static_cast<std::size_t>(given - request_.entities.begin()));
    }
    request_.views.push_back(std::move(view));
    return request_.views.size() - 1;
  }

  Status add_feature(std::size_t view, std::size_t feature) {
    FeatureRequest::View& asked = request_.views[view];
    const FeatureView& known = *asked.shelf->view;
    const std::string& own = known.features[feature].name;
    std::string name = full_names_ ? known.name + "__" + own : own;
    const auto same = [&](const auto& other) { return other.name == name; };
    if (std::ranges::any_of(request_.columns, same) || std::ranges::any_of(request_.entities, same))
      return fail(Code::kInvalid,
                  name + R"( would be there twice; name it once, or give "full_feature_names":true)",
                  "features");
    request_.columns.push_back({std::move(name), view, asked.features.size()});
    asked.features.push_back(feature);
    return {};
  }

  Status check_entities() const {
    std::vector<std::string> known;
    for (const auto& view : request_.views)
      for (const auto& entity : view.shelf->view->entities) known.push_back(entity.name);
    for (const auto& entity : request_.entities)
      if (std::ranges::find(known, entity.name) == known.end())
        return fail(
            Code::kInvalid,
            fmt::format("none of these features is about it; they are about {}", fmt::join(known, ", ")),
            "entities." + entity.name);
    return {};
  }

  const FeatureStore& store_;
  FeatureRequest& request_;
  bool full_names_ = false;
};

/// Write one column of an answer; `status`, `value` and `time` give a row's.
template <class Status, class Value, class Time>
void write_column(JsonWriter& json, std::size_t rows, Status status, Value value, Time time) {
  json.begin_object().key("values").begin_array();
  for (std::size_t row = 0; row < rows; ++row) value(row);
  json.end_array().key("statuses").begin_array();
  for (std::size_t row = 0; row < rows; ++row) json.text(feature_status_name(status(row)));
  json.end_array().key("event_timestamps").begin_array();
  for (std::size_t row = 0; row < rows; ++row) json.time(time(row));
  json.end_array().end_object();
}

std::vector<FeatureStore::Answer> read_view(const FeatureRequest& request, const FeatureRequest::View& view,
                                            TimeUs now) {
  std::vector<FeatureStore::Answer> answers;
  answers.reserve(request.rows);
  std::vector<std::string_view> parts(view.entities.size());
  for (std::size_t row = 0; row < request.rows; ++row) {
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = request.entities[view.entities[i]].values[row];
    answers.push_back(FeatureStore::read(*view.shelf, entity_key(parts), now, view.features));
  }
  return answers;
}

}  // namespace

Result<FeatureRequest> parse_feature_request(const FeatureStore& store, std::string_view body) {
  const Json parsed = json_of_body(body);
  FeatureRequest request;
  MILLRACE_TRY(Reader(store, request).read(parsed));
  return request;
}

std::string answer_features(const FeatureRequest& request, TimeUs now) {
  std::vector<std::vector<FeatureStore::Answer>> answers;
  for (const auto& view : request.views) answers.push_back(read_view(request, view, now));
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("metadata").begin_object().key("feature_names").begin_array();
  for (const auto& entity : request.entities) json.text(entity.name);
  for (const auto& column : request.columns) json.text(column.name);
  json.end_array().end_object().key("results").begin_array();
  for (const auto& entity : request.entities)
    write_column(
        json, request.rows, [](std::size_t) { return FeatureStatus::kPresent; },
        [&](std::size_t row) { json.raw(entity.json[row]); }, [](std::size_t) { return TimeUs{0}; });
  for (const auto& column : request.columns) {
    const auto& rows = answers[column.view];
    const auto& view = request.views[column.view];
    const FeatureType type = view.shelf->view->features[view.features[column.at]].type;
    const auto status = [&](std::size_t row) {
      if (rows[row].status != FeatureStatus::kPresent) return rows[row].status;
      return is_null(rows[row].values[column.at]) ? FeatureStatus::kNullValue : FeatureStatus::kPresent;
    };
    const auto value = [&](std::size_t row) {
      write_feature(json, type, rows[row].values.empty() ? FeatureValue() : rows[row].values[column.at]);
    };
    write_column(json, request.rows, status, value, [&](std::size_t row) { return rows[row].time; });
  }
  json.end_array().end_object();
  return out;
}

}  // namespace millrace
