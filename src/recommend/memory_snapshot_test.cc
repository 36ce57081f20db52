// The recommender's memory in a file: it comes back as it was, does the same with all that comes after, and
// is never taken from a file that is torn, changed or another's.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "recommend/memory_file.h"
#include "recommend/recommend_testing.h"
#include "recommend/recommender.h"

namespace millrace {
namespace {

/// Limits so small that everything is dropped now and then.
RecommenderOptions tight() {
  RecommenderOptions options = Scene::plain_options();
  options.limits = {.items = 120,
                    .attribute_bytes = 3'000,
                    .profiles = 40,
                    .aliases = 60,
                    .sessions = 30,
                    .orders = 25,
                    .basket_items = 6,
                    .neighbours = 8,
                    .history = 6,
                    .owned = 10,
                    .countries = 4,
                    .country_items = 15,
                    .eras = 3,
                    .sources = 5,
                    .sales = 300,
                    .recent_messages = 80};
  return options;
}

/// A shop where anything happens: the same seed and number, the same thing.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : seed_(seed) {}

  void happen(Scene& scene, std::uint64_t number) {
    random_.seed(seed_ * 1'000'003 + number);
    switch (random_() % 12) {
      case 0:
        return put_item(scene);
      case 1:
        return scene.recommender.delete_item(some("i", 200));
      case 2:
        return random_() % 4 == 0 ? scene.recommender.delete_user(some("u", 60))
                                  : scene.recommender.put_user({some("u", 60), some("c", 6)});
      default:
        return scene.apply(deed(number));
    }
  }

 private:
  std::string some(const char* prefix, std::uint64_t n) { return prefix + std::to_string(random_() % n); }

  void put_item(Scene& scene) {
    ItemFacts facts{.id = some("i", 200), .name = some("name ", 9), .category = some("Garden/", 5)};
    if (random_() % 2 == 0) facts.price = Decimal::from_integer(static_cast<std::int64_t>(random_() % 90));
    if (random_() % 4 == 0) facts.countries = {some("c", 6), some("c", 6)};
    if (random_() % 3 == 0) facts.expires_us = Scene::kStart + 90 * kDayUs;
    facts.hidden = random_() % 9 == 0;
    facts.available = random_() % 9 != 0;
    EXPECT_TRUE(facts.attributes.add_text("brand", some("b", 4)));
    EXPECT_TRUE(facts.attributes.add_number("stock", static_cast<double>(random_() % 5)));
    EXPECT_TRUE(facts.attributes.add_truth("sale", random_() % 2 == 0));
    scene.recommender.put_item(facts, Scene::kStart);
  }

