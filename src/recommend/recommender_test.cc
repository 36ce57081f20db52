#include "recommend/recommender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::Not;
using testing::UnorderedElementsAre;

using Ids = std::vector<std::string>;

TEST(Recommender, WithNothingKnownAnswersNothingAndSaysCold) {
  Scene scene;
  const Recommendations answer = scene.recommend({.user = "u"});
  EXPECT_TRUE(answer.items.empty());
  EXPECT_EQ(answer.fallback, "cold");
  EXPECT_EQ(answer.model, "foundation@1");
  EXPECT_EQ(answer.recommendation_id.size(), 36u);
  EXPECT_FALSE(answer.cursor);
}

TEST(Recommender, AStrangerGetsWhatIsPopularWithAReason) {
  Scene scene;
  scene.views({"a", "b", "c"}, {"top"});
  scene.views({"a"}, {"other"});
  const Recommendations answer = scene.recommend({.user = "stranger"});
  EXPECT_EQ(ids_of(answer), (Ids{"top", "other"}));
  EXPECT_EQ(answer.fallback, "cold");
  EXPECT_EQ(answer.items[0].reason.code, "popular");
  EXPECT_EQ(answer.items[0].reason.text, "Popular now");
}

TEST(Recommender, AStrangerFromAKnownCountryGetsWhatIsPopularThere) {
  Scene scene;
  for (const char* user : {"a", "b", "c", "d"})
    scene.apply({.user = user, .items = {"tea"}, .country = "GB"});
  scene.apply({.user = "e", .items = {"fondue"}, .country = "CH"});
  EXPECT_EQ(scene.ids({.n = 1}), Ids{"tea"});
  const Recommendations swiss = scene.recommend({.country = "CH", .n = 1});
  ASSERT_EQ(ids_of(swiss), Ids{"fondue"});
  EXPECT_EQ(swiss.items[0].reason.code, "popular_country");
  EXPECT_EQ(swiss.items[0].reason.text, "Popular in CH");
  // Of someone known the country is remembered.
  scene.recommender.put_user({.id = "f", .country = "CH"});
  EXPECT_EQ(scene.ids({.user = "f", .n = 1}), Ids{"fondue"});
}

TEST(Recommender, OneEventChangesTheNextAnswerOfThatPerson) {
  Scene scene;
  scene.views({"a", "b", "c", "d", "e", "f"}, {"pot", "lid"});
  scene.views({"g", "h", "i", "j", "k", "l", "m"}, {"bike", "bell"});
  EXPECT_EQ(scene.ids({.user = "me", .n = 1}), Ids{"bell"});
  scene.apply({.user = "me", .items = {"pot"}});
  const Recommendations answer = scene.recommender.recommend({.user = "me", .n = 3});
  ASSERT_FALSE(answer.items.empty());
  EXPECT_EQ(answer.items[0].id, "lid");
  EXPECT_EQ(answer.items[0].source, "co_seen");
  EXPECT_EQ(answer.items[0].reason.code, "because_viewed");
  EXPECT_EQ(answer.items[0].reason.text, "Because you looked at pot");
  EXPECT_EQ(answer.items[0].reason.because, Ids{"pot"});
  EXPECT_FALSE(answer.fallback);
  EXPECT_THAT(ids_of(answer), Not(Contains("pot"))) << "what the session is about is not recommended";
}

TEST(Recommender, TheReasonNamesItemsAsTheCatalogueDoes) {
  Scene scene;
  scene.item("r1", "Garden/Tools", "20", "Copper Rake");
  scene.item("g1", "Garden/Tools", "10", "Gloves");
  for (const char* order : {"o1", "o2", "o3"}) {
    scene.apply({.type = EventType::kPurchase,
                 .user = std::string("u") + order,
                 .items = {"r1", "g1"},
                 .order = order});
  }
  const Recommendations answer = scene.recommend({.placement = Placement::kCart, .n = 1, .items = {"r1"}});
  ASSERT_EQ(ids_of(answer), Ids{"g1"});
  EXPECT_EQ(answer.items[0].reason.code, "bought_together");
  EXPECT_EQ(answer.items[0].reason.text, "Often bought together with Copper Rake");
  EXPECT_EQ(answer.items[0].source, "co_bought");
}

