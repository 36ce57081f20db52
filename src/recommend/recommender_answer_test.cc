// How answers come: order, pages, fallbacks, explanations.
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/recommend_testing.h"
#include "recommend/recommender.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::Not;

using Ids = std::vector<std::string>;

TEST(RecommenderAnswer, EqualInputGivesEqualAnswersAndTiesGoById) {
  std::vector<Ids> answers;
  for (int run = 0; run < 2; ++run) {
    Scene scene;
    for (const char* item : {"d", "a", "c", "b"})
      scene.apply({.user = "u", .items = {item}, .time = Scene::kStart});
    answers.push_back(scene.ids({}));
  }
  EXPECT_EQ(answers[0], (Ids{"a", "b", "c", "d"}));
  EXPECT_EQ(answers[0], answers[1]);
}

TEST(RecommenderAnswer, PagesNeverRepeatWhateverHappensBetween) {
  Scene scene;
  for (int i = 0; i < 47; ++i) scene.views({"a", "b"}, {"i" + std::to_string(i)});
  std::set<std::string> shown;
  RecommendRequest request{.user = "me", .n = 10};
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    const Recommendations page = scene.recommend(request);
    for (const RecommendedItem& item : page.items) EXPECT_TRUE(shown.insert(item.id).second) << item.id;
    more = page.cursor.has_value();
    if (more) request.cursor = Cursor::parse(*page.cursor).value();
    scene.views({"x", "y"}, {*shown.begin(), "i" + std::to_string(pages)});
  }
  EXPECT_EQ(shown.size(), 47u);
  EXPECT_EQ(pages, 5u);
}

TEST(RecommenderAnswer, PastTheDeadlineAnswersWhatIsPopular) {
  Scene scene;
  scene.views({"a", "b"}, {"x", "y"});
  scene.apply({.type = EventType::kPurchase, .user = "c", .items = {"sold"}});
  scene.apply({.user = "me", .items = {"x"}});
  scene.recommender.refresh();
  scene.env.steady_step = scene.recommender.model().deadline;
  const Recommendations answer =
      scene.recommender.recommend({.user = "me", .n = 2, .exclude = {"y"}, .explain = true});
  EXPECT_EQ(answer.fallback, "deadline");
  EXPECT_EQ(answer.items.at(0).id, "sold");
  EXPECT_EQ(answer.items.at(0).reason.code, "popular_week");
  EXPECT_THAT(ids_of(answer), Not(Contains("y")));
  EXPECT_NE(answer.explanation->error.find("deadline"), std::string::npos);
}

TEST(RecommenderAnswer, AClockThatJumpsInAnyStageStillGivesAnAnswer) {
  for (const std::string_view late : {"context", "candidates", "rank"}) {
    ClockEnv* clock = nullptr;
    RecommenderOptions options = Scene::plain_options();
    options.before_stage = [&](std::string_view stage) -> Status {
      if (stage == late) clock->steady += kSecondUs;
      return {};
    };
    Scene scene(options);
    clock = &scene.env;
    scene.views({"a", "b"}, {"x", "y"});
    const Recommendations answer = scene.recommend({.user = "c"});
    // Once candidates are found, to choose among them takes no longer than to give up.
    EXPECT_EQ(answer.fallback, late == "rank" ? "cold" : "deadline") << late;
    EXPECT_FALSE(answer.items.empty()) << late;
  }
}

TEST(RecommenderAnswer, AFailingStageStillGivesAnAnswer) {
  for (const bool throws : {false, true}) {
    RecommenderOptions options = Scene::plain_options();
    options.before_stage = [&](std::string_view stage) -> Status {
      if (stage != "rank") return {};
      if (throws) throw std::runtime_error("broken");
      return fail(Code::kInternal, "broken");
    };
    Scene scene(options);
    scene.views({"b", "c"}, {"z", "y", "x"});
    scene.apply({.type = EventType::kPurchase, .user = "me", .items = {"x"}});
    const Recommendations answer = scene.recommend({.user = "me", .n = 1, .explain = true});
    EXPECT_EQ(answer.fallback, "error");
    EXPECT_EQ(answer.explanation->error, "broken");
    ASSERT_EQ(ids_of(answer), Ids{"y"}) << "what was bought stays out, as that was known by then";
    RecommendRequest next{.user = "me", .n = 1};
    next.cursor = Cursor::parse(answer.cursor.value()).value();
    EXPECT_EQ(scene.ids(next), Ids{"z"});
  }
}

TEST(RecommenderAnswer, ExplainsHowTheAnswerCameAbout) {
  Scene scene;
  scene.views({"a", "b"}, {"x", "y", "z"});
  scene.recommender.put_item({.id = "z", .hidden = true});
  scene.apply({.user = "me", .items = {"x"}});
  const Recommendations answer = scene.recommend({.user = "me", .explain = true});
  const Explanation& how = answer.explanation.value();
  EXPECT_EQ(how.candidates.at("co_seen"), 2u);
  EXPECT_EQ(how.candidates.at("popular"), 2u);
  EXPECT_EQ(how.filtered.at("hidden"), 1u);
  EXPECT_EQ(how.filtered.at("context"), 1u);
  EXPECT_EQ(how.stages_us.size(), 3u);
}

}  // namespace
}  // namespace millrace
