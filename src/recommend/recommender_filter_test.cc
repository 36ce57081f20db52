// Filters in whole answers: which of the rules that hold by themselves give way to what a filter asks for.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/catalogue_json.h"
#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ItemFilter filter(std::string_view text) {
  return ItemFilter::parse(text).value();
}

/// A person who viewed, carted, bought, read and disliked something, in a visit long past and one that goes
/// on.
class FilteredAnswers : public testing::Test {
 protected:
  explicit FilteredAnswers(RecommenderOptions options = Scene::plain_options()) : scene(std::move(options)) {
    for (const char* id : {"viewed", "carted", "bought", "bad", "now", "new", "other"}) scene.item(id);
    did(EventType::kItemView, "viewed", "old");
    did(EventType::kAddToCart, "carted", "old");
    did(EventType::kPurchase, "bought", "old");
    scene.apply({.type = EventType::kRating, .user = "u", .items = {"bad"}, .session = "old", .value = 1});
    scene.time += kDayUs;
    did(EventType::kItemView, "now", "new");
    scene.apply({.user = "somebody", .items = {"other"}, .session = "s"});
  }

  void did(EventType type, std::string item, std::string session) {
    scene.apply({.type = type, .user = "u", .items = {std::move(item)}, .session = std::move(session)});
  }
  void put(const std::string& id, std::string_view attributes) {
    ItemFacts facts{.id = id};
    ASSERT_TRUE(read_item_attributes(attributes, facts));
    scene.recommender.put_item(facts);
  }
  std::vector<std::string> ids(std::string_view text) {
    return scene.ids({.user = "u", .session = "new", .filter = filter(text)});
  }

  Scene scene;
};

TEST_F(FilteredAnswers, AskForWhatThePersonDidAlsoWhereARuleKeepsItAway) {
  EXPECT_THAT(ids(""), UnorderedElementsAre("viewed", "carted", "new", "other")) << "the rules alone";
  EXPECT_THAT(ids("bought"), UnorderedElementsAre("bought")) << "buy it again";
  EXPECT_THAT(ids("seen"), UnorderedElementsAre("viewed", "carted", "now")) << "what is bought stays away";
  EXPECT_THAT(ids("read"), UnorderedElementsAre("viewed", "now"));
  EXPECT_THAT(ids("cart"), UnorderedElementsAre("carted"));
  EXPECT_THAT(ids("disliked"), UnorderedElementsAre("bad"));
  EXPECT_THAT(ids("seen,bought"), UnorderedElementsAre("bought"));
}

TEST_F(FilteredAnswers, KeepAwayWhatThePersonDid) {
  EXPECT_THAT(ids("!seen"), UnorderedElementsAre("new", "other"));
  EXPECT_THAT(ids("!cart"), UnorderedElementsAre("viewed", "new", "other"));
  EXPECT_THAT(ids("!read"), UnorderedElementsAre("carted", "new", "other"));
  EXPECT_THAT(ids("!bought,!disliked"), UnorderedElementsAre("viewed", "carted", "new", "other"));
}

TEST_F(FilteredAnswers, KnowNothingOfSomeoneUnknown) {
  EXPECT_THAT(scene.ids({.user = "x", .filter = filter("bought")}), IsEmpty());
  EXPECT_EQ(scene.ids({.user = "x", .filter = filter("!seen")}).size(), 7u);
}

TEST_F(FilteredAnswers, NeverHoldWhatTheRequestExcludesOrThePageShows) {
  RecommendRequest request{.user = "u", .session = "new", .items = {"viewed"}, .exclude = {"carted"}};
  request.filter = filter("seen");
  EXPECT_THAT(scene.ids(request), ElementsAre("now"));
}

TEST_F(FilteredAnswers, KnowOfAnotherTimeOnlyWhatWasDoneUntilThen) {
  RecommendRequest request{.user = "u", .filter = filter("!seen"), .as_of = Scene::kStart};
  EXPECT_EQ(scene.ids(request).size(), 7u);
  request.as_of = scene.time - kHourUs;
  EXPECT_THAT(scene.ids(request), UnorderedElementsAre("now", "new", "other"));
  request.filter = filter("bought");
  EXPECT_THAT(scene.ids(request), ElementsAre("bought"));
}

TEST_F(FilteredAnswers, HoldHiddenAndDeletedItemsWhateverTheFilterSays) {
  put("secret", R"({"hidden":true})");
  scene.recommender.delete_item("other");
  EXPECT_THAT(ids("hidden"), IsEmpty());
  EXPECT_THAT(ids("id:secret|other|new"), ElementsAre("new"));
  EXPECT_THAT(ids("!hidden,id:new"), ElementsAre("new"));
}

TEST_F(FilteredAnswers, AskForWhatIsNotAvailableOrExpired) {
  put("sold_out", R"({"stock":0,"brand":"Acme"})");
  put("past", R"({"expires":"2020-01-01"})");
  EXPECT_THAT(ids("id:sold_out|past|new"), ElementsAre("new"));
  EXPECT_THAT(ids("!available"), ElementsAre("sold_out"));
  EXPECT_THAT(ids("available:false,brand:Acme"), ElementsAre("sold_out"));
  EXPECT_THAT(ids("expired"), ElementsAre("past"));
  EXPECT_THAT(ids("!expired,available,id:sold_out|past|new"), ElementsAre("new"));
}

TEST_F(FilteredAnswers, CountTimesFromTheNowOfTheEvents) {
  put("soon", fmt::format(R"({{"expires":{}}})", scene.time + kDayUs));
  put("late", fmt::format(R"({{"expires":{}}})", scene.time + 9 * kDayUs));
  EXPECT_THAT(ids("expires<3d"), ElementsAre("soon"));
}

TEST_F(FilteredAnswers, ExplainWhichClauseLetNothingPass) {
  put("blue", R"({"color":"blue"})");
  const Recommendations answer =
      scene.recommend({.user = "u", .filter = filter("colour:blue,!seen"), .explain = true});
  EXPECT_THAT(answer.items, IsEmpty());
  ASSERT_EQ(answer.explanation->filter.size(), 2u);
  EXPECT_EQ(answer.explanation->filter[0].found, 0u);
  EXPECT_EQ(answer.explanation->filter[0].hint, "no item looked at has 'colour'; did you mean color?");
  EXPECT_EQ(answer.explanation->filter[1].hint, "");
  EXPECT_GT(answer.explanation->filter[1].matched, 0u);
  EXPECT_GT(answer.explanation->filtered.at("filter"), 0u);
}

/// Whose answers fail once the person is known, and fall back to what is popular.
class FilteredFallbacks : public FilteredAnswers {
 protected:
  FilteredFallbacks() : FilteredAnswers(failing()) {}

  static RecommenderOptions failing() {
    RecommenderOptions options = Scene::plain_options();
    options.before_stage = [](std::string_view stage) -> Status {
      if (stage == "rank") return fail(Code::kInternal, "for the test");
      return {};
    };
    return options;
  }
};

TEST_F(FilteredFallbacks, HoldWhatTheAnswerGotToKnowOfThePerson) {
  put("sold_out", R"({"stock":0})");
  put("past", R"({"expires":"2020-01-01"})");
  const Recommendations answer = scene.recommend({.user = "u", .session = "new", .filter = filter("!seen")});
  EXPECT_EQ(answer.fallback, "error");
  EXPECT_THAT(ids_of(answer), UnorderedElementsAre("new", "other"));
  EXPECT_THAT(ids("bought"), ElementsAre("bought"));
  EXPECT_THAT(ids("expired"), ElementsAre("past"));
  EXPECT_THAT(ids("!available"), IsEmpty()) << "which the ready list does not hold";
}

TEST(FilteredFallback, FindsNothingOfAPersonItHasNoTimeToKnow) {
  RecommenderOptions options = Scene::plain_options();
  options.before_stage = [](std::string_view) -> Status { return fail(Code::kDeadline, "for the test"); };
  Scene scene(options);
  scene.apply({.type = EventType::kPurchase, .user = "u", .items = {"a"}});
  EXPECT_THAT(scene.ids({.user = "u", .filter = filter("bought")}), IsEmpty());
  EXPECT_THAT(scene.ids({.user = "u", .filter = filter("!bought")}), ElementsAre("a"));
}

}  // namespace
}  // namespace millrace
