#include "model/model_registry.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Six people, four items; b likes what a likes.
FeedbackSet six_people() {
  FeedbackSet set;
  for (const auto& [user, item] : std::vector<std::pair<const char*, const char*>>{{"a", "w"},
                                                                                   {"a", "x"},
                                                                                   {"b", "w"},
                                                                                   {"b", "x"},
                                                                                   {"c", "w"},
                                                                                   {"c", "x"},
                                                                                   {"d", "y"},
                                                                                   {"d", "z"},
                                                                                   {"e", "y"},
                                                                                   {"e", "z"},
                                                                                   {"f", "w"}})
    set.rows.push_back({.user = set.users.add(user),
                        .item = set.items.add(item),
                        .row = static_cast<std::uint32_t>(set.rows.size()),
                        .time = static_cast<TimeUs>(set.rows.size())});
  return set;
}

/// What is known of them: who and which they are.
RankingFeatures ids_of(const FeedbackSet& set) {
  RankingFeatures known;
  known.users.columns = {{.name = "id", .kind = ColumnKind::kCategory, .numbers = {}, .texts = {}}};
  known.items = known.users;
  const auto fill = [](const IdMap& ids, FeatureTable& table, std::vector<std::uint32_t>& first) {
    for (std::uint32_t i = 0; i < ids.size(); ++i) {
      table.ids.push_back(ids.id(i));
      table.columns.front().texts.push_back(ids.id(i));
      first.push_back(i);
    }
  };
  fill(set.users, known.users, known.first_user_row);
  fill(set.items, known.items, known.first_item_row);
  for (const Feedback& row : set.rows) {
    known.user_rows.push_back(row.user);
    known.item_rows.push_back(row.item);
  }
  return known;
}

/// Train one; vectors that were made elsewhere are those of two towers.
std::unique_ptr<RankingModel> trained(const FeedbackSet& set, RankingSettings settings) {
  if (settings.kind == RankingKind::kImported) settings.kind = RankingKind::kTwoTower;
  const RankingFeatures known = ids_of(set);
  return train_ranking(set.rows, set.users.size(), set.items.size(), settings, {}, &known).value();
}

class ModelRegistryTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    registry_.reset();
    auto opened = ModelRegistry::open(env_, "/models");
    ASSERT_TRUE(opened) << opened.error().text();
    registry_ = *std::move(opened);
  }

  /// Write a version; return its number, or the error.
  Result<std::string> write(RankingKind kind = RankingKind::kItemKnn, const std::string& name = "m") {
    const FeedbackSet set = six_people();
    const RankingSettings settings{.kind = kind, .als = {.factors = 3}};
    const auto model = trained(set, settings);
    MILLRACE_ASSIGN(const auto place, registry_->next_version(name));
    MILLRACE_ASSIGN(BundleWriter writer, BundleWriter::begin(env_, place.second));
    MILLRACE_TRY(writer.add("items", set.items));
    MILLRACE_TRY(writer.add("users", set.users));
    MILLRACE_TRY(model->save(writer));
    MILLRACE_TRY(writer.finish({{"name", name}, {"version", place.first}, {"settings", to_json(settings)}}));
    return place.first;
  }

  std::vector<std::string> deployed() const {
    std::vector<std::string> all;
    const auto versions = registry_->list().value();
    for (const ModelVersion& one : versions)
      if (one.deployed) all.push_back(one.name + "@" + one.version);
    return all;
  }

  static std::vector<float> scores_of(const RankingModel& model) {
    const std::vector<Feedback> history = {{0, 0, 1, 0}};
    std::vector<float> scores(4);
    model.score({.history = history, .now = 20}, scores);
    return scores;
  }

  FaultEnv env_;
  std::unique_ptr<ModelRegistry> registry_;
};

TEST_F(ModelRegistryTest, EveryKindSaysTheSameOnceWrittenAndLoaded) {
  const FeedbackSet set = six_people();
  for (std::size_t k = 0; k < static_cast<std::size_t>(RankingKind::kCount); ++k) {
    const auto kind = static_cast<RankingKind>(k);
    const auto version = write(kind, std::string(ranking_kind_name(kind)));
    ASSERT_TRUE(version) << version.error().text();
    const auto loaded = ServedModel::load(env_, Path("/models") / ranking_kind_name(kind) / *version);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ((*loaded)->settings.kind, kind);
    EXPECT_EQ((*loaded)->items.id(0), "w");
    EXPECT_EQ((*loaded)->users.size(), 6u);
    const auto model = trained(set, {.kind = kind, .als = {.factors = 3}});
    EXPECT_EQ(scores_of(*(*loaded)->ranking), scores_of(*model)) << ranking_kind_name(kind);
  }
}

TEST_F(ModelRegistryTest, AManifestOfOtherTypesIsDamaged) {
  ASSERT_EQ(write().value(), "1");
  const Path manifest = "/models/m/1/model.json";
  const auto good = nlohmann::json::parse(read_file(env_, manifest).value());
  const nlohmann::json others = {{"format", "1"},
                                 {"name", 7},
                                 {"version", nullptr},
                                 {"files", {{"items.jsonl", {{"bytes", "x"}}}}},
                                 {"settings", 5}};
  for (const auto& [member, value] : others.items()) {
    nlohmann::json bad = good;
    bad[member] = value;
    ASSERT_TRUE(write_file_atomically(env_, manifest, bad.dump()));
    EXPECT_FALSE(registry_->deploy("m", "1", "test")) << member;
  }
  ASSERT_TRUE(write_file_atomically(env_, manifest, std::string(200'000, '[')));
  EXPECT_EQ(registry_->deploy("m", "1", "test").error().code, Code::kCorrupt);
}

TEST_F(ModelRegistryTest, RecommendsWhatWasNotMet) {
  ASSERT_EQ(write().value(), "1");
  ASSERT_TRUE(registry_->deploy("m", "1", "test"));
  const auto model = registry_->current("m");
  const std::vector<Feedback> history = {{0, *model->items.find("w"), 1, 0}};
  const auto list = model->recommend({.history = history, .now = 1}, 5, false);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].item, "x");
}

TEST_F(ModelRegistryTest, DeploysRollsBackAndRemembers) {
  EXPECT_EQ(registry_->current("m"), nullptr);
  ASSERT_EQ(write().value(), "1");
  ASSERT_EQ(write().value(), "2");
  EXPECT_THAT(deployed(), testing::IsEmpty());
  ASSERT_TRUE(registry_->deploy("m", "1", "ada"));
  const auto held = registry_->current("m");
  ASSERT_TRUE(registry_->deploy("m", "2", "ada"));
  EXPECT_THAT(deployed(), ElementsAre("m@2"));
  EXPECT_EQ(held->version, "1") << "who holds a version keeps it";
  EXPECT_EQ(registry_->rollback("m", "bob").value(), "1");
  EXPECT_THAT(deployed(), ElementsAre("m@1"));

  open();
  EXPECT_THAT(deployed(), ElementsAre("m@1"));
  const auto history = registry_->history("m").value();
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0]["version"], "1");
  EXPECT_EQ(history[0]["by"], "bob");

  ASSERT_TRUE(registry_->retire("m", "ada"));
  EXPECT_EQ(registry_->current("m"), nullptr);
  open();
  EXPECT_EQ(registry_->current("m"), nullptr);
}

TEST_F(ModelRegistryTest, VersionsAreListedNewestFirstAndRemoved) {
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(write());
  ASSERT_TRUE(registry_->deploy("m", "3", "t"));
  const auto list = registry_->list("m").value();
  ASSERT_EQ(list.size(), 11u);
  EXPECT_EQ(list[0].version, "11");
  EXPECT_EQ(list[10].version, "1");
  EXPECT_THAT(registry_->remove("m", "3").error().text(), HasSubstr("is deployed"));
  ASSERT_TRUE(registry_->remove("m", "11"));
  EXPECT_EQ(registry_->list("m").value().size(), 10u);
  EXPECT_EQ(registry_->next_version("m").value().first, "12") << "a number is not given twice";
}

TEST_F(ModelRegistryTest, ARemovalThatWasCutOffIsEndedByAnother) {
  ASSERT_TRUE(write());
  env_.die_after(1);
  EXPECT_FALSE(registry_->remove("m", "1"));
  env_.restart_process();
  open();
  ASSERT_EQ(registry_->list("m").value().size(), 1u);
  EXPECT_FALSE(registry_->deploy("m", "1", "t")) << "it has no manifest any more";
  ASSERT_TRUE(registry_->remove("m", "1"));
  EXPECT_TRUE(registry_->list("m").value().empty());
}

TEST_F(ModelRegistryTest, SaysWhatDoesNotExist) {
  EXPECT_THAT(registry_->deploy("m", "1", "t").error().text(), HasSubstr("m has no version 1"));
  EXPECT_THAT(registry_->deploy("m", "../x", "t").error().text(), HasSubstr("has no version"));
  EXPECT_THAT(registry_->rollback("m", "t").error().text(), HasSubstr("no other version"));
  EXPECT_THAT(registry_->retire("m", "t").error().text(), HasSubstr("no version of m is deployed"));
}

TEST_F(ModelRegistryTest, ABitThatFlippedIsFoundAndTheCurrentOneStays) {
  ASSERT_TRUE(write(RankingKind::kAls));
  ASSERT_TRUE(write(RankingKind::kAls));
  ASSERT_TRUE(registry_->deploy("m", "1", "t"));
  for (const char* name : {"item_factors.npy", "items.jsonl", "evaluation.json", "model.json"}) {
    const Path file = Path("/models/m/2") / name;
    if (!env_.exists(file)) continue;
    env_.flip_bits(file, 3, 1);
    const auto refused = registry_->deploy("m", "2", "t");
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, Code::kCorrupt) << name;
    EXPECT_THAT(refused.error().text(), HasSubstr(name));
    EXPECT_EQ(registry_->current("m")->version, "1");
    env_.flip_bits(file, 3, 1);
  }
  ASSERT_TRUE(registry_->deploy("m", "2", "t"));
}

TEST_F(ModelRegistryTest, WhatIsMissingOrCutIsFound) {
  ASSERT_TRUE(write(RankingKind::kAls));
  env_.cut_file("/models/m/1/item_factors.npy", 100);
  EXPECT_THAT(registry_->deploy("m", "1", "t").error().text(), HasSubstr("item_factors.npy: has 100 bytes"));
  ASSERT_TRUE(env_.remove("/models/m/1/item_factors.npy"));
  EXPECT_THAT(registry_->deploy("m", "1", "t").error().text(), HasSubstr("item_factors.npy: is missing"));
  ASSERT_TRUE(env_.remove("/models/m/1/model.json"));
  EXPECT_FALSE(registry_->deploy("m", "1", "t"));
  EXPECT_FALSE(registry_->list("m").value()[0].problem.empty());
}

TEST_F(ModelRegistryTest, AVersionThatIsDamagedGivesWayToTheOneBeforeAtStart) {
  ASSERT_TRUE(write());
  ASSERT_TRUE(write());
  ASSERT_TRUE(registry_->deploy("m", "1", "t"));
  ASSERT_TRUE(registry_->deploy("m", "2", "t"));
  env_.flip_bits("/models/m/2/items.jsonl", 1, 4);
  open();
  EXPECT_EQ(registry_->current("m")->version, "1");
}

TEST_F(ModelRegistryTest, AFullDiskLeavesNothingHalf) {
  ASSERT_TRUE(write());
  for (std::uint64_t space = 0; space < 20'000; space += 1'024) {
    env_.set_space(space);
    const auto version = write();
    env_.set_space({});
    if (version) break;
    EXPECT_EQ(version.error().code, Code::kNoSpace);
    EXPECT_EQ(registry_->list("m").value().size(), 1u);
  }
  const auto version = write();
  ASSERT_TRUE(version);
  EXPECT_TRUE(registry_->deploy("m", *version, "t"));
}

TEST_F(ModelRegistryTest, AnEndAtAnyMomentLeavesAVersionWholeOrNotThere) {
  ASSERT_TRUE(write());
  ASSERT_TRUE(registry_->deploy("m", "1", "t"));
  for (std::uint64_t operations = 0;; ++operations) {
    const std::size_t before = registry_->list("m").value().size();
    env_.die_after(operations);
    auto version = write();
    const bool deployed_too = version && registry_->deploy("m", *version, "t");
    env_.power_loss(operations);
    open();
    const auto after = registry_->list("m").value();
    ASSERT_GE(after.size(), before);
    for (const ModelVersion& one : after)
      ASSERT_TRUE(ServedModel::load(env_, Path("/models/m") / one.version))
          << "after " << operations << " operations";
    ASSERT_NE(registry_->current("m"), nullptr);
    if (deployed_too) {
      EXPECT_EQ(registry_->current("m")->version, *version);
      break;
    }
    ASSERT_LT(operations, 200u);
  }
}

}  // namespace
}  // namespace millrace
