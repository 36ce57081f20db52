#include "source/mapping.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "source/json_elements.h"
#include "source/row_mapper.h"
#include "source/source_testing.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(std::string_view text) {
  const auto mapping = parse_mapping(text, "m.yaml");
  return mapping ? "accepted" : mapping.error().text();
}

/// Map a CSV text and return the events as JSON; what is wrong with a row as a text.
std::vector<Json> mapped(std::string_view mapping_text, std::string_view csv,
                         std::size_t group_bytes_max = 1 << 20) {
  const auto mapping = parse_mapping(mapping_text, "m.yaml");
  EXPECT_TRUE(mapping) << (mapping ? "" : mapping.error().text());
  const TestFolder folder;
  auto file = FileReader::open(Env::system(), folder.write("rows", csv)).value();
  const bool is_csv = mapping->format == RowFormat::kCsv;
  const auto reader = is_csv
                          ? open_csv(std::move(file), mapping->delimiter).value()
                          : read_json_rows(std::make_unique<JsonElements>(std::move(file)), mapping->unnest);
  RowMapper mapper(*mapping, Hash128{1, 2}, group_bytes_max);
  std::vector<Json> all;
  MappedRecords out;
  for (Row row; reader->next(row).value() == RowReader::Step::kRow;) {
    if (const auto bound = mapper.bind(reader->columns(), is_csv); !bound) return {bound.error().text()};
    if (const auto status = mapper.map(row, out); !status)
      out.text += Json(status.error().message).dump() + "\n";
  }
  while (mapper.take_groups(out, 1 << 20)) {
  }
  for (std::size_t at = 0; at < out.text.size(); at = out.text.find('\n', at) + 1) {
    all.push_back(Json::parse(out.text.substr(at, out.text.find('\n', at) - at)));
  }
  return all;
}

constexpr std::string_view kClicks = R"(
type: read
time: {column: at, format: ms}
fields: {user_id: who, device_type: {column: device, values: {"1": phone, "2": desktop}, otherwise: other}}
item: {item_id: {column: article, prefix: A-}}
)";

TEST(Mapping, MakesAnEventOfARow) {
  const auto events =
      mapped(kClicks, "who,article,at,device,note\n 7 ,12,1506826828020,2,n1\n,13,1506826828021,9,\n");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0],
            Json::parse(R"({"type":"read","message_id":"00000000000000010000000000000002:2","user_id":"7",
      "event_time":"2017-10-01T03:00:28.020000Z","device_type":"desktop","items":[{"item_id":"A-12"}],
      "properties":{"note":"n1"}})"));
  EXPECT_FALSE(events[1].contains("user_id"));
  EXPECT_FALSE(events[1].contains("properties"));
  EXPECT_EQ(events[1]["device_type"], "other");
}

constexpr std::string_view kInvoices = R"(
type:
  - when: {no: {starts_with: C}}
    is: refund
  - when: {quantity: {below: 0}}
    is: refund
  - is: purchase
time: {column: at, zone: Europe/London}
group_by: [no]
fields: {user_id: customer}
order: {order_id: no, revenue: sum_of_items, currency: {constant: GBP}}
item: {item_id: code, quantity: quantity, price: price}
)";

TEST(Mapping, MakesOnePurchaseOfAnInvoicesRows) {
  const auto events = mapped(kInvoices,
                             "no,code,quantity,price,at,customer\n"
                             "1,a,2,1.25,2011-07-01 08:26:00,7\n"
                             "2,b,1,3,2011-07-01 08:27:00,\n"
                             "C3,a,-2,1.25,2011-12-01 08:28:00,7\n"
                             "1,c,1,0.5,2011-07-01 08:26:00,7\n"
                             "4,d,-5,0,2011-07-01 08:26:00,\n");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["type"], "purchase");
  EXPECT_EQ(events[0]["event_time"], "2011-07-01T07:26:00Z");
  EXPECT_EQ(events[0]["items"].size(), 2u);
  EXPECT_EQ(events[0]["order"], Json::parse(R"({"order_id":"1","revenue":3,"currency":"GBP"})"));
  EXPECT_EQ(events[1]["order"]["order_id"], "2");
  EXPECT_FALSE(events[1].contains("user_id"));
  EXPECT_EQ(events[2]["type"], "refund");
  EXPECT_EQ(events[2]["event_time"], "2011-12-01T08:28:00Z");
  EXPECT_EQ(events[2]["order"]["revenue"], 2.5) << "an amount is positive in a refund too";
  EXPECT_EQ(events[2]["items"][0]["quantity"], -2);
  EXPECT_EQ(events[3]["type"], "refund");
}

