// How long an answer takes, how fast events are taken in, and what an item and a person weigh.
// One JSON line a figure. Times are CPU time of the thread: nothing here waits, so what else the machine does
// stays out of them, but for its caches. `--tiny` runs the same at a hundredth of the size, to see that it
// works.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "recommend/catalogue_json.h"
#include "recommend/recommender.h"

namespace millrace {
namespace {

constexpr TimeUs kStart = 1'700'000'000 * kSecondUs;

struct Size {
  std::size_t items = 0;
  std::size_t events = 0;
  std::size_t people = 0;
  std::size_t requests = 0;
};

/// A world of tastes: each person has a group of items they mostly look at, some items being favourites.
class World {
 public:
  World(const Size& size, unsigned seed) : size_(size), random_(seed) {
    for (std::size_t i = 0; i < size.items; ++i) items_.push_back(fmt::format("item-{:06}", i));
    for (std::size_t i = 0; i < size.people; ++i) people_.push_back(fmt::format("person-{}", i));
    for (std::size_t i = 0; i < size.people; ++i) sessions_.push_back(fmt::format("session-{}", i));
  }

  const std::string& item_for(std::size_t person) {
    const std::size_t groups = std::max<std::size_t>(1, size_.items / 50);
    const double skewed = std::pow(std::uniform_real_distribution<>()(random_), 3);
    const bool astray = random_() % 5 == 0;
    const std::size_t group = astray ? random_() % groups : person * 2'654'435'761u % groups;
    return items_[(group * 50 + static_cast<std::size_t>(skewed * 50)) % size_.items];
  }

  /// Fill `events` with what happens next; `items` holds what they point to.
  void next(std::vector<Event>& events, std::vector<EventItem>& items, std::size_t n) {
    items.assign(n, {});
    events.assign(n, {});
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t person = random_() % size_.people;
      items[i].item_id = item_for(person);
      Event& event = events[i];
      const unsigned dice = random_() % 20;
      event.type = dice == 0 ? EventType::kPurchase : dice < 3 ? EventType::kAddToCart : EventType::kItemView;
      event.source = "web";
      event.user_id = people_[person];
      event.session_id = sessions_[person];
      event.country = kCountries[person % 10];
      event.event_time = kStart + static_cast<TimeUs>(++count_) * 1'000;
      event.items = std::span(&items[i], 1);
    }
  }

  RecommendRequest request() { return {.user = people_[random_() % size_.people], .n = 10}; }

  const std::vector<std::string>& items() const { return items_; }

 private:
  static constexpr const char* kCountries[] = {"CH", "DE", "FR", "IT", "AT", "ES", "PT", "NL", "BE", "DK"};
  Size size_;
  std::mt19937 random_;
  std::vector<std::string> items_, people_, sessions_;
  std::size_t count_ = 0;
};

struct Yardstick {
  std::string name;
  double value = 0;
};

void print(std::string_view name, double value, std::string_view unit, const Yardstick& yardstick,
           double target, bool smaller_is_better) {
  const bool pass = smaller_is_better ? value <= target : value >= target;
  const std::string compared =
      yardstick.name.empty() ? R"("yardstick":null,"yardstick_value":null,"ratio":null)"
                             : fmt::format(R"("yardstick":"{}","yardstick_value":{:.2f},"ratio":{:.4f})",
                                           yardstick.name, yardstick.value, value / yardstick.value);
  fmt::print(R"({{"name":"{}","value":{:.2f},"unit":"{}",{},"target":{:.2f},"pass":{}}})", name, value, unit,
             compared, target, pass);
  fmt::print("\n");
  std::fflush(stdout);
}

double quantile(std::vector<double> times, double q) {
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(times.size() - 1));
  std::ranges::nth_element(times, at);
  return *at;
}

template <class Work>
std::vector<double> time_each_us(std::size_t n, Work work) {
  std::vector<double> times;
  for (std::size_t i = 0; i < n; ++i) {
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    work();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    times.push_back(static_cast<double>(end.tv_sec - begin.tv_sec) * 1e6 +
                    static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e3);
  }
  return times;
}

