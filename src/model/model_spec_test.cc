#include "model/model_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

ModelSpec parse(std::string_view text) {
  auto spec = parse_model_spec(text, "models/for_you.yaml");
  EXPECT_TRUE(spec) << spec.error().text();
  return spec ? *std::move(spec) : ModelSpec();
}

std::string refusal(std::string_view text) {
  const auto spec = parse_model_spec(text, "models/for_you.yaml");
  return spec ? std::string() : spec.error().text();
}

TEST(ModelSpec, OfOneLineLearnsFromAllThatHappens) {
  const ModelSpec spec = parse("kind: item_knn\n");
  EXPECT_EQ(spec.name, "for_you");
  EXPECT_EQ(spec.settings.kind, RankingKind::kItemKnn);
  EXPECT_THAT(spec.from, HasSubstr("item_interactions"));
  EXPECT_EQ(spec.weight, "weight");
  EXPECT_EQ(spec.evaluation.n, 10u);
}

TEST(ModelSpec, ReadsAllThatMayBeSaid) {
  const ModelSpec spec = parse(R"(
description: What people will buy
kind: als
interactions:
  from: SELECT who, what, at, minutes FROM reads
  user: who
  item: what
  time: at
  weight: minutes
settings: {half_life: 60d, once: true, factors: 32, iterations: 5, regularization: 0.01, unobserved_weight: 0.2,
  frequency_exponent: 0.5, solver: cholesky, seed: 9, tolerance: 0.001}
search:
  factors: [16, 32, 64]
  regularization: {from: 0.001, to: 0.1}
evaluate: {split: people, test: 0.1, n: 20, repeats: true}
gate: {metric: recall, margin: 0.02}
)");
  EXPECT_EQ(spec.description, "What people will buy");
  EXPECT_EQ(spec.user, "who");
  EXPECT_EQ(spec.weight, "minutes");
  EXPECT_EQ(spec.settings.half_life, 60 * kDayUs);
  EXPECT_TRUE(spec.settings.once);
  EXPECT_EQ(spec.settings.als.factors, 32u);
  EXPECT_EQ(spec.settings.als.solver, AlsSolver::kCholesky);
  EXPECT_EQ(spec.settings.als.seed, 9u);
  ASSERT_EQ(spec.search.size(), 2u);
  EXPECT_THAT(spec.search[0].choices, ElementsAre(16, 32, 64));
  EXPECT_EQ(spec.search[1].to, 0.1);
  EXPECT_EQ(spec.evaluation.split, EvaluationSpec::Split::kPeople);
  EXPECT_TRUE(spec.evaluation.repeats);
  EXPECT_EQ(spec.gate_metric, Metric::kRecall);
  EXPECT_EQ(spec.gate_margin, 0.02);
}

TEST(ModelSpec, SettingsSurviveTheirJson) {
  for (std::size_t k = 0; k < static_cast<std::size_t>(RankingKind::kCount); ++k) {
    RankingSettings settings{.kind = static_cast<RankingKind>(k), .half_life = 5, .once = true};
    settings.als.solver = AlsSolver::kCholesky;
    settings.als.seed = 999'999'999'999'999;
    settings.session_knn.idf = 0.5;
    const auto read = ranking_settings_of(to_json(settings));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(to_json(*read), to_json(settings));
  }
  EXPECT_EQ(ranking_settings_of({{"kind", "magic"}}).error().code, Code::kCorrupt);
  EXPECT_EQ(ranking_settings_of({{"kind", "als"}, {"factors", "many"}}).error().code, Code::kCorrupt);
}

TEST(ModelSpec, SaysWhereAMistakeIs) {
  EXPECT_THAT(refusal("description: x\n"), HasSubstr("kind"));
  EXPECT_THAT(refusal("kind: magic\n"),
              AllOf(HasSubstr("models/for_you.yaml:1"), HasSubstr("take one of popularity, item_knn")));
  EXPECT_THAT(refusal("kind: als\nsettings: {factors: 0}\n"), HasSubstr("models/for_you.yaml:2"));
  EXPECT_THAT(refusal("kind: ease\nsettings: {factors: 3}\n"), HasSubstr("factors"));
  EXPECT_THAT(refusal("kind: als\nsearch: {depth: [1]}\n"),
              HasSubstr("als has no setting depth that is a number: it has factors"));
  EXPECT_THAT(refusal("kind: popularity\nsearch: {depth: [1]}\n"),
              HasSubstr("popularity has no setting depth that is a number: it has segment_damping"));
  EXPECT_THAT(refusal("kind: als\nsearch: {regularization: {from: 1, to: 0.1}}\n"),
              HasSubstr("to must not be below from"));
  EXPECT_THAT(refusal("kind: als\nsearch: {factors: []}\n"), HasSubstr("at least one"));
  EXPECT_THAT(refusal("kind: als\nevaluate: {n: []}\n"), HasSubstr("give at least one length"));
  EXPECT_THAT(refusal("kind: als\nevaluate: {n: [10, 0]}\n"), HasSubstr("models/for_you.yaml:2"));
  EXPECT_THAT(refusal("kind: als\nevaluate: {test: 2}\n"), HasSubstr("models/for_you.yaml:2"));
  EXPECT_THAT(refusal("kind: als\nfactors: 3\n"), HasSubstr("factors"));
  EXPECT_THAT(parse_model_spec("kind: als\n", "models/For You.yaml").error().text(), HasSubstr("lower-case"));
}

}  // namespace
}  // namespace millrace