TEST(Mapping, RefusesRowsThatDoNotFit) {
  const auto rows = mapped(kInvoices,
                           "no,code,quantity,price,at,customer\n"
                           "1,a,two,1.25,2011-07-01 08:26:00,7\n"
                           "1,a,2,1.25,yesterday,7\n"
                           "1,a,2,1.25,2011-07-01 08:26:00,7\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].get<std::string>(), HasSubstr("column 'quantity': 'two' is not a number"));
  EXPECT_THAT(rows[1].get<std::string>(), HasSubstr("column 'at': 'yesterday' is not a time"));
  EXPECT_EQ(rows[2]["items"].size(), 1u) << "the bad rows left nothing behind";
}

TEST(Mapping, BoundsWhatGroupsHold) {
  std::string csv = "no,code,quantity,price,at,customer\n";
  for (int i = 0; i < 1000; ++i) csv += std::to_string(i) + ",a,1,1,2011-07-01,7\n";
  EXPECT_EQ(mapped(kInvoices, csv).size(), 1000u);
  const auto refused = mapped(kInvoices, csv, 100'000).front();
  ASSERT_TRUE(refused.is_string());
  EXPECT_THAT(refused.get<std::string>(), HasSubstr("more than 0 MB of memory; split the file"));
}

TEST(Mapping, KnowsEveryTest) {
  const auto types = [](std::string_view when) {
    std::string seen;
    const auto text = fmt::format(
        "type: [{{when: {{x: {}}}, is: yes_}}, {{is: no_}}]\ntime: {{constant: \"2024-01-01\"}}\n", when);
    for (const auto& event : mapped(text, "x,y\na,1\nab,1\n5,1\n-1,1\n,1\n"))
      seen += event["type"] == "yes_" ? 'y' : 'n';
    return seen;
  };
  EXPECT_EQ(types("a"), "ynnnn");
  EXPECT_EQ(types("[a, \"5\"]"), "ynynn");
  EXPECT_EQ(types("{is_not: a}"), "nyyyy");
  EXPECT_EQ(types("{starts_with: a}"), "yynnn");
  EXPECT_EQ(types("{below: 0}"), "nnnyn");
  EXPECT_EQ(types("{above: -1}"), "nnynn");
  EXPECT_EQ(types("{empty: true}"), "nnnny");
  EXPECT_EQ(types("{empty: false, is_not: ab}"), "ynyyn");
}

TEST(Mapping, TakesJsonRowsAndKeepsTheirTypes) {
  const auto events = mapped(
      "format: jsonl\ntype: activity\ntime: when\nfields: {user_id: user.id, value: score}\n",
      R"({"when":"2024-01-01","user":{"id":7,"tier":"gold"},"score":2.5,"tags":["a",1],"ok":true,"none":null})");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["user_id"], "7");
  EXPECT_EQ(events[0]["value"], 2.5);
  EXPECT_EQ(events[0]["properties"], Json::parse(R"({"user.tier":"gold","tags":["a",1],"ok":true})"));
}

TEST(Mapping, MakesItemsAndTheFirstRowOfAGroupCounts) {
  const auto items =
      mapped("produce: items\nid: code\ngroup_by: code\nattributes: {name: title}\nignore: note\n",
             "code,title,price,note\na,Tea,1.5,x\na,Other,2,x\nb,Mug,,x\n");
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0], Json::parse(R"({"op":"put","id":"a","attributes":{"name":"Tea","price":"1.5"}})"));
  EXPECT_EQ(items[1], Json::parse(R"({"op":"put","id":"b","attributes":{"name":"Mug"}})"));
}

