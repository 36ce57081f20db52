#include "server/model_answers.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/told_features.h"
#include "model/tower_files.h"
#include "server/json_text.h"
#include "vector/embedding_file.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kHistoryItemsMax = 1'000;
constexpr std::size_t kVectorsMax = 10'000;  ///< of one answer
constexpr std::int64_t kListLengthMax = 1'000;

/// What is asked of a model.
struct Asked {
  std::optional<std::string> user;
  std::vector<std::string> items;
  Json features;  ///< null: none are told
  std::int64_t n = 10;
  bool repeats = false;
};

Status check_members(const Json& json, std::initializer_list<std::string_view> known) {
  if (!json.is_object()) return fail(Code::kInvalid, "send a JSON object");
  for (const auto& [name, value] : json.items())
    if (std::ranges::find(known, name) == known.end())
      return fail(Code::kInvalid, fmt::format("{} is not known here: {} are", name, fmt::join(known, ", ")));
  return {};
}

Result<std::shared_ptr<const ServedModel>> deployed(const ModelRegistry& registry, const std::string& name) {
  auto model = registry.current(name);
  if (!model) return fail(registry.none_deployed(name));
  return model;
}

std::unexpected<Error> no_towers(const ServedModel& model) {
  return fail(Code::kInvalid, fmt::format("{}@{} is of kind {}, which reads no features", model.name,
                                          model.version, ranking_kind_name(model.settings.kind)));
}

/// Read what is told of someone, by a model with towers or one that knows segments.
Result<FeatureTable> told_of(const ServedModel& model, const Json& features) {
  if (const TwoTowerModel* towers = model.ranking->towers())
    return told_features(towers->users.encoder, std::span(&features, 1));
  if (model.settings.segment.empty()) return no_towers(model);
  MILLRACE_ASSIGN(const FeatureEncoder segment, FeatureEncoder::of({{.name = model.settings.segment,
                                                                     .kind = ColumnKind::kCategory,
                                                                     .values = {},
                                                                     .buckets = 1,
                                                                     .grams = {}}},
                                                                   "users"));
  return told_features(segment, std::span(&features, 1));
}

Result<Json> answer(const ModelRegistry& registry, Env& env, const std::string& name, const Asked& asked) {
  MILLRACE_ASSIGN(const auto model, deployed(registry, name));
  if (asked.items.size() > kHistoryItemsMax)
    return fail(Code::kInvalid, fmt::format("more than {} items", kHistoryItemsMax));
  const TimeUs now = env.now();
  std::vector<Feedback> history;
  Json unknown = Json::array();
  for (const std::string& id : asked.items)
    if (const auto item = model->items.find(id))
      history.push_back({.item = *item, .time = now});
    else
      unknown.push_back(id);
  Person person{.history = history, .now = now};
  if (asked.user) person.user = model->users.find(*asked.user);
  FeatureTable told;
  if (!asked.features.is_null()) {
    MILLRACE_ASSIGN(told, told_of(*model, asked.features));
    person.features = &told;
  }
  Json items = Json::array();
  const auto list = model->recommend(person, static_cast<std::size_t>(asked.n), asked.repeats);
  for (const auto& [item, score, fallback] : list) {
    items.push_back({{"id", item}, {"score", score}});
    if (fallback) items.back()["fallback"] = true;
  }
  Json json{{"model", model->name + "@" + model->version},
            {"items", std::move(items)},
            {"unknown", std::move(unknown)}};
  if (asked.user) json["user_known"] = person.user.has_value();
  return json;
}

/// Read a member that is a list of objects with an id and, perhaps, features.
Result<Json> vectors_of(const ServedModel& model, const Json& rows, bool users) {
  if (!rows.is_array() || rows.size() > kVectorsMax)
    return fail(Code::kInvalid, fmt::format("users and items are lists, of {} at the most", kVectorsMax));
  const TwoTowerModel* towers = model.ranking->towers();
  const auto items = model.ranking->item_vectors();
  Json vectors = Json::array();
  for (const Json& row : rows) {
    MILLRACE_TRY(check_members(row, {"id", "features"}));
    const std::string id = row.contains("id") && row["id"].is_string() ? row["id"].get<std::string>() : "";
    std::vector<float> vector;
    if (row.contains("features")) {
      if (towers == nullptr) return no_towers(model);
      const TwoTowerSide& side = users ? towers->users : towers->items;
      MILLRACE_ASSIGN(const FeatureTable told, told_features(side.encoder, std::span(&row["features"], 1)));
      MILLRACE_ASSIGN(Embeddings made, side.embed(told));
      vector = std::move(made.vectors.values);
    } else if (users) {
      vector = model.ranking->user_vector({.history = {}, .now = 0, .user = model.users.find(id)});
    } else if (const auto item = model.items.find(id); item && items) {
      vector.assign(items->row(*item).begin(), items->row(*item).end());
    }
    vectors.push_back({{"id", id}, {"vector", vector.empty() ? Json() : Json(vector)}});
  }
  return vectors;
}

