#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "model/model_import.h"
#include "model/model_registry.h"
#include "net/http.h"

namespace millrace {

/// Answer GET …/recommendations?user=&items=a,b&n=&repeats=. Errors: kInvalid; kNotFound when no version of
/// `name` is deployed.
Result<nlohmann::json> answer_recommendations(const ModelRegistry& registry, Env& env,
                                              const std::string& name, const QueryParameters& query);

/// Answer POST …/recommendations of {"user", "items": […], "features": {…}, "n", "repeats"}, all of which may
/// be left out. Errors: as above; kInvalid for features where the model has no towers to read them.
Result<nlohmann::json> answer_recommendations(const ModelRegistry& registry, Env& env,
                                              const std::string& name, std::string_view body);

/// Answer POST …/vectors of {"users": [{"id", "features": {…}}, …], "items": likewise}: the vectors that the
/// model's towers give them, or without features those that it has of them. Errors: as above.
Result<nlohmann::json> answer_vectors(const ModelRegistry& registry, const std::string& name,
                                      std::string_view body);

/// Read the files of a model that was made elsewhere: {"items", "item_ids", "users", "user_ids": paths of
/// embeddings, "towers": a folder}, all of which may be left out. Errors: kInvalid for others and for
/// files that do not hold what they should; those of reading files.
Result<ImportedModel> read_imported(Env& env, const nlohmann::json& files);

/// Return a file of a version: GET …/versions/{version}/files/{file}. Errors: kNotFound for one that its
/// manifest does not name.
Result<HttpResponse> version_file(Env& env, const Path& dir, const nlohmann::json& manifest,
                                  const std::string& file);

}  // namespace millrace