  Deed deed(std::uint64_t number) {
    constexpr EventType kTypes[] = {EventType::kItemView, EventType::kRead,           EventType::kAddToCart,
                                    EventType::kPurchase, EventType::kRemoveFromCart, EventType::kRefund,
                                    EventType::kRating,   EventType::kActivity,       EventType::kIdentify};
    // Every source has its own time, so that there are eras, which come near one another and are merged.
    const std::uint64_t source = random_() % 7;
    const TimeUs time = Scene::kStart + static_cast<TimeUs>(number + source * source * 700) * kHourUs;
    return {.type = kTypes[random_() % std::size(kTypes)],
            .user = random_() % 2 == 0 ? some("u", 60) : "",
            .items = {some("i", 200), some("i", 200)},
            .time = time - static_cast<TimeUs>(random_() % 48) * kHourUs,
            .session = random_() % 5 != 0 ? some("s", 50) : "",
            .anonymous = random_() % 3 != 0 ? some("a", 80) : "",
            .country = some("c", 6),
            .order = random_() % 3 != 0 ? some("o", 40) : "",
            .source = "source" + std::to_string(source),
            .message_id = some("m", 2'000),
            .value = static_cast<double>(random_() % 6),
            .quantity = static_cast<int>(random_() % 4),
            .in_cart = random_() % 2 == 0};
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

/// All that two scenes can be asked must have the same answer, to the last bit of every score.
void expect_same_answers(Scene& one, Scene& other) {
  const auto same = [&](RecommendRequest request, const std::string& what) {
    const Recommendations a = one.recommend(request);
    const Recommendations b = other.recommend(request);
    EXPECT_EQ(a.fallback, b.fallback) << what;
    ASSERT_EQ(ids_of(a), ids_of(b)) << what;
    for (std::size_t i = 0; i < a.items.size(); ++i) {
      EXPECT_EQ(a.items[i].score, b.items[i].score) << what;
      EXPECT_EQ(a.items[i].reason.text, b.items[i].reason.text) << what;
    }
  };
  for (int i = 0; i < 60; ++i) same({.user = "u" + std::to_string(i), .n = 30}, "u" + std::to_string(i));
  for (int i = 0; i < 80; i += 7) same({.user = "a" + std::to_string(i)}, "a" + std::to_string(i));
  for (int i = 0; i < 50; i += 7) same({.session = "s" + std::to_string(i)}, "s" + std::to_string(i));
  for (int i = 0; i < 200; i += 9)
    same({.placement = Placement::kItem, .items = {"i" + std::to_string(i)}}, "i" + std::to_string(i));
  same({.n = 100, .filter = ItemFilter::parse("brand:b1,stock>0").value()}, "with a filter");
  const RecommenderStats a = one.recommender.stats(), b = other.recommender.stats();
  EXPECT_EQ(a.events_applied, b.events_applied);
  EXPECT_EQ(a.events_duplicate, b.events_duplicate);
  EXPECT_EQ(a.now, b.now);
  for (const auto count :
       {&RecommenderStats::items, &RecommenderStats::catalogue_items, &RecommenderStats::profiles,
        &RecommenderStats::aliases, &RecommenderStats::sessions, &RecommenderStats::orders,
        &RecommenderStats::neighbour_pairs, &RecommenderStats::sales})
    EXPECT_EQ(a.*count, b.*count);
}

std::string image_of(const Scene& scene) {
  std::string image;
  scene.recommender.save(image);
  return image;
}

TEST(MemorySnapshot, WithWhatCameAfterItEqualsAllFromTheStart) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chance chance(seed);
    const std::uint64_t first = seed * seed * 37 % 2'500, all = first + 1 + seed * 131 % 900;
    Scene whole(tight());
    for (std::uint64_t i = 0; i < first; ++i) chance.happen(whole, i);
    Scene restored(tight());
    const Status status = restored.recommender.restore(image_of(whole));
    ASSERT_TRUE(status) << status.error().text();
    expect_same_answers(whole, restored);
    for (std::uint64_t i = first; i < all; ++i) {
      chance.happen(whole, i);
      chance.happen(restored, i);
    }
    expect_same_answers(whole, restored);
    EXPECT_EQ(image_of(whole).size(), image_of(restored).size());
  }
}

TEST(MemorySnapshot, AnEmptyMemoryIsOneToo) {
  Scene empty, restored;
  restored.views({"a"}, {"x"});
  ASSERT_TRUE(restored.recommender.restore(image_of(empty)));
  EXPECT_EQ(restored.recommender.stats().items, 0u);
}

TEST(MemorySnapshot, AnImageThatIsCutOrChangedIsRefusedOrStaysWithinItsBounds) {
  Scene scene(tight());
  Chance chance(5);
  for (std::uint64_t i = 0; i < 1'500; ++i) chance.happen(scene, i);
  const std::string image = image_of(scene);
  Scene other(tight());
  other.views({"a"}, {"x"});
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    EXPECT_FALSE(other.recommender.restore(std::string_view(image).substr(0, random() % image.size())));
  }
  EXPECT_FALSE(other.recommender.restore(image + "x"));
  EXPECT_EQ(other.recommender.stats().items, 1u) << "what was refused left all as it was";
  int accepted = 0;
  for (int i = 0; i < 400; ++i) {
    std::string changed = image;
    changed[random() % changed.size()] = static_cast<char>(random());
    if (!other.recommender.restore(changed)) continue;
    ++accepted;
    for (std::uint64_t n = 1'500; n < 1'520; ++n) chance.happen(other, n);
    EXPECT_LE(other.recommend({.user = "u1", .n = 30}).items.size(), 30u);
  }
  EXPECT_GT(accepted, 0) << "a name, say, may be any";
}

TEST(MemorySnapshot, OtherSettingsHaveAnotherShape) {
  const auto shape = [](const RecommenderOptions& options) {
    return Scene(options).recommender.memory_shape();
  };
  EXPECT_EQ(shape(tight()), shape(tight()));
  RecommenderOptions options = tight();
  options.model.popularity_half_life += 1;
  EXPECT_NE(shape(options), shape(tight()));
  options = tight();
  options.model.weights.view = 1.5;
  EXPECT_NE(shape(options), shape(tight()));
  options = tight();
  options.limits.history = 7;
  EXPECT_NE(shape(options), shape(tight()));
  options = tight();
  options.model.deadline *= 2;
  EXPECT_EQ(shape(options), shape(tight())) << "it changes answers, not what is remembered";
}

const Path kFile = "/data/recommender.snapshot";
const TopicPartition kEvents{"events", PartitionId(3)};

Status save(Env& env, const Scene& scene, std::uint64_t next) {
  std::string file;
  begin_memory_file(file, scene.recommender.memory_shape(), {{kEvents, {Offset(next), next * 7}}});
  scene.recommender.save(file);
  return write_memory_file(env, kFile, std::move(file));
}

TEST(MemoryFile, IsReadAsItWasWritten) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("/data"));
  Scene scene(tight()), restored(tight());
  scene.views({"a", "b"}, {"x", "y"});
  EXPECT_EQ(MemoryFile::read(env, kFile).error().code, Code::kNotFound);
  ASSERT_TRUE(save(env, scene, 42));
  const auto file = MemoryFile::read(env, kFile);
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->shape, scene.recommender.memory_shape());
  EXPECT_EQ(file->marks, (std::map<TopicPartition, LogMark>{{kEvents, {Offset(42), 294}}}));
  ASSERT_TRUE(restored.recommender.restore(file->image));
  expect_same_answers(scene, restored);
}

