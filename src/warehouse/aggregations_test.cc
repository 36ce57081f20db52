#include "warehouse/aggregations.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class AggregationsTest : public WarehouseTest {
 protected:
  /// Declare files by their names and return what is said, or "".
  std::string declare(const std::vector<std::pair<std::string, std::string>>& texts) {
    std::vector<AggregationFile> files;
    for (const auto& [name, text] : texts) files.push_back({"aggregations/" + name, text});
    const auto done = declare_aggregations(*warehouse_, files);
    return done ? "" : done.error().text();
  }
  /// Declare one file `a.yaml` of events whose measure n is `measure`.
  std::string measure(const std::string& text) {
    return declare({{"a.yaml", fmt::format("from: events\nwindow: 1h\nmeasures:\n  n: {}\n", text)}});
  }
  std::string key(const std::string& text) {
    return declare(
        {{"a.yaml",
          fmt::format("from: events\nwindow: 1h\nkeys:\n  k: {}\nmeasures: {{n: count}}\n", text)}});
  }
};

TEST_F(AggregationsTest, NamesEachMistakeWithItsLine) {
  const auto said = declare({{"a.yaml",
                              "from: events\n"
                              "filter: typ = 'page_view'\n"
                              "window: -1m\n"
                              "colour: red\n"
                              "keys:\n"
                              "  page: page_pth\n"
                              "measures:\n"
                              "  n: sum(upper(page_path))\n"
                              "  m: median(price)\n"},
                             {"b.yaml", "from: event\nwindow: 0s\nmeasures: {n: count}\n"},
                             {"c.yml", "from: events\nwindow: 1h\nmeasures: {n: count}\n"}});
  EXPECT_THAT(said, HasSubstr("a.yaml:2: there is no column typ; did you mean type?"));
  EXPECT_THAT(said, HasSubstr("a.yaml:3"));
  EXPECT_THAT(said, HasSubstr("a.yaml:4"));
  EXPECT_THAT(said, HasSubstr("a.yaml:6: there is no column page_pth; did you mean page_path?"));
  EXPECT_THAT(said, HasSubstr("a.yaml:8: sum takes a whole number"));
  EXPECT_THAT(said, HasSubstr("a.yaml:9: a measure is count"));
  EXPECT_THAT(said, HasSubstr("b.yaml:1: there is nothing called event; did you mean events?"));
  EXPECT_THAT(said, HasSubstr("b.yaml:2"));
  EXPECT_THAT(said, HasSubstr("c.yml:1: is called .yml: rename it to .yaml"));
  EXPECT_EQ(cell("SELECT count(*) FROM information_schema.tables WHERE table_name IN ('a', '_agg_a')"), "0");
}

TEST_F(AggregationsTest, RefusesNamesThatAreTaken) {
  const std::string fine = "from: events\nwindow: 1h\nmeasures: {n: count}\n";
  EXPECT_EQ(declare({{"a.yaml", fine}}), "");
  EXPECT_THAT(declare({{"events.yaml", fine}}), HasSubstr("events is a table already"));
  EXPECT_THAT(declare({{"item_interactions.yaml", fine}}), HasSubstr("is a table already"));
  EXPECT_THAT(declare({{"sales_by_hour.yaml", fine}}), HasSubstr("sales_by_hour is built in"));
  EXPECT_THAT(declare({{"x/a.yaml", fine}, {"y/a.yaml", fine}}), HasSubstr("there are two aggregations a"));
  EXPECT_THAT(declare({{"A-b.yaml", fine}}), HasSubstr("lower-case letters"));
  EXPECT_THAT(declare({{"a.yaml", "from: events\nwindow: 1h\nkeys: {n: type}\nmeasures: {n: count}\n"}}),
              HasSubstr("there is a key n already"));
  EXPECT_THAT(declare({{"a.yaml", "from: events\nwindow: 1h\nmeasures: {window_start: count}\n"}}),
              HasSubstr("choose another name"));
}

TEST_F(AggregationsTest, RefusesACircle) {
  const auto from = [](const std::string& other) {
    return "from: " + other + "\nwindow: 1h\nmeasures: {n: count}\n";
  };
  EXPECT_THAT(declare({{"a.yaml", from("b")}, {"b.yaml", from("c")}, {"c.yaml", from("a")}}),
              HasSubstr("circle: a from b from c from a"));
  EXPECT_THAT(declare({{"a.yaml", from("a")}}), HasSubstr("circle: a from a"));
  EXPECT_EQ(declare({{"a.yaml", from("b")}, {"b.yaml", from("c")}, {"c.yaml", from("item_popularity")}}), "");
  EXPECT_THAT(declare({{"a.yaml", "from: page_views_by_page\nwindow: visit\nmeasures: {n: count}\n"}}),
              HasSubstr("visits are made of events"));
}

TEST_F(AggregationsTest, RefusesWindowsThatAreNone) {
  const auto window = [&](const std::string& text) {
    return declare({{"a.yaml", "from: events\nwindow: " + text + "\nmeasures: {n: count}\n"}});
  };
  for (const auto* text : {"0s", "-5m", "soon", "[1h]", "{fixed: 1h, sliding: 1h}", "{}", "{sliding: 1h}",
                           "{sliding: 1h, every: 7m}", "{sliding: 1h, every: 0s}", "{sliding: 1h, every: 2h}",
                           "{fixed: -1h}", "{fixed: 1h, offset: -1h}", "400d"}) {
    EXPECT_THAT(window(text), HasSubstr("a.yaml:2")) << text;
  }
  for (const auto* text : {"1s", "366d", "visit", "{fixed: 1h, offset: 90m}", "{sliding: 1h, every: 1h}"}) {
    EXPECT_EQ(window(text), "") << text;
  }
}

/// An expression reaches nothing but its row, and says the same at any time.
TEST_F(AggregationsTest, RefusesExpressionsThatLookBeyondTheirRow) {
  for (const auto* text : {"now() > event_time",
                           "random() > 0.5",
                           "(SELECT true)",
                           "type IN (SELECT name FROM items)",
                           "true) FROM (SELECT true",
                           "true), (true",
                           "true) WHERE (true",
                           "true); DROP TABLE events; SELECT (true",
                           "getenv('HOME') = 'x'",
                           "current_setting('threads') = '1'",
                           "count(*) > 1",
                           "row_number() OVER () = 1",
                           "?",
                           "$1",
                           "*",
                           "COLUMNS(*)",
                           "current_date > dt",
                           "events.type = 'x'",
                           "nextval('s') > 1",
                           "type =",
                           "",
                           "txid_current() > 1",
                           "list_transform([1], x -> x)[1] = 1"}) {
    const auto said = declare(
        {{"a.yaml", fmt::format("from: events\nfilter: |\n  {}\nwindow: 1h\nmeasures: {{n: count({})}}\n",
                                text, "true")}});
    if (std::string_view(text).empty())
      EXPECT_EQ(said, "");
    else
      EXPECT_THAT(said, HasSubstr("a.yaml:2")) << text;
  }
  EXPECT_THAT(key("'read_text(''/etc/passwd'')'"), HasSubstr("a.yaml:4"));
  EXPECT_THAT(key("CAST(page_path AS INTEGER)"), HasSubstr("write TRY_CAST"));
  EXPECT_EQ(key("TRY_CAST(page_path AS INTEGER)"), "");
  EXPECT_EQ(key("\"coalesce(nullif(country, ''), properties->>'$.land') -- a remark\""), "");
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "0");
}

TEST_F(AggregationsTest, ChecksMeasures) {
  for (const auto* text :
       {"sum(page_path)", "sum()", "total(price)", "sum(price", "top(page_path)", "top(page_path, 0)",
        "top(page_path, 1001)", "top(, 3)", "count(price)", "distinct()", "min([price])"}) {
    EXPECT_THAT(measure(fmt::format("'{}'", text)), HasSubstr("a.yaml:4")) << text;
  }
  for (const auto* text : {"count", "count(*)", "count(in_cart)", "sum(price * 2)", "sum(item_count)",
                           "sum(value)", "min(page_path)", "max(event_time)", "first(country)",
                           "distinct(price)", "top(coalesce(country, city), 3)"}) {
    EXPECT_EQ(measure(fmt::format("'{}'", text)), "") << text;
  }
  EXPECT_THAT(declare({{"a.yaml", "from: events\nwindow: 1h\n"}}), HasSubstr("measures"));
  EXPECT_THAT(declare({{"a.yaml", "from: events\nwindow: 1h\nmeasures: {}\n"}}),
              HasSubstr("at least one measure"));
}

TEST_F(AggregationsTest, RefusesTooMany) {
  std::vector<std::pair<std::string, std::string>> files;
  for (std::size_t i = 0; i <= kAggregationsMax; ++i) {
    files.emplace_back(fmt::format("a{}.yaml", i), "from: events\nwindow: 1h\nmeasures: {n: count}\n");
  }
  EXPECT_THAT(declare(files), HasSubstr("64 are the most"));
  std::string text = "from: events\nwindow: 1h\nmeasures:\n";
  for (int i = 0; i < 65; ++i) text += fmt::format("  n{}: count\n", i);
  EXPECT_THAT(declare({{"a.yaml", text}}), HasSubstr("64 are the most"));
}

}  // namespace
}  // namespace millrace