TEST(Recommender, NeverShowsWhatTheRequestExcludesOrIsAbout) {
  Scene scene;
  scene.views({"a", "b"}, {"x", "y", "z"});
  const Ids ids = scene.ids({.items = {"x"}, .exclude = {"y"}});
  EXPECT_EQ(ids, Ids{"z"});
}

TEST(Recommender, NeverShowsWhatThePersonBought) {
  Scene scene;
  scene.apply({.type = EventType::kPurchase, .user = "me", .items = {"x"}});
  scene.views({"a", "b"}, {"x", "y"});
  EXPECT_EQ(scene.ids({.user = "me"}), Ids{"y"});
  EXPECT_THAT(scene.ids({.user = "other"}), Contains("x"));
  RecommenderOptions again = Scene::plain_options();
  again.model.exclude_bought = false;
  Scene consumables(again);
  consumables.apply({.type = EventType::kPurchase, .user = "me", .items = {"x"}});
  consumables.time += kDayUs;
  consumables.apply({.user = "me", .items = {"y"}});
  EXPECT_EQ(consumables.ids({.user = "me"}), Ids{"x"});
}

TEST(Recommender, RemembersFarMoreOfWhatWasBoughtThanOfTheHistory) {
  RecommenderOptions options = Scene::plain_options();
  options.limits.history = 10;
  Scene scene(options);
  for (int i = 0; i < 500; ++i) {
    scene.apply({.type = EventType::kPurchase, .user = "me", .items = {"i" + std::to_string(i)}});
  }
  scene.apply({.user = "a", .items = {"new"}});
  EXPECT_EQ(scene.ids({.user = "me", .n = 100}), Ids{"new"});
}

TEST(Recommender, ANewsModelNeverShowsWhatWasRead) {
  RecommenderOptions options = Scene::plain_options();
  options.model.exclude_read = true;
  Scene scene(options);
  scene.views({"a", "b"}, {"n1", "n2"});
  scene.apply({.type = EventType::kPageView, .user = "me", .items = {"n1"}});
  scene.time += 10 * kDayUs;
  scene.apply({.type = EventType::kRead, .user = "me", .items = {"n3"}});
  EXPECT_EQ(scene.ids({.user = "me"}), Ids{"n2"});
}

TEST(Recommender, ARequestMayAskForUnreadItemsOnly) {
  Scene scene;
  scene.views({"a", "b"}, {"n1", "n2"});
  scene.apply({.user = "me", .items = {"n1"}});
  scene.time += 10 * kDayUs;
  scene.apply({.user = "me", .items = {"n3"}});
  EXPECT_THAT(scene.ids({.user = "me"}), Contains("n1"));
  EXPECT_EQ(scene.ids({.user = "me", .exclude_read = true}), Ids{"n2"});
}

TEST(Recommender, NeverShowsDeletedHiddenUnavailableOrForeignItems) {
  Scene scene;
  scene.views({"a", "b"}, {"deleted", "hidden", "sold-out", "foreign", "good"});
  scene.recommender.put_item({.id = "hidden", .hidden = true});
  scene.recommender.put_item({.id = "sold-out", .available = false});
  scene.recommender.put_item({.id = "foreign", .countries = {"FR"}});
  scene.recommender.delete_item("deleted");
  EXPECT_EQ(scene.ids({.country = "CH"}), Ids{"good"});
  EXPECT_THAT(scene.ids({.country = "FR"}), UnorderedElementsAre("foreign", "good"));
  // At once, not only after the next refresh; also for someone with a context.
  scene.recommender.delete_item("good");
  EXPECT_TRUE(scene.recommender.recommend({.country = "CH"}).items.empty());
  scene.apply({.user = "me", .items = {"x"}, .session = "s-a"});
  EXPECT_THAT(ids_of(scene.recommender.recommend({.user = "me", .country = "CH"})), Not(Contains("good")));
  scene.item("good");
  EXPECT_EQ(scene.ids({.country = "CH", .n = 1}), Ids{"good"});
}

