// What a person's profile takes, and what people do not want to see.
#include "recommend/profile_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recommend/recommend_testing.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::Not;

/// Room after so many elements came one by one.
std::size_t room(std::size_t came, std::size_t limit) {
  if (came == 0) return 0;
  std::size_t room = 1;
  while (room < came) room = room < 4 ? 2 * room : room + 4 + room / 8;
  return std::min(room, limit);
}

TEST(Profile, TakesWhatTheFormulaSays) {
  const RecommenderLimits limits{.history = 50, .owned = 300};
  for (const std::size_t came : {0, 1, 2, 3, 20, 32, 33, 50, 400}) {
    Profile profile;
    for (std::uint32_t i = 0; i < came; ++i) {
      profile.touch(ItemRef(i, 0), i, limits.history);
      profile.read.add(i, limits.owned);
      if (i % 2 == 0) profile.bought.add(i, limits.owned);
    }
    profile.disliked.add(7, limits.owned);
    EXPECT_EQ(profile.heap_bytes(),
              24 * room(came, 50) + 4 * (room(came, 300) + room((came + 1) / 2, 300) + 1));
    EXPECT_LE(profile.history.size(), 50u);
    profile.country = "Switzerland";
    const std::size_t before = profile.heap_bytes();
    profile.country = "a country with a long name";
    EXPECT_GT(profile.heap_bytes(), before + profile.country.size());
  }
}

TEST(ProfileStore, TakesWhatTheFormulaSays) {
  RecommenderLimits limits;
  limits.profiles = 1'000;
  ProfileStore store(limits);
  for (int i = 0; i < 3'000; ++i) {
    Profile& profile = store.of_user("u" + std::to_string(i));
    for (std::uint32_t item = 0; item < 5; ++item) profile.touch(ItemRef(item, 0), item, limits.history);
  }
  ASSERT_EQ(store.size(), 1'000u);
  const std::size_t index = 16 * 2'048;  // a power of two of places, at most half full
  EXPECT_EQ(store.profile_bytes(), 1'000 * (128 + 8 + 8 + 24 * 8) + index);
  EXPECT_EQ(store.bytes(), store.profile_bytes() + 16 * 16) << "and of the aliases, of which there are none";
}

/// Two kinds of shop: one where it may be bought again, and one where nothing is shown twice anyway.
class Dismissals : public testing::TestWithParam<bool> {
 protected:
  Dismissals() : scene_(options()) {
    scene_.views({"a", "b", "c"}, {"pot", "lid"});
    scene_.views({"a", "b"}, {"pot", "pan"});
  }

  static RecommenderOptions options() {
    RecommenderOptions options = Scene::plain_options();
    options.model.exclude_bought = GetParam();
    options.limits.history = 5;
    return options;
  }

  std::vector<std::string> shown() { return scene_.ids({.user = "me", .session = "now", .n = 50}); }

  void look_at_many() {
    for (int i = 0; i < 20; ++i) scene_.apply({.user = "me", .items = {"x" + std::to_string(i)}});
  }

  Scene scene_;
};

TEST_P(Dismissals, StayAwayForGood) {
  for (const char* name : {"not_interested", "Not Interested", "hide_item", "dislike"}) {
    scene_.apply({.type = EventType::kCustom, .user = name, .items = {"lid"}, .type_name = name});
    scene_.apply({.user = name, .items = {"pot"}});
    EXPECT_THAT(scene_.ids({.user = name, .session = "now"}), Contains("pan")) << name;
    EXPECT_THAT(scene_.ids({.user = name, .session = "now"}), Not(Contains("lid"))) << name;
  }
  scene_.apply({.type = EventType::kCustom, .user = "me", .items = {"lid"}, .type_name = "not_interested"});
  scene_.apply({.type = EventType::kRating, .user = "me", .items = {"pan"}, .value = 2});
  look_at_many();
  EXPECT_THAT(shown(), Contains("pot"));
  EXPECT_THAT(shown(), Not(Contains("lid"))) << "long after it has left the history";
  EXPECT_THAT(shown(), Not(Contains("pan")));
  const auto disliked = ItemFilter::parse("disliked").value();
  EXPECT_THAT(scene_.ids({.user = "me", .filter = disliked}), testing::UnorderedElementsAre("lid", "pan"));
}

TEST_P(Dismissals, GoWithABetterRating) {
  scene_.apply({.type = EventType::kCustom, .user = "me", .items = {"lid"}, .type_name = "not_interested"});
  scene_.apply({.type = EventType::kRating, .user = "me", .items = {"lid"}, .value = 5});
  look_at_many();
  const auto disliked = ItemFilter::parse("disliked").value();
  EXPECT_TRUE(scene_.ids({.user = "me", .filter = disliked}).empty());
  if (!GetParam()) {
    EXPECT_THAT(shown(), Contains("lid"));
  }
}

TEST_P(Dismissals, AreKeptWhenAnAnonymousPersonSignsIn) {
  scene_.apply(
      {.type = EventType::kCustom, .items = {"lid"}, .anonymous = "cookie", .type_name = "not_interested"});
  scene_.apply({.type = EventType::kIdentify, .user = "me", .anonymous = "cookie"});
  EXPECT_THAT(shown(), Not(Contains("lid")));
  EXPECT_THAT(shown(), Contains("pot"));
}

TEST_P(Dismissals, TakeTheItemOutOfTheCompanyOfTheVisitAndCountAgainstItsPopularity) {
  const auto score = [&] {
    for (const RecommendedItem& item : scene_.recommend({.n = 50}).items)
      if (item.id == "lid") return item.score;
    return 0.0;
  };
  const double before = score();
  scene_.apply({.type = EventType::kCustom, .user = "z", .items = {"lid"}, .type_name = "not_interested"});
  EXPECT_LT(score(), before);
  scene_.apply({.user = "y", .items = {"new"}, .session = "s-y"});
  scene_.apply({.user = "y", .items = {"lid"}, .session = "s-y"});
  ASSERT_THAT(scene_.ids({.placement = Placement::kItem, .items = {"new"}}), Contains("lid"));
  scene_.apply({.type = EventType::kCustom,
                .user = "y",
                .items = {"lid"},
                .session = "s-y",
                .type_name = "hide_item"});
  for (const RecommendedItem& item :
       scene_.recommend({.placement = Placement::kItem, .items = {"new"}}).items)
    EXPECT_NE(item.source, "co_seen") << item.id;
}

TEST_P(Dismissals, OtherCustomEventsSayNothing) {
  scene_.apply({.type = EventType::kCustom, .user = "me", .items = {"lid"}, .type_name = "wished"});
  EXPECT_EQ(scene_.recommender.stats().events_applied, 10u);
  EXPECT_THAT(shown(), Contains("lid"));
}

INSTANTIATE_TEST_SUITE_P(BuyAgain, Dismissals, testing::Bool());

TEST(RemoveFromCart, LeavesAView) {
  Scene scene;
  scene.item("pot", "", "10");
  scene.apply({.type = EventType::kAddToCart, .user = "me", .items = {"pot"}});
  scene.apply({.type = EventType::kRemoveFromCart, .user = "me", .items = {"pot"}});
  const auto cart = ItemFilter::parse("cart").value(), seen = ItemFilter::parse("seen").value();
  EXPECT_TRUE(scene.ids({.user = "me", .session = "now", .filter = cart}).empty());
  EXPECT_THAT(scene.ids({.user = "me", .session = "now", .filter = seen}), Contains("pot"));
}

}  // namespace
}  // namespace millrace