/// The yardstick of an answer: what any recommender must at least do, score every item and keep ten.
struct ExactScan {
  std::vector<float> factors;
  std::vector<float> person;
  std::vector<std::pair<float, std::uint32_t>> scores;

  explicit ExactScan(std::size_t items)
      : factors(items * kWidth, 0.5f), person(kWidth, 0.25f), scores(items) {}

  std::uint32_t best() {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < kWidth; ++k) sum += factors[i * kWidth + k] * person[k];
      scores[i] = {sum + static_cast<float>(i % 97), static_cast<std::uint32_t>(i)};
    }
    std::ranges::partial_sort(scores, scores.begin() + 10, std::greater<>());
    return scores[0].second;
  }

  static constexpr std::size_t kWidth = 64;
};

/// What a snapshot costs: copying is what an event that comes just then waits for.
void bench_snapshot(const Recommender& recommender, const RecommenderOptions& options,
                    const std::string& of) {
  std::string image;
  recommender.save(image);  // the room is got beforehand, not by who copies
  const auto copies = time_each_us(7, [&] {
    image.clear();
    recommender.save(image);
  });
  Recommender restored(Env::system(), options);
  bool good = true;
  const auto restores = time_each_us(3, [&] { good = good && restored.restore(image); });
  if (!good || restored.stats().events_applied != recommender.stats().events_applied)
    fmt::print(stderr, "the snapshot was not restored\n");
  print("copy for a snapshot, " + of, quantile(copies, 0.5) / 1'000, "ms", {}, 50, true);
  print("snapshot, " + of, static_cast<double>(image.size()) / 1e6, "MB", {}, 512, true);
  print("restore from a snapshot, " + of, quantile(restores, 0.5) / 1'000, "ms", {}, 1'000, true);
}

void bench(const Size& size) {
  const std::string of = fmt::format("{} items", size.items);
  World world(size, 1);
  RecommenderOptions options;
  options.limits.profiles = std::max<std::size_t>(size.people, 1);
  Recommender recommender(Env::system(), options);
  std::vector<Event> events;
  std::vector<EventItem> items;
  double apply_us = 0;
  for (std::size_t done = 0; done < size.events; done += 1'000) {
    world.next(events, items, 1'000);
    apply_us += time_each_us(1, [&] { recommender.apply(events); }).front();
  }
  const double refresh_us = quantile(time_each_us(5,
                                                  [&] {
                                                    recommender.apply(events.front());
                                                    recommender.refresh();
                                                  }),
                                     0.5);
  ExactScan scan(size.items);
  std::uint32_t sink = 0;
  const auto scans = time_each_us(std::min<std::size_t>(size.requests, 200), [&] { sink += scan.best(); });
  std::vector<RecommendRequest> requests;
  for (std::size_t i = 0; i < size.requests; ++i) requests.push_back(world.request());
  std::size_t served = 0;
  std::size_t next = 0;
  const auto times =
      time_each_us(size.requests, [&] { served += recommender.recommend(requests[next++]).items.size(); });
  if (served < size.requests || sink == 1) fmt::print(stderr, "too few items served: {}\n", served);

  const std::string yardstick = "exact scan of 64 factors, top 10, same number of items";
  print("recommend p50, " + of, quantile(times, 0.5), "us", {yardstick, quantile(scans, 0.5)}, 200, true);
  print("recommend p99, " + of, quantile(times, 0.99), "us", {yardstick, quantile(scans, 0.99)}, 1'000, true);
  print("refresh of the popular lists, " + of, refresh_us / 1'000, "ms", {}, 100, true);
  print("apply, " + of, static_cast<double>(size.events) / apply_us * 1e6, "events/s", {}, 500'000, false);
  for (const char* text : {"!seen", "bought", "colour:red"}) {
    const auto filter = ItemFilter::parse(text);
    std::size_t at = 0;
    const auto filtered = time_each_us(std::min<std::size_t>(size.requests, 200), [&] {
      RecommendRequest request = requests[at++];
      if (filter) request.filter = *filter;
      served += recommender.recommend(request).items.size();
    });
    print(fmt::format("recommend p50 with filter {}, {}", text, of), quantile(filtered, 0.5), "us", {},
          20'000, true);
  }
  bench_snapshot(recommender, options, of);
  const RecommenderStats stats = recommender.stats();
  print("memory in all, " + of, static_cast<double>(stats.bytes) / 1e6, "MB", {}, 512, true);
  print("memory an interaction, " + of, static_cast<double>(stats.bytes) / static_cast<double>(size.events),
        "bytes", {}, 512, true);
}

/// A filter on its own: what it costs to ask four things of every item, and what its attributes weigh.
void bench_filter(std::size_t n) {
  std::vector<ItemFacts> items(n);
  std::mt19937 random(3);
  std::size_t attribute_bytes = 0;
  for (std::size_t i = 0; i < n; ++i) {
    items[i].id = fmt::format("item-{:06}", i);
    items[i].category = random() % 2 == 0 ? "Garden/Tools/Rakes" : "Garden/Pots";
    items[i].price = Decimal::from_integer(random() % 100);
    const std::string attributes = fmt::format(
        R"({{"brand":"{}","colour":"green","ean":"40{:011}","material":"steel","rating":{}.5,"stock":{},"tags":["summer","new"],"weight":2.5}})",
        random() % 2 == 0 ? "Acme" : "Bosch", i, random() % 5, random() % 9);
    if (!read_item_attributes(attributes, items[i])) return;
    static_cast<void>(items[i].attributes.keep(2'048));
    attribute_bytes += items[i].attributes.bytes();
  }
  const auto filter = ItemFilter::parse("category:Garden,stock>0,brand:Acme|Gardena,weight<3");
  std::size_t matched = 0;
  const auto times = time_each_us(9, [&] {
    for (const ItemFacts& item : items) matched += filter && filter->matches(item);
  });
  if (matched < n || matched > 9 * n / 2) fmt::print(stderr, "the filter matched {} of 9 x {}\n", matched, n);
  const auto count = static_cast<double>(n);
  print(fmt::format("filter of 4 clauses, {} items", n), quantile(times, 0.5) * 1e3 / count, "ns an item", {},
        500, true);
  print("attributes of an item, 8 of them", static_cast<double>(attribute_bytes) / count, "bytes", {}, 512,
        true);
}

/// What an item and a person weigh when their lists are as long as they may get at the defaults.
void bench_memory(std::size_t n) {
  const auto bytes_with = [&](std::size_t items, std::size_t people) {
    World world(
        {.items = std::max<std::size_t>(items, 1), .events = 0, .people = std::max<std::size_t>(people, 1)},
        2);
    Recommender recommender(Env::system(), {});
    for (std::size_t i = 0; i < items; ++i)
      recommender.put_item({.id = world.items()[i], .name = "A name of usual length"});
    for (std::size_t i = 0; i < people; ++i)
      recommender.put_user({.id = fmt::format("p{}", i), .country = "CH"});
    return static_cast<double>(recommender.stats().bytes);
  };
  const double empty = bytes_with(0, 0);
  print("memory an item without history", (bytes_with(n, 0) - empty) / static_cast<double>(n), "bytes", {},
        1'024, true);
  print("memory a person without history", (bytes_with(0, n) - empty) / static_cast<double>(n), "bytes", {},
        1'024, true);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const bool tiny = argc > 1 && std::strcmp(argv[1], "--tiny") == 0;
  const std::size_t part = tiny ? 100 : 1;
  millrace::bench(
      {.items = 200, .events = 200'000 / part, .people = 20'000 / part, .requests = 20'000 / part});
  millrace::bench({.items = 100'000 / part,
                   .events = 1'000'000 / part,
                   .people = 100'000 / part,
                   .requests = 20'000 / part});
  millrace::bench_filter(100'000 / part);
  millrace::bench_memory(100'000 / part);
  return 0;
}