TEST(Mapping, PointsAtColumnsThatAreNotThere) {
  const auto said =
      mapped("type: read\ntime: at\nfields:\n  user_id: custmer\n", "customer,at\n1,2024-01-01\n");
  EXPECT_EQ(said.front(), "m.yaml:4: the file has no column 'custmer'; did you mean 'customer'?");
}

TEST(Mapping, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refusal("type: read\ntime: at\nfeilds: {}\n"),
            "m.yaml:3: unknown key 'feilds'; did you mean 'fields'?");
  EXPECT_EQ(refusal("type: read\ntime: at\nfields: {usr_id: x}"),
            "m.yaml:3: unknown field 'usr_id'; did you mean 'user_id'?");
  EXPECT_THAT(refusal("type: read\ntime: at\nitem: {colour: x}"),
              HasSubstr("unknown field 'colour'; known here: item_id, name"));
  EXPECT_EQ(refusal("type: read\n"), "m.yaml:1: 'time' is missing");
  EXPECT_EQ(refusal("time: at\n"), "m.yaml:1: 'type' is missing");
  EXPECT_THAT(refusal("type: read\ntime: {column: at, zone: Mars/Olympus}"),
              HasSubstr("no time zone 'Mars/Olympus'"));
  EXPECT_THAT(refusal("type: read\ntime: {column: at, format: minutes}"),
              HasSubstr("'minutes' is no time format"));
  EXPECT_THAT(refusal("type: read\ntime: {constant: soon}"), HasSubstr("'soon' is not a time"));
  EXPECT_THAT(refusal("type: read\ntime: {column: a, constant: b}"),
              HasSubstr("either 'column' or 'constant'"));
  EXPECT_THAT(refusal("type: read\ntime: at\norder: {coupon: sum_of_items}"),
              HasSubstr("'coupon' is not an amount"));
  EXPECT_THAT(refusal("type: read\ntime: at\nformat: xml"), HasSubstr("expected one of csv, jsonl"));
  EXPECT_THAT(refusal("type: read\ntime: at\ndelimiter: ab"), HasSubstr("expected one character"));
  EXPECT_THAT(refusal("type: [{when: {a: {below: x}}, is: read}]\ntime: at"),
              HasSubstr("'x' is not a number"));
  EXPECT_EQ(refusal("produce: items\ntype: read\nid: a"),
            "m.yaml:2: unknown key 'type'; known here: attributes, delimiter, format, "
            "group_by, id, ignore, only, produce, source, unnest");
}

TEST(Mapping, ReportsAllMistakesAtOnceWithTheirLines) {
  EXPECT_EQ(
      refusal("type: read\n"
              "time: {column: at, format: minutes}\n"
              "fields: {usr_id: x, value: {constant: much}}\n"
              "item: {quantity: {constant: '1,5'}, price: {column: a, constant: b}}\n"
              "delimiter: ab\n"
              "colour: red\n"),
      "m.yaml:2: 'minutes' is no time format: write iso, s, ms, us or a pattern such as %Y-%m-%d %H:%M:%S\n"
      "m.yaml:3: unknown field 'usr_id'; did you mean 'user_id'?\n"
      "m.yaml:3: 'much' is not a number\n"
      "m.yaml:4: '1,5' is not a number; write a point before the decimals, not a comma, and nothing between "
      "thousands\n"
      "m.yaml:4: give either 'column' or 'constant'\n"
      "m.yaml:5: expected one character, or the word tab\n"
      "m.yaml:6: unknown key 'colour'; known here: delimiter, fields, format, group_by, ignore, item, only, "
      "order, produce, source, time, type, unnest");
}

