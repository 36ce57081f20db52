// From the log, before and after it is loaded, to what is served: the same as SQL over the tables, always.
#include "model/feature_job.h"

#include <deque>
#include <map>
#include <numeric>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "model/feature_parity.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

constexpr TimeUs kNow = 1'790'000'123 * kSecondUs + 456;

/// Texts that live as long as the events that point to them.
std::string_view keep(std::string text) {
  static std::deque<std::string> kept;
  return kept.emplace_back(std::move(text));
}

class FeatureJobTest : public StreamTest {
 protected:
  FeatureJobTest() { env_.now_is = kNow; }
  ~FeatureJobTest() override {
    job_.reset();
    load_.reset();
  }

  void declare(const std::vector<std::pair<std::string, std::string>>& files,
               std::size_t bytes_max = 64 << 20) {
    std::vector<FeatureView> views;
    for (const auto& [name, text] : files) {
      auto view = parse_feature_view("owner: t\ndescription: t\n" + text, "features/" + name + ".yaml");
      ASSERT_TRUE(view) << view.error().text();
      views.push_back(*std::move(view));
    }
    job_.reset();
    store_ = std::make_unique<FeatureStore>(std::move(views), bytes_max);
    job_ = FlowFeatureJob::make({*log_, *feed_, *warehouse_, *store_, [this]() -> std::optional<JobPosition> {
                                   if (!load_ || !load_->position().known) return std::nullopt;
                                   return load_->position().next;
                                 }});
    const Status started = job_->start();
    ASSERT_TRUE(started) << started.error().text();
  }

  void load() {
    if (!load_) load_ = load_job();
    run(*load_);
  }

  void rest() {
    const Status rested = job_->at_rest([](const LoadedOffsets&) -> Status { return {}; });
    ASSERT_TRUE(rested) << rested.error().text();
  }

  /// "status time? value value", as JSON.
  std::string read(std::string_view view, const std::string& key) {
    const auto& shelf = **store_->find(view);
    std::vector<std::size_t> all(shelf.view->features.size());
    std::iota(all.begin(), all.end(), 0);
    const auto answer = FeatureStore::read(shelf, key, env_.now(), all);
    std::string out(feature_status_name(answer.status));
    for (std::size_t i = 0; i < answer.values.size(); ++i) {
      std::string text;
      JsonWriter json(text);
      write_feature(json, shelf.view->features[i].type, answer.values[i]);
      out += " " + text;
    }
    return out;
  }

  void expect_parity(std::string_view name, std::uint64_t entities_min = 1) {
    const auto parity = check_parity(*warehouse_, job_.get(), **store_->find(name), 1'000'000);
    ASSERT_TRUE(parity) << parity.error().text();
    EXPECT_GE(parity->entities, entities_min);
    EXPECT_EQ(parity->different, 0u);
    for (const auto& one : parity->differences)
      ADD_FAILURE() << name << " " << one.key << " " << one.feature->name << " online "
                    << testing::PrintToString(one.online) << " offline "
                    << testing::PrintToString(one.offline);
  }

  Event event(EventType type, std::string_view who, TimeUs time) {
    Event made = make_event(type, next_++, time);
    made.anonymous_id = who;
    made.received_time = kNow;
    return made;
  }

  std::unique_ptr<LoadJob> load_;
  std::unique_ptr<FeatureStore> store_;
  std::unique_ptr<FlowFeatureJob> job_;
  std::uint64_t next_ = 0;
};

constexpr const char* kViews =
    "entity: visitor\nflow: events\nfeatures:\n"
    "  views_1h: {value: count, where: {type: page_view}, window: 1h, description: d}\n"
    "  views: {value: count, where: {type: page_view}, description: d}\n"
    "  last_page: {value: last(page_path), description: d}\n";

