// Answers made with trained models: candidates, rules, what happens when models fail or are late.
#include "recommend/pipeline.h"

#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "recommend/pipeline_spec.h"
#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

using Ids = std::vector<std::string>;

/// Train a model on sixty people of three tastes, p0…p59, who each meet eight of the twelve items i0…i35 of
/// theirs; or of another name than i.
std::shared_ptr<const ModelSource> model_of_tastes(const std::string& name, RankingKind kind,
                                                   const ModelSourceOptions& options = {},
                                                   const std::string& item_name = "i") {
  auto model = std::make_shared<ServedModel>();
  model->name = name;
  model->version = "1";
  model->settings.kind = kind;
  model->settings.als.factors = 8;
  std::vector<Feedback> rows;
  for (int item = 0; item < 36; ++item) model->items.add(item_name + std::to_string(item));
  for (int person = 0; person < 60; ++person) {
    const std::uint32_t user = model->users.add("p" + std::to_string(person));
    for (int k = 0; k < 8; ++k)
      rows.push_back(
          {.user = user,
           .item = static_cast<std::uint32_t>(person % 3 * 12 + (person * 5 + k * (1 + person % 11)) % 12),
           .time = k * kHourUs});
  }
  sort_by_time(rows);
  model->ranking = train_ranking(rows, 60, 36, model->settings, {}).value();
  return ModelSource::make(model, options).value();
}

int taste_of(const std::string& item) {
  return std::stoi(item.substr(1)) / 12;
}

PipelineSpec spec_of(const std::string& text) {
  auto spec = parse_pipeline("kind: pipeline\n" + text, "models/shop.yaml");
  EXPECT_TRUE(spec) << spec.error().text();
  return spec ? *std::move(spec) : PipelineSpec();
}

class PipelineTest : public testing::Test {
 protected:
  void use(const std::string& text, std::vector<std::shared_ptr<const ModelSource>> models = {},
           const Rankers& rankers = {}) {
    scene().recommender.set_pipelines(std::make_shared<const PipelineSet>(
        scene().recommender.model(), std::vector<PipelineSpec>{spec_of(text)}, models, rankers));
  }
  Scene& scene() {
    if (!scene_) {
      RecommenderOptions options = Scene::plain_options();
      options.before_stage = [this](std::string_view stage) {
        return before_stage_ ? before_stage_(stage) : Status();
      };
      scene_.emplace(options);
      for (int i = 0; i < 36; ++i)
        scene_->item("i" + std::to_string(i), i % 2 == 0 ? "Even/A" : "Odd/B", std::to_string(i + 1));
    }
    return *scene_;
  }
  std::function<Status(std::string_view)> before_stage_;

 private:
  std::optional<Scene> scene_;
};

