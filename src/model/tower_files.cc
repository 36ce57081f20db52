#include "model/tower_files.h"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/npy.h"
#include "base/text.h"
#include "event/json_text.h"

namespace millrace {
namespace {

using TowerJson = nlohmann::ordered_json;

constexpr std::string_view kTowersFormat = "millrace-towers";
constexpr int kTowersVersion = 1;
constexpr std::size_t kLayersMax = 64;

std::unexpected<Error> towers_invalid(const std::string& where, std::string message) {
  return fail(Code::kInvalid, std::move(message), where);
}

/// An array of one or two dimensions, out of its file.
struct TowerArray {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

Result<TowerArray> read_tower_npy(std::string_view bytes, const std::string& where) {
  MILLRACE_ASSIGN(const NpyView view, parse_npy(std::as_bytes(std::span(bytes)), where));
  if (view.type != NpyType::kFloat32)
    return towers_invalid(where, "its numbers are no '<f4' (float32): write it with .astype('<f4')");
  TowerArray array{.shape = {view.rows}, .values = {view.floats().begin(), view.floats().end()}};
  if (view.dimensions == 2) array.shape.push_back(view.columns);
  for (std::size_t i = 0; i < array.values.size(); ++i)
    if (!std::isfinite(array.values[i]))
      return towers_invalid(where, fmt::format("its number {} is {}", i, array.values[i]));
  return array;
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

/// Writes the matrices of a model, and of each says the name and the hash.
class TowerWriter {
 public:
  using Put = std::function<Status(const std::string& file, std::string_view bytes)>;

  explicit TowerWriter(const Put& put) : put_(put) {}

  Result<TowerJson> side(const std::string& name, const TwoTowerSide& side) {
    TowerJson columns = TowerJson::array(), layers = TowerJson::array();
    std::size_t f = 0;
    for (const EncoderColumn& column : side.encoder.columns()) {
      TowerJson& json = columns.emplace_back(encoder_to_json(column));
      if (column.kind == ColumnKind::kNumber) continue;
      MILLRACE_ASSIGN(json["vectors"],
                      matrix(fmt::format("{}-vectors-{}.npy", name, f), side.tower.embeddings[f]));
      ++f;
    }
    for (std::size_t l = 0; l < side.tower.layers.size(); ++l) {
      const TowerLayer& layer = side.tower.layers[l];
      TowerJson& json = layers.emplace_back();
      MILLRACE_ASSIGN(json["weights"], matrix(fmt::format("{}-weights-{}.npy", name, l), layer.weights));
      MILLRACE_ASSIGN(json["bias"],
                      array(fmt::format("{}-bias-{}.npy", name, l), layer.bias, layer.bias.size(), 0));
    }
    return TowerJson{{"columns", std::move(columns)},
                     {"layers", std::move(layers)},
                     {"normalized", side.tower.normalized}};
  }

 private:
  Result<TowerJson> matrix(const std::string& file, const Matrix& values) {
    return array(file, values.values, values.rows, values.columns);
  }

  /// `columns` 0: of one dimension.
  Result<TowerJson> array(const std::string& file, std::span<const float> values, std::size_t rows,
                          std::size_t columns) {
    std::string bytes = npy_header(NpyType::kFloat32, rows, columns);
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    MILLRACE_TRY(put_(file, bytes));
    return TowerJson{{"file", file}, {"xxh3_128", to_hex(hash128(bytes))}};
  }

  const Put& put_;
};

TowerJson rating_scale_json(const RatingScale& scale) {
  return {{"mean", scale.mean},
          {"deviation", scale.deviation},
          {"bias", scale.bias},
          {"min", scale.min},
          {"max", scale.max}};
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

/// Reads a folder; each error says where in `towers.json` or in which file.
class TowerReader {
 public:
  using Get = std::function<Result<std::string>(const std::string& file)>;

  TowerReader(const Get& get, const Path& folder) : get_(get), folder_(folder) {}

  Result<TwoTowerSide> side(const nlohmann::json& json, const std::string& name) {
    const std::string where = place(name);
    if (!json.is_object() || !json.contains("columns") || !json["columns"].is_array() ||
        !json.contains("layers") || !json["layers"].is_array())
      return towers_invalid(where, "it needs the lists 'columns' and 'layers'");
    if (json.value("activation", nlohmann::json("relu")) != nlohmann::json("relu"))
      return towers_invalid(where, "between layers only 'relu' is known");
    TwoTowerSide side;
    if (const auto normalized = json.find("normalized"); normalized != json.end()) {
      if (!normalized->is_boolean()) return towers_invalid(where, "'normalized' is neither true nor false");
      side.tower.normalized = normalized->get<bool>();
    }
    std::vector<EncoderColumn> columns;
    for (const auto& column : json["columns"])
      MILLRACE_TRY(
          this->column(column, fmt::format("{}.columns[{}]", where, columns.size()), columns, side.tower));
    auto encoder = FeatureEncoder::of(std::move(columns), name);
    if (!encoder) return towers_invalid(where, encoder.error().message);
    side.encoder = *std::move(encoder);
    side.tower.numbers = side.encoder.numbers();
    MILLRACE_TRY(layers(json["layers"], where, side.tower));
    return side;
  }

  std::string place(std::string_view member) const {
    return fmt::format("{}: {}", (folder_ / kTowersFile).string(), member);
  }

 private:
  Status column(const nlohmann::json& json, const std::string& where, std::vector<EncoderColumn>& columns,
                Tower& tower) {
    MILLRACE_ASSIGN(EncoderColumn column, encoder_from_json(json, where));
    if (column.kind != ColumnKind::kNumber) {
      MILLRACE_ASSIGN(Matrix vectors, matrix(json, "vectors", where));
      if (vectors.rows != column.vectors() || vectors.columns == 0)
        return towers_invalid(
            where,
            fmt::format("'vectors' is {} × {}; the column '{}' needs {} rows: 1 for missing, {} values, {} "
                        "buckets",
                        vectors.rows, vectors.columns, column.name, column.vectors(), column.values.size(),
                        column.buckets));
      tower.embeddings.push_back(std::move(vectors));
    }
    columns.push_back(std::move(column));
    return {};
  }

  Status layers(const nlohmann::json& json, const std::string& tower_at, Tower& tower) {
    if (json.empty() || json.size() > kLayersMax)
      return towers_invalid(tower_at, fmt::format("it needs 1 to {} layers", kLayersMax));
    std::size_t inputs = tower.inputs();
    for (std::size_t l = 0; l < json.size(); ++l) {
      const std::string where = fmt::format("{}.layers[{}]", tower_at, l);
      TowerLayer layer;
      MILLRACE_ASSIGN(layer.weights, matrix(json[l], "weights", where));
      MILLRACE_ASSIGN(TowerArray bias, array(json[l], "bias", where, 1));
      if (layer.weights.columns != inputs)
        return towers_invalid(
            where,
            fmt::format("'weights' is {} × {}, but {} inputs come {}", layer.weights.rows,
                        layer.weights.columns, inputs,
                        l == 0 ? "from the columns: numbers and indicators, then vectors" : "before it"));
      if (bias.values.size() != layer.weights.rows || bias.values.empty())
        return towers_invalid(where, fmt::format("'bias' has {} numbers for {} rows of 'weights'",
                                                 bias.values.size(), layer.weights.rows));
      layer.bias = std::move(bias.values);
      inputs = layer.bias.size();
      tower.layers.push_back(std::move(layer));
    }
    return {};
  }

  Result<Matrix> matrix(const nlohmann::json& json, const char* member, const std::string& where) {
    MILLRACE_ASSIGN(TowerArray array, this->array(json, member, where, 2));
    Matrix matrix;
    matrix.rows = array.shape[0];
    matrix.columns = array.shape[1];
    matrix.values = std::move(array.values);
    return matrix;
  }

  Result<TowerArray> array(const nlohmann::json& json, const char* member, const std::string& where,
                           std::size_t dimensions) {
    const auto found = json.is_object() ? json.find(member) : json.end();
    if (found == json.end() || !found->is_object() || !found->contains("file") ||
        !(*found)["file"].is_string())
      return towers_invalid(where, fmt::format("'{}' must be an object with the name of a 'file'", member));
    const auto file = (*found)["file"].get<std::string>();
    if (file.empty() || file.find('/') != std::string::npos || file.starts_with('.'))
      return towers_invalid(where, fmt::format("'{}' is no name of a file in this folder", file));
    const Path path = folder_ / file;
    auto bytes = get_(file);
    if (!bytes) return fail(std::move(bytes).error().with_context(fmt::format("{}, '{}'", where, member)));
    if (const auto hash = found->find("xxh3_128"); hash != found->end() && *hash != to_hex(hash128(*bytes)))
      return fail(Code::kCorrupt,
                  "its bytes are not those whose hash towers.json has; write the towers again",
                  path.string());
    MILLRACE_ASSIGN(TowerArray array, read_tower_npy(*bytes, path.string()));
    if (array.shape.size() != dimensions)
      return towers_invalid(path.string(), dimensions == 1 ? "it must be a list: one dimension"
                                                           : "it must be a matrix: two dimensions");
    return array;
  }

  const Get& get_;
  const Path& folder_;
};

Result<RatingScale> read_rating_scale(const nlohmann::json& json, const std::string& where) {
  RatingScale scale;
  const std::pair<const char*, double*> members[] = {{"mean", &scale.mean},
                                                     {"deviation", &scale.deviation},
                                                     {"bias", &scale.bias},
                                                     {"min", &scale.min},
                                                     {"max", &scale.max}};
  for (const auto& [name, into] : members) {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number())
      return towers_invalid(where, fmt::format("it needs the number '{}'", name));
    *into = json[name].get<double>();
  }
  if (!(scale.deviation > 0) || !(scale.min <= scale.max))
    return towers_invalid(where, "'deviation' must be above 0, 'min' not above 'max'");
  return scale;
}

Status check_towers_header(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object() || json.value("format", nlohmann::json()) != nlohmann::json(kTowersFormat))
    return towers_invalid(where, fmt::format("it is no JSON object with \"format\": \"{}\"", kTowersFormat));
  if (json.value("version", nlohmann::json()) != nlohmann::json(kTowersVersion))
    return towers_invalid(where, fmt::format("this program reads version {} of it", kTowersVersion));
  return {};
}

}  // namespace

Status save_towers(Env& env, const Path& folder, const TwoTowerModel& model) {
  MILLRACE_TRY(env.make_dirs(folder));
  return write_towers(model, [&](const std::string& file, std::string_view bytes) {
    return write_file_atomically(env, folder / file, bytes);
  });
}

Status write_towers(const TwoTowerModel& model, const TowerWriter::Put& put) {
  TowerWriter writer(put);
  MILLRACE_ASSIGN(TowerJson users, writer.side("users", model.users));
  MILLRACE_ASSIGN(TowerJson items, writer.side("items", model.items));
  TowerJson json = {{"format", kTowersFormat}, {"version", kTowersVersion}};
  if (model.ratings) json["ratings"] = rating_scale_json(*model.ratings);
  json["users"] = std::move(users);
  json["items"] = std::move(items);
  json["training"] = {{"epochs", model.epochs}, {"loss", model.loss}};
  return put(std::string(kTowersFile), json.dump(1) + "\n");
}

Result<TwoTowerModel> load_towers(Env& env, const Path& folder) {
  return read_towers([&](const std::string& file) { return read_file(env, folder / file); }, folder);
}

Result<TwoTowerModel> read_towers(const TowerReader::Get& get, const Path& folder) {
  MILLRACE_ASSIGN(const std::string text, get(std::string(kTowersFile)));
  const bool sound = is_utf8(text) && json::check_json(text);  // deep nesting would overflow the stack
  const auto json = sound ? nlohmann::json::parse(text, nullptr, false) : nlohmann::json();
  TowerReader reader(get, folder);
  MILLRACE_TRY(check_towers_header(json, (folder / kTowersFile).string()));
  TwoTowerModel model;
  MILLRACE_ASSIGN(model.users, reader.side(json.value("users", nlohmann::json()), "users"));
  MILLRACE_ASSIGN(model.items, reader.side(json.value("items", nlohmann::json()), "items"));
  if (model.users.tower.outputs() != model.items.tower.outputs())
    return towers_invalid((folder / kTowersFile).string(),
                          fmt::format("vectors of users have {} numbers, those of items {}",
                                      model.users.tower.outputs(), model.items.tower.outputs()));
  if (json.contains("ratings")) {
    MILLRACE_ASSIGN(model.ratings, read_rating_scale(json["ratings"], reader.place("ratings")));
  }
  if (const auto training = json.find("training"); training != json.end() && training->is_object()) {
    if (const auto epochs = training->find("epochs");
        epochs != training->end() && epochs->is_number_integer())
      model.epochs = epochs->get<int>();
    if (const auto loss = training->find("loss"); loss != training->end() && loss->is_number())
      model.loss = loss->get<double>();
  }
  return model;
}

}  // namespace millrace