/// Take the rows of one file.
Result<Matrix> matrix_of(EmbeddingRows&& read, IdMap& ids) {
  for (const std::string& id : read.rows.ids) ids.add(id);
  Matrix matrix;
  matrix.rows = read.rows.ids.size();
  matrix.columns = read.dimensions;
  matrix.values.assign(read.rows.values.begin(), read.rows.values.end());
  return matrix;
}

}  // namespace

Result<Json> answer_recommendations(const ModelRegistry& registry, Env& env, const std::string& name,
                                    const QueryParameters& query) {
  if (const auto unknown = query.unknown({"user", "items", "n", "repeats"}))
    return fail(Code::kInvalid, fmt::format("{} is not known here: user, items, n, repeats are", *unknown));
  Asked asked;
  MILLRACE_ASSIGN(asked.n, query.integer("n", asked.n, 1, kListLengthMax));
  MILLRACE_ASSIGN(asked.repeats, query.boolean("repeats", false));
  if (const auto user = query.get("user"); !user.empty()) asked.user = user;
  for (std::string_view rest = query.get("items"); !rest.empty();) {
    const std::string_view id = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(id.size() + 1, rest.size()));
    if (!id.empty()) asked.items.emplace_back(id);
  }
  return answer(registry, env, name, asked);
}

Result<Json> answer_recommendations(const ModelRegistry& registry, Env& env, const std::string& name,
                                    std::string_view body) {
  const Json json = json_of_body(body);
  MILLRACE_TRY(check_members(json, {"user", "items", "features", "n", "repeats"}));
  Asked asked;
  try {
    if (json.contains("user")) asked.user = json["user"].get<std::string>();
    asked.items = json.value("items", std::vector<std::string>());
    asked.n = json.value("n", asked.n);
    asked.repeats = json.value("repeats", false);
  } catch (const Json::exception&) {
    return fail(Code::kInvalid,
                R"(send {"user":"u1","items":["a","b"],"features":{…},"n":10,"repeats":false})");
  }
  if (asked.n < 1 || asked.n > kListLengthMax)
    return fail(Code::kInvalid, fmt::format("n is 1 to {}", kListLengthMax));
  asked.features = json.value("features", Json());
  return answer(registry, env, name, asked);
}

Result<Json> answer_vectors(const ModelRegistry& registry, const std::string& name, std::string_view body) {
  MILLRACE_ASSIGN(const auto model, deployed(registry, name));
  const Json json = json_of_body(body);
  MILLRACE_TRY(check_members(json, {"users", "items"}));
  Json answer{{"model", model->name + "@" + model->version}};
  if (json.contains("users")) {
    MILLRACE_ASSIGN(answer["users"], vectors_of(*model, json["users"], true));
  }
  if (json.contains("items")) {
    MILLRACE_ASSIGN(answer["items"], vectors_of(*model, json["items"], false));
  }
  return answer;
}

Result<ImportedModel> read_imported(Env& env, const Json& files) {
  MILLRACE_TRY(check_members(files, {"items", "item_ids", "users", "user_ids", "towers"}));
  const auto path = [&](const char* member) {
    return files.contains(member) && files[member].is_string() ? files[member].get<std::string>() : "";
  };
  ImportedModel model;
  if (!path("items").empty()) {
    MILLRACE_ASSIGN(EmbeddingRows read, read_embeddings(env, path("items"), path("item_ids")));
    MILLRACE_ASSIGN(model.item_vectors, matrix_of(std::move(read), model.items));
  }
  if (!path("users").empty()) {
    MILLRACE_ASSIGN(EmbeddingRows read, read_embeddings(env, path("users"), path("user_ids")));
    MILLRACE_ASSIGN(model.user_vectors, matrix_of(std::move(read), model.users));
  }
  if (!path("towers").empty()) {
    MILLRACE_ASSIGN(model.towers, load_towers(env, path("towers")));
  }
  if (model.items.size() == 0 && !model.towers)
    return fail(Code::kInvalid, "give the vectors of items, or towers that make some");
  return model;
}

Result<HttpResponse> version_file(Env& env, const Path& dir, const Json& manifest, const std::string& file) {
  if (!manifest.contains("files") || !manifest["files"].contains(file))
    return fail(Code::kNotFound, fmt::format("the version has no file {}", file));
  MILLRACE_ASSIGN(std::string bytes, read_file(env, dir / file));
  return HttpResponse{
      .status = 200,
      .content_type = file.ends_with(".json") ? "application/json" : "application/octet-stream",
      .body = std::move(bytes),
      .headers = {}};
}

}  // namespace millrace