TEST_F(PipelineTest, EveryKindOfModelFindsTheTasteOfTheLastClicks) {
  for (const RankingKind kind :
       {RankingKind::kAls, RankingKind::kEase, RankingKind::kItemKnn, RankingKind::kSessionKnn})
    for (const std::size_t exact : {0uz, 5'000uz}) {
      const auto model =
          model_of_tastes("m", kind, {.exact_items = exact, .exact_vectors = exact, .neighbours = 12});
      const std::vector<MetItem> met = {{"i13", 0}, {"nobody knows it", 0}, {"i14", kSecondUs}};
      const auto found = model->find({.user = {}, .met = met, .now = kMinuteUs}, 6);
      ASSERT_TRUE(found) << found.error().text();
      ASSERT_EQ(found->size(), 6u) << model->description();
      EXPECT_EQ(found->front().score, 1);
      for (const ModelCandidate& each : *found) {
        EXPECT_EQ(taste_of(model->model().items.id(each.item)), 1)
            << ranking_kind_name(kind) << " " << model->description();
        EXPECT_GT(each.score, 0);
      }
      if (kind != RankingKind::kSessionKnn) {
        const auto because = model->because({.user = {}, .met = met, .now = kMinuteUs}, "i15");
        ASSERT_TRUE(because) << ranking_kind_name(kind);
        EXPECT_NE(*because, 1u);
      }
      const auto nobody = model->find({.user = {}, .met = {}, .now = 0}, 6);
      ASSERT_TRUE(nobody);
      EXPECT_TRUE(nobody->empty()) << "nothing to say of a stranger";
    }
}

TEST_F(PipelineTest, AGraphIsMadeOnceAndAnewWhenItsFileIsDamaged) {
  const Path dir = std::filesystem::temp_directory_path() / ("graphs-" + new_uuid(scene().env));
  const ModelSourceOptions options{.exact_vectors = 10, .env = &scene().env, .graphs = dir};
  const auto best = [](const ModelSource& model) {
    const std::vector<MetItem> met = {{"i13", 0}};
    return model.model().items.id(model.find({.user = {}, .met = met, .now = 0}, 1).value().at(0).item);
  };
  const auto made = model_of_tastes("m", RankingKind::kAls, options);
  const auto files = scene().env.list_dir(dir).value();
  ASSERT_EQ(files.size(), 1u);
  const std::string bytes = read_file(scene().env, dir / files.front()).value();
  const auto kept = model_of_tastes("m", RankingKind::kAls, options);
  EXPECT_EQ(best(*kept), best(*made));
  EXPECT_EQ(kept->description(), made->description());
  std::string damaged = bytes;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  ASSERT_TRUE(write_file_atomically(scene().env, dir / files.front(), damaged));
  EXPECT_EQ(best(*model_of_tastes("m", RankingKind::kAls, options)), best(*made));
  EXPECT_EQ(read_file(scene().env, dir / files.front()).value().size(), bytes.size())
      << "it was written anew";
  std::filesystem::remove_all(dir);
}

TEST_F(PipelineTest, ADeployedModelTakesPartWithoutAFile) {
  const auto als = model_of_tastes("for_you", RankingKind::kAls);
  scene().recommender.set_pipelines(std::make_shared<const PipelineSet>(
      scene().recommender.model(), std::vector<PipelineSpec>(), std::vector{als}, Rankers()));
  scene().apply({.user = "me", .items = {"i25"}});
  const Recommendations answer = scene().recommend({.user = "me", .n = 5, .explain = true});
  ASSERT_EQ(answer.items.size(), 5u);
  for (const RecommendedItem& item : answer.items) {
    EXPECT_EQ(taste_of(item.id), 2) << item.id;
    EXPECT_EQ(item.source, "for_you");
    EXPECT_EQ(item.reason.code, "because_viewed");
    EXPECT_EQ(item.reason.because, Ids{"i25"});
  }
  EXPECT_THAT(ids_of(answer), Not(Contains("i25")));
  EXPECT_EQ(answer.fallback, std::nullopt);
  EXPECT_EQ(answer.models, Ids{"for_you@1"});
  EXPECT_GT(answer.explanation->candidates.at("for_you"), 5u);
  EXPECT_TRUE(answer.explanation->stages_us.contains("model:for_you"));
  EXPECT_THAT(answer.model, testing::StartsWith("foundation@"));
  EXPECT_NE(answer.model, "foundation@1");
}

TEST_F(PipelineTest, SomeoneWhoWasTrainedOnIsKnownWithoutAHistory) {
  use("sources: {for_you: 1}\n", {model_of_tastes("for_you", RankingKind::kAls)});
  const Recommendations answer = scene().recommend({.user = "p1", .n = 5});
  EXPECT_EQ(answer.fallback, std::nullopt);
  ASSERT_EQ(answer.items.size(), 5u);
  for (const RecommendedItem& item : answer.items) EXPECT_EQ(taste_of(item.id), 1);
  EXPECT_EQ(answer.items.front().reason.code, "for_you");
}

TEST_F(PipelineTest, APageAboutAnItemAsksModelsForThatItemAlone) {
  use("sources: {goes_with: 1}\n", {model_of_tastes("goes_with", RankingKind::kEase)});
  for (const char* item : {"i1", "i2", "i3"}) scene().apply({.user = "me", .items = {item}});
  const Recommendations answer =
      scene().recommend({.user = "me", .placement = Placement::kItem, .n = 4, .items = {"i30"}});
  ASSERT_EQ(answer.items.size(), 4u);
  for (const RecommendedItem& item : answer.items) EXPECT_EQ(taste_of(item.id), 2) << item.id;
  EXPECT_EQ(answer.items.front().reason.code, "goes_with");
}

TEST_F(PipelineTest, APopularityModelSaysWhatIsPopularAndKnowsNobody) {
  use("sources: {best: 3}\nonly_sources: true\n", {model_of_tastes("best", RankingKind::kPopularity)});
  const Recommendations answer = scene().recommend({.user = "stranger", .n = 3});
  EXPECT_EQ(answer.fallback, "cold");
  ASSERT_EQ(answer.items.size(), 3u);
  EXPECT_EQ(answer.items.front().source, "best");
  EXPECT_EQ(answer.items.front().reason.code, "popular");
}

TEST_F(PipelineTest, AModelThatTheFileDoesNotNameTakesPartUnlessOnlyTheNamedMay) {
  const std::vector both = {model_of_tastes("for_you", RankingKind::kAls),
                            model_of_tastes("other", RankingKind::kEase)};
  const auto asked = [&](const std::string& text) {
    use(text, both);
    return scene().recommend({.user = "me"}).models;
  };
  EXPECT_EQ(asked("sources: {for_you: 2}\n"), (Ids{"for_you@1", "other@1"}));
  EXPECT_EQ(asked("sources: {for_you: 2, other: 0}\n"), Ids{"for_you@1"});
  EXPECT_EQ(asked("sources: {for_you: 2}\nonly_sources: true\n"), Ids{"for_you@1"});
  EXPECT_EQ(asked("rules: {diversity: 0.1}\n"), (Ids{"for_you@1", "other@1"}));
}

TEST_F(PipelineTest, AModelThatFailsIsLeftOutAndTheAnswerSaysSo) {
  const auto als = model_of_tastes("for_you", RankingKind::kAls);
  const auto ease = model_of_tastes("goes_with", RankingKind::kEase);
  for (const bool throws : {false, true}) {
    before_stage_ = [&](std::string_view stage) -> Status {
      if (stage != "model:for_you") return {};
      if (throws) throw std::runtime_error("the index is gone");
      return fail(Code::kCorrupt, "the index is gone");
    };
    use("sources: {for_you: 1, goes_with: 1}\n", {als, ease});
    scene().apply({.user = "me", .items = {"i1"}});
    const Recommendations answer = scene().recommend({.user = "me", .n = 3, .explain = true});
    EXPECT_EQ(answer.fallback, "partial");
    EXPECT_EQ(answer.fallback_reason, "for_you: the index is gone");
    ASSERT_EQ(answer.items.size(), 3u);
    for (const RecommendedItem& item : answer.items) EXPECT_EQ(item.source, "goes_with");
  }
}

TEST_F(PipelineTest, PastTheDeadlineWhatWasFoundIsShown) {
  before_stage_ = [&](std::string_view stage) -> Status {
    if (stage == "model:goes_with") scene().env.steady += kSecondUs;
    return {};
  };
  use("sources: {for_you: 1, goes_with: 1, more: 1}\n",
      {model_of_tastes("for_you", RankingKind::kAls), model_of_tastes("goes_with", RankingKind::kEase),
       model_of_tastes("more", RankingKind::kItemKnn)});
  scene().apply({.user = "me", .items = {"i1"}});
  const Recommendations answer = scene().recommend({.user = "me", .n = 3});
  EXPECT_EQ(answer.fallback, "partial");
  EXPECT_THAT(answer.fallback_reason, HasSubstr("more: no time was left"));
  EXPECT_THAT(answer.fallback_reason, Not(HasSubstr("for_you")));
  EXPECT_EQ(answer.items.size(), 3u);
}

TEST_F(PipelineTest, ARequestMayGiveItselfLessTime) {
  scene().apply({.user = "me", .items = {"i1"}});
  scene().recommender.refresh();
  scene().env.steady_step = 2 * kMillisecondUs;
  EXPECT_EQ(scene().recommender.recommend({.user = "me", .budget = kMillisecondUs}).fallback, "deadline");
  EXPECT_EQ(scene().recommender.recommend({.user = "me", .budget = kSecondUs}).fallback, std::nullopt);
}

TEST_F(PipelineTest, NamesTheModelsThatNobodyDeployed) {
  use("sources: {later: 1}\n");
  scene().views({"a", "me"}, {"i1", "i2"});
  const Recommendations answer = scene().recommend({.user = "me"});
  EXPECT_EQ(answer.fallback, "partial");
  EXPECT_EQ(answer.fallback_reason, "later: no version is deployed");
  EXPECT_FALSE(answer.items.empty());
}

TEST_F(PipelineTest, AModelThatSpeaksOfNothingInTheCatalogueIsNotHeard) {
  use("sources: {others: 1}\n", {model_of_tastes("others", RankingKind::kAls, {}, "gone")});
  scene().views({"a"}, {"i1", "i2"});
  const Recommendations answer = scene().recommend({.user = "p0", .n = 2});
  EXPECT_EQ(answer.fallback, "cold");
  EXPECT_THAT(answer.fallback_reason, HasSubstr("others: nothing it gave is an item here"));
  EXPECT_EQ(answer.items.size(), 2u);
  EXPECT_EQ(answer.items.front().reason.text, "Popular now");
}

TEST_F(PipelineTest, InTheFallbackWhatIsPopularInTheCountryComesFirst) {
  for (const char* user : {"a", "b", "c"}) scene().apply({.user = user, .items = {"i1"}, .country = "DE"});
  scene().apply({.user = "d", .items = {"i2"}, .country = "CH"});
  scene().recommender.refresh();
  scene().env.steady_step = kSecondUs;
  const Recommendations answer = scene().recommender.recommend({.user = "me", .country = "CH", .n = 2});
  EXPECT_EQ(answer.fallback, "deadline");
  EXPECT_EQ(ids_of(answer), (Ids{"i2", "i1"}));
  EXPECT_EQ(answer.items.front().reason.text, "Popular in CH");
}

TEST_F(PipelineTest, TheFallbackGoesByTheCountryOfThePersonOnceThatIsKnown) {
  for (const char* user : {"a", "b", "c"}) scene().apply({.user = user, .items = {"i1"}, .country = "DE"});
  for (const char* user : {"d", "me"}) scene().apply({.user = user, .items = {"i2"}, .country = "CH"});
  scene().apply({.user = "d", .items = {"i3"}, .country = "CH"});
  scene().recommender.refresh();
  before_stage_ = [](std::string_view stage) -> Status {
    if (stage == "rank") return fail(Code::kInternal, "the ranking is gone");
    return {};
  };
  const Recommendations answer = scene().recommender.recommend({.user = "me", .n = 1});
  EXPECT_EQ(answer.fallback, "error");
  EXPECT_EQ(ids_of(answer), Ids{"i3"}) << "i2 was met";
  EXPECT_EQ(answer.items.front().reason.text, "Popular in CH");
}

TEST_F(PipelineTest, NamesTheModelsThatFindNoPlace) {
  std::vector<std::shared_ptr<const ModelSource>> models;
  for (int i = 0; i < 10; ++i)
    models.push_back(model_of_tastes("m" + std::to_string(i), RankingKind::kItemKnn));
  use("sources: {m9: 1}\n", models);
  const auto pipelines = scene().recommender.pipelines();
  const Pipeline& pipeline = pipelines->of(Placement::kHome);
  EXPECT_EQ(pipeline.models.size(), 8u);
  EXPECT_EQ(pipeline.models_named.front(), "m9@1");
  EXPECT_EQ(pipeline.surplus, (Ids{"m7", "m8"}));
}

TEST_F(PipelineTest, ItsFilterHoldsInTheFallbackToo) {
  for (const char* item : {"i1", "i2", "i3", "i4"}) scene().apply({.user = "a", .items = {item}});
  use("rules: {filter: \"category:Even\"}\n");
  scene().recommender.refresh();
  scene().env.steady_step = kSecondUs;
  const Recommendations answer = scene().recommender.recommend({.n = 36});
  EXPECT_EQ(answer.fallback, "deadline");
  EXPECT_EQ(answer.items.size(), 18u);
  for (const std::string& id : ids_of(answer)) EXPECT_EQ(std::stoi(id.substr(1)) % 2, 0) << id;
}

TEST_F(PipelineTest, ItsFilterHoldsBesideTheRequestsOwn) {
  use("rules: {filter: \"category:Even\"}\n");
  const Recommendations answer =
      scene().recommend({.n = 36, .filter = ItemFilter::parse("price<=9").value(), .explain = true});
  EXPECT_THAT(ids_of(answer), testing::UnorderedElementsAre("i0", "i2", "i4", "i6", "i8"));
  EXPECT_EQ(answer.explanation->filtered.at("rule"), 18u);
}

TEST_F(PipelineTest, APromotionGetsItsShareOfThePage) {
  for (int i = 0; i < 20; ++i) scene().views({"a", "b"}, {"i" + std::to_string(i)});
  use("rules: {promotions: {dear: {filter: \"price>=34\", share: 0.3, text: From our fair}}}\n");
  const Recommendations answer = scene().recommend({.n = 10});
  ASSERT_EQ(answer.items.size(), 10u);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < 10; ++i)
    if (std::stoi(answer.items[i].id.substr(1)) >= 33) {
      places.push_back(i);
      EXPECT_EQ(answer.items[i].reason.code, "promotion");
      EXPECT_EQ(answer.items[i].reason.text, "From our fair");
    }
  EXPECT_EQ(places, (std::vector<std::size_t>{1, 5, 8}));
  use("rules: {promotions: {dear: {filter: \"price>=34\", share: 0.3, until: 2020-01-01}}}\n");
  for (const std::string& id : scene().ids({.n = 10}))
    EXPECT_LT(std::stoi(id.substr(1)), 33) << "it has ended";
}