TEST(MemoryFile, AnyFlippedBitOrCutIsSeen) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("/data"));
  Scene scene(tight());
  scene.views({"a", "b"}, {"x", "y"});
  ASSERT_TRUE(save(env, scene, 42));
  const std::string good = read_file(env, kFile).value();
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    EXPECT_EQ(MemoryFile::decode(bad).error().code, Code::kCorrupt) << at;
    EXPECT_EQ(MemoryFile::decode(std::string_view(good).substr(0, at)).error().code, Code::kCorrupt) << at;
  }
  EXPECT_FALSE(MemoryFile::decode(good + '\0'));
}

/// Kill or cut the power at every operation on the disk while a second file is written: what is there
/// afterwards is the first or the second, whole, and with what came after it, the same as all from the start.
TEST(MemoryFile, AnEndAtAnyMomentLeavesAWholeOne) {
  Chance chance(9);
  Scene whole(tight());
  for (std::uint64_t i = 0; i < 900; ++i) chance.happen(whole, i);
  bool finished = false;
  std::set<std::uint64_t> found;
  for (std::uint64_t operations = 0; !finished; ++operations) {
    for (const bool power : {false, true}) {
      SCOPED_TRACE("after " + std::to_string(operations) +
                   (power ? " operations, power" : " operations, kill"));
      FaultEnv env(operations + 1);
      ASSERT_TRUE(env.make_dirs("/data"));
      ASSERT_TRUE(env.sync_dir("/"));
      Scene scene(tight());
      for (std::uint64_t i = 0; i < 300; ++i) chance.happen(scene, i);
      ASSERT_TRUE(save(env, scene, 300));
      for (std::uint64_t i = 300; i < 600; ++i) chance.happen(scene, i);
      env.die_after(operations);
      finished = save(env, scene, 600).has_value();
      power ? env.power_loss(operations * 31 + 5) : env.restart_process();
      const auto file = MemoryFile::read(env, kFile);
      ASSERT_TRUE(file) << file.error().text();
      const std::uint64_t next = file->marks.at(kEvents).next.value();
      EXPECT_TRUE(next == 600 || (next == 300 && !finished)) << next;
      found.insert(next);
      Scene restored(tight());
      ASSERT_TRUE(restored.recommender.restore(file->image));
      for (std::uint64_t i = next; i < 900; ++i) chance.happen(restored, i);
      expect_same_answers(whole, restored);
    }
  }
  EXPECT_EQ(found, (std::set<std::uint64_t>{300, 600}));
}

}  // namespace
}  // namespace millrace