TEST_F(FeatureJobTest, AClickIsThereBeforeItIsLoadedAndOnceAfterwards) {
  declare({{"pages", kViews}});
  EXPECT_EQ(read("pages", "anna"), "NOT_FOUND");
  Event view = event(EventType::kPageView, "anna", kNow - kMinuteUs);
  view.page_path = "/a";
  append(view);
  append(view, 1);  // the client tries again: the loader will drop it
  run(*job_);
  EXPECT_EQ(read("pages", "anna"), R"(PRESENT 2 2 "/a")") << "until the loader has seen that it is a repeat";
  load();
  rest();
  EXPECT_EQ(read("pages", "anna"), R"(PRESENT 1 1 "/a")");
  expect_parity("pages");
  declare({{"pages", kViews}});  // after a restart
  EXPECT_EQ(read("pages", "anna"), R"(PRESENT 1 1 "/a")");
}

TEST_F(FeatureJobTest, WindowsSlideBySlices) {
  declare({{"pages",
            "entity: visitor\nflow: events\nfeatures:\n"
            "  views_1h: {value: count, window: 1h, description: d}\n"
            "  last_1h: {value: max(event_time), window: 1h, description: d}\n"
            "  views_1d: {value: count, window: 1d, description: d}\n"}});
  append(event(EventType::kPageView, "anna", kNow));
  run(*job_);
  EXPECT_EQ(read("pages", "anna"), R"(PRESENT 1 "2026-09-21T14:15:23.000456Z" 1)");
  env_.now_is = slice_start(kNow, kMinuteUs) + kHourUs - 1;  // the last moment whose hour has the minute
  EXPECT_EQ(read("pages", "anna"), R"(PRESENT 1 "2026-09-21T14:15:23.000456Z" 1)");
  load();
  expect_parity("pages");
  env_.now_is = *env_.now_is + 1;
  EXPECT_EQ(read("pages", "anna"), "PRESENT 0 null 1");
  expect_parity("pages");
  env_.now_is = slice_start(kNow, kHourUs) + kDayUs;
  EXPECT_EQ(read("pages", "anna"), "NOT_FOUND");
  for (int i = 0; i < static_cast<int>(FlowMemory::kSweepsForAll); ++i)
    (**store_->find("pages")).flow()->sweep(*env_.now_is);
  EXPECT_EQ((**store_->find("pages")).flow()->size(), 0u);
}