TEST_F(PipelineTest, DiversityMixesCategories) {
  for (int i = 0; i < 20; i += 2) scene().views({"a", "b"}, {"i" + std::to_string(i)});
  scene().views({"a"}, {"i1", "i3", "i5"});
  const auto odd = [&] {
    std::size_t n = 0;
    for (const std::string& id : scene().ids({.n = 6})) n += std::stoi(id.substr(1)) % 2 == 1 ? 1 : 0;
    return n;
  };
  use("rules: {category_share: 1}\n");
  EXPECT_EQ(odd(), 0u);
  use("rules: {category_share: 1, diversity: 0.7}\n");
  EXPECT_EQ(odd(), 1u) << "the first of the others comes up; the next would be as much alike";
}

TEST_F(PipelineTest, ALearnedRankerScoresByWhatItLearnt) {
  const auto ranker =
      std::make_shared<Ranker>(Ranker{.version = "1", .intercept = -2, .weights = {{"price_fit", 4}}});
  use("sources: {for_you: 1}\n", {model_of_tastes("for_you", RankingKind::kAls)}, {{"shop", ranker}});
  scene().apply({.user = "me", .items = {"i20"}});
  const Recommendations answer = scene().recommend({.user = "me", .n = 4, .explain = true});
  ASSERT_EQ(answer.items.size(), 4u);
  EXPECT_THAT(ids_of(answer), testing::IsSupersetOf({"i19", "i21"})) << "the prices next to that of i20";
  EXPECT_GT(answer.items.front().score, 0);
  EXPECT_LT(answer.items.front().score, 1);
  EXPECT_THAT(answer.items.front().features, Contains(testing::Pair("price_fit", testing::Gt(0.9F))));
}

