#include "model/tower_files.h"

#include <cstdlib>
#include <filesystem>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/child_process.h"
#include "base/fault_env_testing.h"
#include "model/feature_taste_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Path kFolder = "/data/towers";

const PlantedFeatures& planted_features() {
  static const PlantedFeatures features = plant_features(80, 40, 4, 8, true, 5);
  return features;
}

TwoTowerModel small_model(TwoTowerGoal goal, bool normalized) {
  auto examples = planted_features().examples;
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i].label = static_cast<float>(i % 5) / 3;
  const TwoTowerSettings settings{.goal = goal,
                                  .shape = {.hidden = {12, 9},
                                            .dimensions = 6,
                                            .category_dimensions = 3,
                                            .text_dimensions = 5,
                                            .normalized = normalized},
                                  .encoder = {.text_buckets = 50},
                                  .epochs = 2};
  return train_two_tower(planted_features().users, planted_features().items, examples, settings, {}).value();
}

class TowerFiles : public testing::Test {
 protected:
  TowerFiles() { EXPECT_TRUE(save_towers(env_, kFolder, small_model(TwoTowerGoal::kRatings, false))); }

  std::string read(const std::string& file) { return read_file(env_, kFolder / file).value(); }
  void write(const std::string& file, std::string_view bytes) {
    ASSERT_TRUE(write_file_atomically(env_, kFolder / file, bytes));
  }

  /// Change `towers.json`; hashes are taken out, so that what a file holds is looked at.
  void edit(const std::function<void(nlohmann::json&)>& change) {
    auto json = nlohmann::json::parse(read("towers.json"));
    for (const char* side : {"users", "items"}) {
      for (auto& column : json[side]["columns"])
        if (column.contains("vectors")) column["vectors"].erase("xxh3_128");
      for (auto& layer : json[side]["layers"])
        for (auto& array : layer) array.erase("xxh3_128");
    }
    change(json);
    write("towers.json", json.dump());
  }

  std::string refusal() {
    const auto loaded = load_towers(env_, kFolder);
    return loaded ? "" : loaded.error().text();
  }
  std::string refusal_of(const std::function<void(nlohmann::json&)>& change) {
    const std::string before = read("towers.json");
    edit(change);
    std::string said = refusal();
    write("towers.json", before);
    return said;
  }
  /// What is said of a folder whose file has other bytes, and no hash.
  std::string refusal_of_bytes(const std::string& file, const std::string& bytes) {
    const std::string before = read(file);
    write(file, bytes);
    std::string said = refusal_of([](auto&) {});
    write(file, before);
    return said;
  }

  FaultEnv env_;
};

TEST_F(TowerFiles, ComeBackAsTheyWere) {
  for (const TwoTowerGoal goal : {TwoTowerGoal::kChoices, TwoTowerGoal::kRatings})
    for (const bool normalized : {false, true}) {
      const TwoTowerModel model = small_model(goal, normalized);
      ASSERT_TRUE(save_towers(env_, "/again", model));
      const auto loaded = load_towers(env_, "/again");
      ASSERT_TRUE(loaded) << loaded.error().text();
      EXPECT_EQ(loaded->users.tower, model.users.tower);
      EXPECT_EQ(loaded->items.tower, model.items.tower);
      EXPECT_EQ(loaded->ratings, model.ratings);
      EXPECT_EQ(loaded->epochs, model.epochs);
      EXPECT_EQ(loaded->loss, model.loss);
      const auto& features = planted_features();
      EXPECT_EQ(loaded->users.embed(features.users).value().vectors,
                model.users.embed(features.users).value().vectors);
      EXPECT_EQ(loaded->items.embed(features.items).value().vectors,
                model.items.embed(features.items).value().vectors);
    }
}

TEST_F(TowerFiles, AFolderWithTowersJsonIsWhole) {
  FaultEnv env;
  const TwoTowerModel model = small_model(TwoTowerGoal::kChoices, false);
  ASSERT_TRUE(env.make_dirs(kFolder));
  EXPECT_THAT(load_towers(env, kFolder).error().code, Code::kNotFound);
  ASSERT_TRUE(save_towers(env, kFolder, model));
  env.power_loss(1);
  EXPECT_TRUE(load_towers(env, kFolder));
}

TEST_F(TowerFiles, SayWhichFileIsMissingOrNotWhatWasWritten) {
  std::string bytes = read("users-weights-0.npy");
  bytes[bytes.size() - 3] ^= 1;
  write("users-weights-0.npy", bytes);
  const auto flipped = load_towers(env_, kFolder);
  ASSERT_FALSE(flipped);
  EXPECT_EQ(flipped.error().code, Code::kCorrupt);
  EXPECT_THAT(flipped.error().text(),
              AllOf(HasSubstr("users-weights-0.npy"), HasSubstr("write the towers again")));
  ASSERT_TRUE(env_.remove(kFolder / "users-weights-0.npy"));
  const auto missing = load_towers(env_, kFolder);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().text(),
              AllOf(HasSubstr("users-weights-0.npy"), HasSubstr("users.layers[0], 'weights'")));
}