TEST(Recommender, ShowsOnlyWhatPassesTheFilter) {
  Scene scene;
  scene.item("rake", "Garden/Tools", "30");
  scene.item("gold rake", "Garden/Tools", "300");
  scene.item("pan", "Kitchen", "20");
  scene.views({"a"}, {"rake", "gold rake", "pan"});
  EXPECT_EQ(scene.ids({.filter = ItemFilter::parse("category:Garden,price<50").value()}), Ids{"rake"});
}

TEST(Recommender, AFilterReachesItemsFarDownTheList) {
  Scene scene;
  for (int i = 0; i < 3'000; ++i) scene.item("i" + std::to_string(i), "Common", "10");
  scene.item("dear", "Common", "999");
  for (int i = 0; i < 3'000; ++i)
    scene.apply({.user = "u" + std::to_string(i), .items = {"i" + std::to_string(i)}});
  EXPECT_EQ(scene.ids({.filter = ItemFilter::parse("price>500").value()}), Ids{"dear"});
}

TEST(Recommender, PopularThisWeekIsWhatWasSoldMost) {
  Scene scene;
  const auto sell = [&](std::string item, TimeUs time, int quantity) {
    scene.apply(
        {.type = EventType::kPurchase, .user = "u", .items = {item}, .time = time, .quantity = quantity});
  };
  sell("old hit", Scene::kStart - 8 * kDayUs, 1'000);
  sell("hit", Scene::kStart - 6 * kDayUs, 30);
  sell("slow", Scene::kStart, 5);
  const Recommendations answer = scene.recommend({.user = "stranger"});
  EXPECT_EQ(answer.items[0].id, "hit");
  EXPECT_EQ(answer.items[0].reason.code, "popular_week");
  EXPECT_EQ(answer.items[0].reason.text, "Sold most this week");
  // As of another time, the week before that.
  EXPECT_EQ(scene.ids({.n = 1, .as_of = Scene::kStart - 7 * kDayUs}), Ids{"old hit"});
}

TEST(Recommender, ErasDoNotDisturbOneAnother) {
  Scene scene;
  const TimeUs then = Scene::kStart - 12 * 365 * kDayUs;
  for (int i = 0; i < 3; ++i) {
    scene.apply({.type = EventType::kPurchase,
                 .user = "a",
                 .items = {"of 2011"},
                 .time = then + i,
                 .source = "file"});
    scene.apply({.user = "b", .items = {"of today"}, .time = Scene::kStart + i, .source = "web"});
  }
  EXPECT_EQ(scene.recommender.stats().now.size(), 2u);
  const Recommendations answer = scene.recommend({});
  EXPECT_EQ(answer.items[0].id, "of 2011") << "bought counts more than viewed, twelve years or not";
  EXPECT_EQ(answer.items[0].reason.code, "popular_week");
  EXPECT_EQ(answer.items[1].id, "of today");
  EXPECT_GT(answer.items[1].score, 0.01);
}

TEST(Recommender, TheFutureIsNow) {
  Scene scene;
  scene.apply({.user = "a", .items = {"x"}, .time = scene.env.wall + 3'000 * kDayUs});
  scene.apply({.user = "b", .items = {"y"}, .time = scene.env.wall});
  const Recommendations answer = scene.recommend({});
  ASSERT_EQ(answer.items.size(), 2u);
  EXPECT_DOUBLE_EQ(answer.items[0].score, answer.items[1].score);
  EXPECT_EQ(scene.recommender.stats().now, std::vector<TimeUs>{scene.env.wall});
}

TEST(Recommender, WhatWasDoneAnonymouslyBelongsToTheUserOnceKnown) {
  Scene scene;
  scene.views({"a", "b", "c"}, {"pot", "lid"});
  scene.apply({.items = {"pot"}, .session = "s9", .anonymous = "cookie"});
  EXPECT_EQ(scene.ids({.user = "cookie", .n = 1}), Ids{"lid"});
  EXPECT_EQ(scene.ids({.session = "s9", .n = 1}), Ids{"lid"});
  EXPECT_EQ(scene.recommend({.user = "me", .n = 1}).fallback, "cold");
  scene.apply({.type = EventType::kIdentify, .user = "me", .session = "s9", .anonymous = "cookie"});
  for (const RecommendRequest& request : {RecommendRequest{.user = "me"}, RecommendRequest{.user = "cookie"},
                                          RecommendRequest{.session = "s9"}}) {
    const Recommendations answer = scene.recommend(request);
    EXPECT_EQ(answer.items.at(0).id, "lid");
    EXPECT_EQ(answer.items.at(0).reason.because, Ids{"pot"});
  }
  // What follows under the cookie is the user's as well.
  scene.apply({.type = EventType::kPurchase, .items = {"lid"}, .anonymous = "cookie"});
  EXPECT_THAT(scene.ids({.user = "me"}), Not(Contains("lid")));
}

TEST(Recommender, ADeletedUserIsForgotten) {
  Scene scene;
  scene.apply({.type = EventType::kPurchase, .user = "me", .items = {"x"}});
  EXPECT_TRUE(scene.ids({.user = "me"}).empty());
  scene.recommender.delete_user("me");
  EXPECT_EQ(scene.ids({.user = "me"}), Ids{"x"});
}

TEST(Recommender, ARefundUndoesThePurchase) {
  Scene scene;
  scene.views({"v"}, {"z"});
  scene.apply({.type = EventType::kPurchase, .user = "a", .items = {"x", "y"}, .order = "o1", .quantity = 2});
  EXPECT_EQ(scene.ids({.placement = Placement::kCart, .n = 1, .items = {"x"}}), Ids{"y"});
  EXPECT_EQ(scene.ids({.n = 1}), Ids{"x"});
  scene.apply({.type = EventType::kRefund, .user = "a", .items = {"x"}, .order = "credit7", .quantity = -2});
  const Recommendations cart = scene.recommend({.placement = Placement::kCart, .items = {"x"}});
  for (const RecommendedItem& item : cart.items) EXPECT_NE(item.reason.code, "bought_together") << item.id;
  EXPECT_EQ(scene.ids({.n = 3}), (Ids{"y", "z", "x"})) << "its sale and its popularity are gone";
  EXPECT_THAT(scene.ids({.user = "a", .session = "later"}), Contains("x")) << "it may be bought again";
}

TEST(Recommender, APartOfAnOrderGivenBackIsStillOwned) {
  Scene scene;
  scene.apply({.type = EventType::kPurchase, .user = "a", .items = {"x"}, .order = "o1", .quantity = 12});
  scene.apply({.type = EventType::kRefund, .user = "a", .items = {"x"}, .quantity = -1});
  EXPECT_TRUE(scene.ids({.user = "a", .session = "later"}).empty());
  scene.apply({.type = EventType::kRefund, .user = "a", .items = {"x"}, .quantity = -11});
  EXPECT_EQ(scene.ids({.user = "a", .session = "later"}), Ids{"x"});
}

TEST(Recommender, WhatLeavesTheCartCountsAsLookedAt) {
  Scene scene;
  scene.apply({.type = EventType::kAddToCart, .user = "a", .items = {"x"}});
  scene.apply({.user = "b", .items = {"y"}});
  scene.apply({.user = "c", .items = {"y"}});
  EXPECT_EQ(scene.ids({.n = 1}), Ids{"x"});
  scene.apply({.type = EventType::kRemoveFromCart, .user = "a", .items = {"x"}});
  EXPECT_EQ(scene.ids({.n = 1}), Ids{"y"});
}

TEST(Recommender, ADislikedItemIsNeitherShownNorReasonedFrom) {
  Scene scene;
  scene.views({"a", "b", "c"}, {"x", "y"});
  scene.apply({.type = EventType::kRating, .user = "me", .items = {"x"}, .value = 1});
  const Recommendations answer = scene.recommend({.user = "me"});
  EXPECT_EQ(ids_of(answer), Ids{"y"});
  EXPECT_EQ(answer.items[0].reason.code, "popular");
  scene.apply({.type = EventType::kRating, .user = "you", .items = {"x"}, .value = 5});
  EXPECT_EQ(scene.recommend({.user = "you"}).items[0].reason.text, "Because you liked x");
}

TEST(Recommender, ListsShownAndSearchesSayNothing) {
  Scene scene;
  scene.apply({.type = EventType::kListView, .user = "a", .items = {"x"}});
  scene.apply({.type = EventType::kSearch, .user = "a", .items = {"x"}});
  EXPECT_EQ(scene.recommender.stats().events_applied, 0u);
  EXPECT_EQ(scene.recommender.stats().items, 0u);
}

TEST(Recommender, ActivityEventsAreViewsOrCarts) {
  Scene scene;
  scene.apply({.type = EventType::kActivity, .user = "a", .items = {"x"}, .in_cart = true});
  scene.apply({.type = EventType::kActivity, .user = "b", .items = {"y"}});
  EXPECT_EQ(scene.ids({.n = 2}), (Ids{"x", "y"}));
}

TEST(Recommender, ARetryCountsOnce) {
  Scene scene;
  for (int i = 0; i < 5; ++i) scene.apply({.user = "a", .items = {"x"}, .message_id = "m1"});
  EXPECT_EQ(scene.recommender.stats().events_applied, 1u);
  EXPECT_EQ(scene.recommender.stats().events_duplicate, 4u);
  scene.apply({.user = "a", .items = {"x"}, .source = "app", .message_id = "m1"});
  EXPECT_EQ(scene.recommender.stats().events_applied, 2u);
}

TEST(Recommender, AVisitorWithoutSessionIdsStartsAnewAfterASilence) {
  Scene scene;
  scene.apply({.user = "a", .items = {"x"}, .time = Scene::kStart});
  scene.apply({.user = "a", .items = {"y"}, .time = Scene::kStart + 29 * kMinuteUs});
  scene.apply({.user = "a", .items = {"z"}, .time = Scene::kStart + 90 * kMinuteUs});
  EXPECT_EQ(scene.recommender.similar("x", 5).items.size(), 1u);
  EXPECT_EQ(scene.recommender.stats().neighbour_pairs, 2u);
}

TEST(Recommender, SimilarIsWhatGoesWithAnItemForAnyone) {
  Scene scene;
  scene.item("pot", "Kitchen");
  scene.item("lid", "Kitchen");
  scene.item("pan", "Kitchen");
  scene.item("bike", "Sport");
  scene.views({"a", "b", "c"}, {"pot", "lid"});
  scene.views({"d", "e", "f", "g"}, {"pan"});
  scene.recommender.refresh();
  const Recommendations answer = scene.recommender.similar("pot", 2);
  EXPECT_EQ(ids_of(answer), (Ids{"lid", "pan"}));
  EXPECT_EQ(answer.items[0].reason.text, "Often looked at together with pot");
  EXPECT_EQ(answer.items[1].reason.text, "Popular in Kitchen");
  EXPECT_TRUE(scene.recommender.similar("nobody knows it", 3).items.empty());
}

TEST(Recommender, CheckoutOffersSmallThingsFirst) {
  Scene scene;
  scene.item("tent", "Camping", "200");
  scene.item("stove", "Camping", "80");
  scene.item("pegs", "Camping", "9");
  for (int i = 0; i < 9; ++i) {
    scene.apply({.type = EventType::kPurchase,
                 .user = "u",
                 .items = {"tent", "stove"},
                 .order = "o" + std::to_string(i)});
  }
  scene.apply({.type = EventType::kPurchase, .user = "u", .items = {"tent", "pegs"}, .order = "p"});
  EXPECT_EQ(scene.ids({.placement = Placement::kCart, .items = {"tent"}}), (Ids{"stove", "pegs"}));
  EXPECT_EQ(scene.ids({.placement = Placement::kCheckout, .items = {"tent"}}), (Ids{"pegs", "stove"}));
}

TEST(Recommender, TheCartPlacementKnowsTheCartWithoutBeingTold) {
  Scene scene;
  for (int i = 0; i < 3; ++i) {
    scene.apply({.type = EventType::kPurchase,
                 .user = "u",
                 .items = {"pot", "lid"},
                 .order = "o" + std::to_string(i)});
  }
  scene.apply({.type = EventType::kAddToCart, .user = "me", .items = {"pot"}, .session = "s1"});
  scene.apply({.user = "me", .items = {"bike"}, .session = "s1"});
  const Recommendations answer =
      scene.recommend({.user = "me", .session = "s1", .placement = Placement::kCart});
  EXPECT_EQ(ids_of(answer), Ids{"lid"});
  EXPECT_EQ(answer.items[0].reason.because, Ids{"pot"});
}

TEST(Recommender, APageIsNotAllOfOneCategory) {
  RecommenderOptions options = Scene::plain_options();
  options.model.category_share_max = 0.5;
  Scene scene(options);
  for (int i = 0; i < 8; ++i) scene.item("g" + std::to_string(i), "Garden/Tools");
  for (int i = 0; i < 8; ++i) scene.item("k" + std::to_string(i), "Kitchen");
  for (int i = 0; i < 8; ++i) scene.views({"a", "b", "c", "d"}, {"g" + std::to_string(i)});
  for (int i = 0; i < 8; ++i) scene.views({"a", "b", "c"}, {"k" + std::to_string(i)});
  int garden = 0;
  for (const std::string& id : scene.ids({.n = 8})) garden += id[0] == 'g';
  EXPECT_EQ(garden, 4);
  garden = 0;
  for (const std::string& id : scene.ids({.n = 8, .filter = ItemFilter::parse("category:Garden").value()})) {
    garden += id[0] == 'g';
  }
  EXPECT_EQ(garden, 8) << "unless one category is asked for";
}

TEST(Recommender, ANewItemHasAPlaceOnTheHomePageBeforeAnybodyMetIt) {
  RecommenderOptions options = Scene::plain_options();
  options.model.new_item_age = 3 * kDayUs;
  Scene scene(options);
  for (int i = 0; i < 60; ++i) scene.views({"a"}, {"i" + std::to_string(i)});
  scene.recommender.put_item({.id = "fresh", .published_us = scene.time - kHourUs});
  scene.recommender.put_item({.id = "stale", .published_us = scene.time - 4 * kDayUs});
  const Recommendations answer = scene.recommend({.n = 5});
  ASSERT_EQ(answer.items.size(), 5u);
  EXPECT_EQ(answer.items[4].id, "fresh");
  EXPECT_EQ(answer.items[4].reason.text, "New here");
  EXPECT_THAT(scene.ids({.placement = Placement::kItem, .n = 5}), Not(Contains("fresh")));
}

TEST(Recommender, OldItemsExpire) {
  RecommenderOptions options = Scene::plain_options();
  options.model.item_age_max = 2 * kDayUs;
  Scene scene(options);
  scene.views({"a", "b"}, {"yesterday's"});
  scene.recommender.put_item({.id = "expired", .expires_us = scene.time + kDayUs});
  EXPECT_EQ(scene.ids({}), (Ids{"yesterday's", "expired"}));
  scene.time += 3 * kDayUs;
  scene.views({"a"}, {"today's"});
  EXPECT_EQ(scene.ids({}), Ids{"today's"});
}

}  // namespace
}  // namespace millrace