/// One of everything that the columns can hold, at random.
class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed) : random_(seed) {}

  int draw(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  void fill(Event& event) {
    for (auto* text :
         {&event.user_id, &event.page_path, &event.page_url, &event.page_title, &event.page_referrer,
          &event.search_query, &event.list_id, &event.device_type, &event.os, &event.browser, &event.locale,
          &event.country, &event.region, &event.city, &event.postal_code, &event.recommendation_id})
      if (draw(2) == 0) *text = word();
    if (draw(2) == 0 || event.type == EventType::kRating) event.value = 1 + draw(32) / 8.0;
    const bool order = event.type == EventType::kPurchase || event.type == EventType::kRefund;
    if (order || draw(4) == 0) {
      EventOrder made{.order_id = word(), .coupon = word(), .currency = draw(2) == 0 ? "CHF" : ""};
      if (draw(2) == 0) made.total = amount();
      if (draw(2) == 0) made.revenue = amount();
      event.order = made;
    }
    static std::deque<std::vector<EventItem>> kept;
    const bool needs_item = !order && event.type != EventType::kPageView;
    const int number = event.type == EventType::kRating ? 1 : draw(4) + (needs_item ? 1 : 0);
    auto& items = kept.emplace_back(static_cast<std::size_t>(number));
    for (EventItem& item : items) fill(item);
    event.items = items;
  }

 private:
  std::string_view word() { return keep(fmt::format("w{}", draw(9))); }
  Decimal amount() { return Decimal::from_units(draw(90'000'000)); }
  void fill(EventItem& item) {
    item.item_id = word();
    if (draw(2) == 0) item.name = word();
    if (draw(2) == 0) item.category = keep(fmt::format("C{} / D{}", draw(5), draw(5)));
    if (draw(2) == 0) item.brand = word();
    if (draw(2) == 0) item.variant = word();
    if (draw(3) != 0) item.price = amount();
    if (draw(2) == 0) item.quantity = Decimal::from_units(draw(100'000));
    if (draw(2) == 0) item.currency = "EUR";
  }

  std::mt19937_64 random_;
};

std::string everything(FlowTable table) {
  std::string text = fmt::format("entity: visitor\nflow: {}\nfeatures:\n", flow_table_name(table));
  for (const std::string& name : flow_column_names(table)) {
    const FlowColumn& column = *find_flow_column(table, name);
    if (name == "visitor") continue;
    const auto add = [&](const char* measure, const char* more) {
      text += fmt::format("  {0}_{1}: {{value: {1}({0}){2}, description: d}}\n", name, measure, more);
    };
    add("last", "");
    add("max", ", window: 1h");
    if (column.type == FeatureType::kVarchar) add("distinct", ", window: 7d");
    if (column.type == FeatureType::kDecimal || column.type == FeatureType::kDouble)
      add("sum", ", window: 1d, where: {type: [purchase, refund, rating, item_view]}");
    add("min", ", window: 15m");
  }
  return text +
         "  rows: {value: count, where: {country: [w1, w2, w3], type: [purchase, page_view]}, description: "
         "d}\n";
}

TEST_F(FeatureJobTest, MemorySeesInEveryColumnWhatTheLoaderWrites) {
  declare({{"ev", everything(FlowTable::kEvents)},
           {"inter", everything(FlowTable::kItemInteractions)},
           {"lines", everything(FlowTable::kOrderLines)}},
          1 << 30);
  constexpr std::array kTypes = {EventType::kPurchase, EventType::kRefund, EventType::kPageView,
                                 EventType::kItemView, EventType::kRating, EventType::kAddToCart};
  RandomEvents random(5);
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 300; ++i) {
      Event made =
          event(kTypes[static_cast<std::size_t>(random.draw(6))], keep(fmt::format("v{}", random.draw(20))),
                kNow - random.draw(10) * random.draw(10) * 20 * kMinuteUs - random.draw(1000));
      random.fill(made);
      append(made, static_cast<std::uint32_t>(random.draw(4)));
    }
    run(*job_);
    std::map<std::string, std::string> pending, loaded;
    const auto read_all = [&](auto& into) {
      for (const char* view : {"ev", "inter", "lines"})
        for (int i = 0; i < 20; ++i)
          for (const char* kind : {"v", "w"}) {
            const std::string key = kind + std::to_string(i);
            into[view + (" " + key)] = read(view, key);
          }
    };
    read_all(pending);
    load();
    rest();
    read_all(loaded);
    EXPECT_EQ(pending, loaded) << "round " << round;
    for (const char* view : {"ev", "inter", "lines"}) expect_parity(view, 10);
  }
}

TEST_F(FeatureJobTest, RowsThatAreTakenAwayAreForgotten) {
  load();
  declare({{"pages", kViews}});
  Event first = event(EventType::kPageView, "anna", kNow - kMinuteUs);
  first.page_path = "/old";
  append(first);
  load();
  rest();
  Event again = first;
  again.anonymous_id = "bert";
  again.page_path = "/new";
  append(again);
  load_.reset();
  execute("DELETE FROM events; INSERT INTO _fact_changes VALUES (7, TIMESTAMP '2026-01-01')");
  load_ = load_job();
  rest();
  EXPECT_EQ(read("pages", "anna"), "NOT_FOUND");
  expect_parity("pages", 0);
}

TEST_F(FeatureJobTest, BeyondItsBoundOnesUnusedForLongestGoAndComeBackWhole) {
  constexpr std::size_t kBytes = 400'000;
  declare({{"pages", kViews}}, kBytes);
  for (int i = 0; i < 2'000; ++i) {
    Event view = event(EventType::kPageView, keep(fmt::format("v{}", i)), kNow - kMinuteUs);
    view.page_path = "/first";
    append(view);
  }
  load();
  rest();
  const auto memory = (**store_->find("pages")).flow();
  EXPECT_LE(memory->bytes(), kBytes + 256 * 1'000) << "each part keeps the one used last";
  EXPECT_GT(memory->evicted(), 100u);
  std::string gone;
  for (int i = 0; i < 2'000 && gone.empty(); ++i)
    if (read("pages", fmt::format("v{}", i)) == "NOT_FOUND") gone = fmt::format("v{}", i);
  ASSERT_FALSE(gone.empty());
  Event back = event(EventType::kPageView, keep(gone), kNow);
  back.page_path = "/again";
  append(back);
  run(*job_);
  EXPECT_EQ(read("pages", gone), "NOT_FOUND") << "not yet half of it";
  load();
  rest();
  EXPECT_EQ(read("pages", gone), R"(PRESENT 2 2 "/again")");
}

TEST_F(FeatureJobTest, TablesAreReadAsTrainingReadsThem) {
  execute(
      "CREATE TABLE people AS SELECT * FROM (VALUES (1, 'Bern', TIMESTAMP '2026-01-01'), (1, 'Chur', "
      "TIMESTAMP "
      "'2026-09-20'), (2, NULL, TIMESTAMP '2026-09-21'), (1, 'Zug', TIMESTAMP '2030-01-01'), (3, 'Genf', "
      "TIMESTAMP "
      "'2025-01-01'), (NULL, 'x', TIMESTAMP '2025-01-01')) t(id, city, since)");
  declare({{"homes",
            "entity: {customer_id: id}\nfrom: people\ntime: since\nmax_age: 90d\nfeatures:\n"
            "  city: {type: VARCHAR, description: d}\n  shout: {value: upper(city), type: VARCHAR, "
            "description: d}\n"},
           {"broken", "entity: id\nfrom: nosuch\nfeatures:\n  a: {type: BIGINT, description: d}\n"},
           {"unsafe",
            "entity: id\nfrom: people;DROP/**/TABLE/**/people\nfeatures:\n"
            "  city: {type: VARCHAR, description: d}\n"},
           {"unsteady",
            "entity: id\nfrom: people\ntime: since\nfeatures:\n"
            "  city: {value: random(), type: DOUBLE, description: d}\n"},
           {"twice", "entity: id\nfrom: people\nfeatures:\n  city: {type: VARCHAR, description: d}\n"}});
  const auto tables = make_table_feature_job(*warehouse_, *store_);
  EXPECT_FALSE(store_->filled());
  ASSERT_TRUE(tables->start() && tables->step());
  EXPECT_TRUE(store_->filled());
  EXPECT_EQ(read("homes", "1"), R"(PRESENT "Chur" "CHUR")");
  EXPECT_EQ(read("homes", "2"), "PRESENT null null");
  EXPECT_EQ(read("homes", "3"), "OUTSIDE_MAX_AGE");
  EXPECT_EQ(read("homes", "4"), "NOT_FOUND");
  expect_parity("homes", 3);
  EXPECT_THAT((**store_->find("broken")).problem(), testing::HasSubstr("nosuch"));
  EXPECT_THAT((**store_->find("unsafe")).problem(),
              testing::ContainsRegex("only SELECT|exactly one|syntax error"));
  EXPECT_THAT((**store_->find("unsteady")).problem(), testing::HasSubstr("random() gives something else"));
  EXPECT_THAT((**store_->find("twice")).problem(), testing::HasSubstr("1 entities have several rows"));
  execute("UPDATE people SET city = 'Thun' WHERE id = 1");
  const auto parity = check_parity(*warehouse_, job_.get(), **store_->find("homes"), 10);
  ASSERT_TRUE(parity);
  EXPECT_EQ(parity->different, 2u);
  EXPECT_EQ(std::get<std::string>(parity->differences.at(0).offline), "Thun");
}

}  // namespace
}  // namespace millrace