TEST_F(TowerFiles, AreReadWithoutHashes) {
  EXPECT_EQ(refusal_of([](auto&) {}), "");
}

TEST_F(TowerFiles, RefuseJsonThatDoesNotFit) {
  EXPECT_THAT(refusal_of([](auto& json) { json["format"] = "x"; }),
              HasSubstr("\"format\": \"millrace-towers\""));
  EXPECT_THAT(refusal_of([](auto& json) { json["version"] = 2; }), HasSubstr("reads version 1"));
  EXPECT_THAT(refusal_of([](auto& json) { json.erase("items"); }), HasSubstr("towers.json: items: it needs"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["layers"] = nlohmann::json::array(); }),
              HasSubstr("1 to 64 layers"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["columns"] = nlohmann::json::array(); }),
              HasSubstr("no features"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["activation"] = "tanh"; }), HasSubstr("only 'relu'"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["normalized"] = 1; }), HasSubstr("'normalized'"));
  EXPECT_THAT(refusal_of([](auto& json) { json["ratings"]["deviation"] = 0; }), HasSubstr("'deviation'"));
  EXPECT_THAT(refusal_of([](auto& json) { json["ratings"].erase("bias"); }), HasSubstr("the number 'bias'"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["layers"][0]["bias"] = "x.npy"; }),
              HasSubstr("users.layers[0]: 'bias' must be an object"));
  for (const char* name : {"../x.npy", "/etc/passwd", "", ".x"})
    EXPECT_THAT(refusal_of([&](auto& json) { json["users"]["layers"][0]["bias"]["file"] = name; }),
                HasSubstr("no name of a file in this folder"));
  write("towers.json", "{\"format\"");
  EXPECT_THAT(refusal(), HasSubstr("it is no JSON object"));
}

TEST_F(TowerFiles, RefuseShapesThatDoNotFitTogether) {
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["columns"][2]["buckets"] = 9; }),
              AllOf(HasSubstr("users.columns[2]"), HasSubstr("'band'"), HasSubstr("9 buckets")));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["columns"].erase(0); }),
              AllOf(HasSubstr("users.layers[0]"), HasSubstr("inputs come from the columns")));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["layers"].erase(1); }),
              AllOf(HasSubstr("users.layers[1]"), HasSubstr("12 inputs come before it")));
  EXPECT_THAT(
      refusal_of([](auto& json) { json["users"]["layers"][0]["bias"] = json["users"]["layers"][1]["bias"]; }),
      HasSubstr("'bias' has 9 numbers for 12 rows"));
  EXPECT_THAT(refusal_of([](auto& json) { json["users"]["layers"].erase(2); }),
              HasSubstr("vectors of users have 9 numbers, those of items 6"));
  EXPECT_THAT(refusal_of([](auto& json) {
                json["users"]["layers"][0]["weights"] = json["users"]["layers"][0]["bias"];
              }),
              HasSubstr("must be a matrix"));
}

TEST_F(TowerFiles, RefuseNpyFilesOfAnotherKind) {
  const std::string file = "items-bias-0.npy", whole = read(file);
  const auto with = [&](std::string_view what, std::string_view instead) {
    std::string bytes = whole;
    const auto at = bytes.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return bytes.replace(at, what.size(), instead);
  };
  ASSERT_EQ(refusal_of_bytes(file, whole), "");
  EXPECT_THAT(refusal_of_bytes(file, with("<f4", "<f8")), AllOf(HasSubstr(file), HasSubstr("astype('<f4')")));
  EXPECT_THAT(refusal_of_bytes(file, with("False", "True ")), HasSubstr("ascontiguousarray"));
  EXPECT_THAT(refusal_of_bytes(file, with("(12,)", "(13,)")), HasSubstr("cut short"));
  EXPECT_THAT(refusal_of_bytes(file, with("(12,)", "()   ")), HasSubstr("0 dimensions"));
  EXPECT_THAT(refusal_of_bytes(file, with("(12,)", "(-2,)")), HasSubstr("its shape is (-2,)"));
  EXPECT_THAT(refusal_of_bytes(file, "hello"), HasSubstr("no sound .npy file"));
  EXPECT_THAT(refusal_of_bytes(file, whole.substr(0, 20)), HasSubstr("cut short"));
  EXPECT_THAT(refusal_of_bytes(file, whole.substr(0, whole.size() - 1)), HasSubstr("cut short"));
  std::string with_nan = whole;
  with_nan.replace(with_nan.size() - 4, 4, std::string("\x00\x00\xC0\x7F", 4));
  EXPECT_THAT(refusal_of_bytes(file, with_nan), HasSubstr("its number 11 is nan"));
}