constexpr std::string_view kSession =
    R"({"fullVisitorId":"77","visitNumber":"3","visitStartTime":"1500000000",)"
    R"("device":{"deviceCategory":"mobile"},"hits":[)"
    R"({"hitNumber":"1","time":"0","type":"PAGE","page":{"pagePath":"/a"},"customDimensions":[{"index":"10","value":"A1"},)"
    R"({"index":"6","value":"Title"},{"index":"7","value":"News"},{"index":"4","value":"2017.07"}]},)"
    R"({"hitNumber":"2","time":"1500","type":"EVENT","eventInfo":{"eventAction":"scroll"}},)"
    R"({"hitNumber":"3","time":"61250","type":"PAGE","page":{"pagePath":"/home"},"customDimensions":[]}]})";

std::vector<Json> mapped_by_file(const char* path, std::string_view text) {
  return mapped(read_file(Env::system(), path).value(), text);
}

TEST(Mapping, HitsOfASessionAreEventsWithTheirOwnTimes) {
  const auto events = mapped_by_file("examples/news/mappings/ga_sessions.yaml", kSession);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["type"], "read");
  EXPECT_EQ(events[0]["event_time"], "2017-07-14T02:40:00Z");
  EXPECT_EQ(events[0]["session_id"], "77.3");
  EXPECT_EQ(events[0]["anonymous_id"], "77");
  EXPECT_EQ(events[0]["device_type"], "mobile");
  EXPECT_EQ(events[0]["items"][0], (Json{{"item_id", "A1"}, {"name", "Title"}, {"category", "News"}}));
  EXPECT_EQ(events[0]["properties"]["hits.customDimensions.4"], "2017.07");
  EXPECT_TRUE(events[0]["message_id"].get<std::string>().ends_with(":1.1"));
  EXPECT_EQ(events[1]["type"], "other_hit");
  EXPECT_EQ(events[1]["properties"]["hits.eventInfo.eventAction"], "scroll");
  EXPECT_EQ(events[2]["type"], "page_view");
  EXPECT_EQ(events[2]["event_time"], "2017-07-14T02:41:01.250000Z");
  EXPECT_FALSE(events[2].contains("items"));
}

TEST(Mapping, RowsThatDoNotMeetOnlyArePassedOver) {
  const auto items = mapped_by_file("examples/news/mappings/ga_articles.yaml", kSession);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0]["id"], "A1");
  EXPECT_EQ(items[0]["attributes"]["title"], "Title");
}

TEST(Mapping, JoinedColumnsAreEmptyWhereOneIs) {
  const auto events =
      mapped("type: read\ntime: at\nitem: {item_id: a}\nfields: {session_id: {columns: [a, b, c]}}\n",
             "a,b,c,at\n1,2,3,2024-01-01\n1,,3,2024-01-01\n");
  EXPECT_EQ(events[0]["session_id"], "1-2-3");
  EXPECT_FALSE(events[1].contains("session_id"));
}

TEST(Mapping, MistakesOfListsAndJoinsAreRefused) {
  EXPECT_EQ(refusal("type: read\nunnest: hits\ntime: {column: a, plus: {column: b, format: iso}}\n"
                    "item: {item_id: {columns: [a]}}\n"),
            "m.yaml:2: rows of CSV hold no lists; say 'format: jsonl' or 'format: parquet'\n"
            "m.yaml:3: the format of 'plus' is s, ms or us\n"
            "m.yaml:4: expected a list of two or more columns");
}

TEST(Mapping, ShippedOnesAreSound) {
  for (const auto* path :
       {"examples/shop/mappings/online_retail.yaml", "examples/shop/mappings/ratings.yaml",
        "examples/shop/mappings/ratings_items.yaml", "examples/shop/mappings/ratings_users.yaml",
        "examples/news/mappings/news_clicks.yaml", "examples/news/mappings/ga_sessions.yaml",
        "examples/news/mappings/ga_articles.yaml"}) {
    const auto mapping = load_mapping(Env::system(), path);
    EXPECT_TRUE(mapping) << (mapping ? "" : mapping.error().text());
  }
}

}  // namespace
}  // namespace millrace