TEST_F(PipelineTest, TheFilesMistakesAreToldTogetherWithTheirLines) {
  const auto bad = parse_pipeline(R"(kind: pipeline
placements: [hom]
sources: {for_you: -1}
rules:
  filter: "price<"
  diversity: 2
  promotions: {x: {share: 0.1, from: soon}, y: {filter: bought}}
deadline: 0s
colour: red
)",
                                  "models/shop.yaml");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().text(),
              AllOf(HasSubstr("models/shop.yaml:2"), HasSubstr("no placement 'hom'"), HasSubstr(":3"),
                    HasSubstr(":5"), HasSubstr(":6"), HasSubstr("soon"), HasSubstr("what a person did"),
                    HasSubstr(":8"), HasSubstr("colour")));
  EXPECT_TRUE(is_pipeline("kind: pipeline\n"));
  EXPECT_FALSE(is_pipeline("kind: als\n"));
  EXPECT_FALSE(is_pipeline("[,"));
  PipelineSpec one = spec_of("placements: [home, cart]\n"), other = spec_of("placements: [cart]\n");
  EXPECT_THAT(check_placements({one, other}).error().text(), HasSubstr("the placement cart"));
  EXPECT_THAT(check_placements({spec_of(""), spec_of("")}).error().text(), HasSubstr("placements"));
}

}  // namespace
}  // namespace millrace