/// Runs the recipe of docs/formats/towers.md with NumPy in the place of PyTorch.
class TowerExport : public testing::Test {
 protected:
  static std::string recipe() {
    const std::string page = read_file(Env::system(), "docs/formats/towers.md").value();
    const auto begin = page.find("```python\n") + 10;
    return page.substr(begin, page.find("\n```", begin) + 1 - begin);
  }

  /// Run Python; return what it printed, or nothing where it has no NumPy.
  static std::optional<std::string> python(const Path& script) {
    for (const std::string program : {"/usr/bin/python3", "python3"}) {
      if (std::system((program + " -c 'import numpy' 2>/dev/null").c_str()) != 0) continue;
      auto child = ChildProcess::start({.command = {program, "-B", script.string()}});
      EXPECT_TRUE(child);
      EXPECT_EQ(child->wait(60'000), "exit code 0");
      return program;
    }
    return std::nullopt;
  }
};

/// What the recipe is given, and what it should come to, by NumPy alone.
constexpr std::string_view kExportTest = R"(
import sys
rng = np.random.default_rng(7)
def random(*shape):
    return rng.normal(size=shape)  # float64: the recipe makes float32 of it

def forward(numbers, fields, layers):
    x = np.concatenate([numbers] + fields)
    for l, (weights, bias) in enumerate(layers):
        x = weights @ x + bias
        if l + 1 < len(layers):
            x = np.maximum(x, 0)
    return x

country, line, words = random(1 + 2 + 1, 3), random(1 + 3 + 4, 5), random(1 + 64, 4)
user_layers = [(random(7, 2 + 3), random(7)), (random(6, 7), random(6))]
item_layers = [(random(8, 1 + 5 + 4), random(8)), (random(7, 8), random(7)), (random(6, 7), random(6))]
export("FOLDER/towers",
       users=([number("credit", 100, 50, indicator=True), category("country", ["UK", "France"], country)], user_layers),
       items=([number("price", 10, 4), category("line", ["Cars", "Ships", "Planes"], line, buckets=4),
               text("name", words)], item_layers),
       ratings=dict(mean=3, deviation=1.5, bias=0.25, min=1, max=5))

users = [forward([0.5, 0], [country[1]], user_layers),   # 125, UK
         forward([0, 1], [country[0]], user_layers),     # both missing
         forward([-2, 0], [country[3]], user_layers)]    # 0, a country never seen
name = words[[1 + feature_hash(piece) % 64 for piece in pieces("Ford T-Modell Größe 1")]].mean(axis=0)
items = [forward([1], [line[2], name], item_layers),     # 14, Ships
         forward([-0.25], [line[4 + feature_hash("Trains") % 4], words[0]], item_layers)]  # 9, Trains, no name
np.save("FOLDER/users.npy", np.array(users, dtype="<f4"))
np.save("FOLDER/items.npy", np.array(items, dtype="<f4"))
)";

std::vector<float> floats_of(const Path& npy) {
  const std::string bytes = read_file(Env::system(), npy).value();
  const std::size_t header =
      10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  std::vector<float> values((bytes.size() - header) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + header, bytes.size() - header);
  return values;
}

TEST_F(TowerExport, GivesTheVectorsThatNumpyGives) {
  std::string folder = (std::filesystem::temp_directory_path() / "millrace-towers-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::string script = recipe() + std::string(kExportTest);
  for (std::size_t at = 0; (at = script.find("FOLDER", at)) != std::string::npos;)
    script.replace(at, 6, folder);
  ASSERT_TRUE(write_file_atomically(Env::system(), Path(folder) / "export.py", script));
  if (!python(Path(folder) / "export.py")) GTEST_SKIP() << "this machine has no NumPy (python3-numpy)";

  const auto model = load_towers(Env::system(), Path(folder) / "towers");
  ASSERT_TRUE(model) << model.error().text();
  const FeatureTable users{
      .ids = {"a", "b", "c"},
      .columns = {{.name = "country", .kind = ColumnKind::kCategory, .texts = {"UK", "", "Atlantis"}},
                  {.name = "credit", .numbers = {125, std::nan(""), 0}}}};
  const FeatureTable items{
      .ids = {"p", "q"},
      .columns = {{.name = "price", .numbers = {14, 9}},
                  {.name = "line", .kind = ColumnKind::kCategory, .texts = {"Ships", "Trains"}},
                  {.name = "name", .kind = ColumnKind::kText, .texts = {"Ford T-Modell Größe 1", ""}}}};
  const auto user_vectors = model->users.embed(users).value().vectors;
  const auto item_vectors = model->items.embed(items).value().vectors;
  EXPECT_THAT(user_vectors.values,
              testing::Pointwise(testing::FloatNear(1e-4), floats_of(folder + "/users.npy")));
  EXPECT_THAT(item_vectors.values,
              testing::Pointwise(testing::FloatNear(1e-4), floats_of(folder + "/items.npy")));
  EXPECT_EQ(model->ratings, (RatingScale{.mean = 3, .deviation = 1.5, .bias = 0.25, .min = 1, .max = 5}));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace
