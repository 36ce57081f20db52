#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/contract.h"
#include "event/contracts.h"
#include "source/column_roles.h"
#include "source/contract_proposal.h"
#include "source/file_groups.h"
#include "source/file_profile.h"
#include "source/mapping_proposal.h"
#include "source/source_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Type = ColumnProfile::Type;

constexpr TimeUs kWritten = 1'790'000'000 * kSecondUs;

ColumnProfile profile_of(std::initializer_list<std::string_view> values, bool is_json = false) {
  ColumnProfiler profiler("c", 0, 100);
  for (const auto value : values) profiler.add({.text = value, .is_json = is_json});
  return profiler.finish();
}

TEST(ColumnProfileTest, TellsTypesApart) {
  EXPECT_EQ(profile_of({"1", "-20", ""}).type, Type::kInteger);
  EXPECT_EQ(profile_of({"1", "2.50"}).type, Type::kNumber);
  EXPECT_EQ(profile_of({"01234", "20100"}).type, Type::kText) << "a postal code is no number";
  EXPECT_EQ(profile_of({"true", "false"}).type, Type::kBoolean);
  EXPECT_EQ(profile_of({"[1]", "[]"}, true).type, Type::kJson);
  EXPECT_EQ(profile_of({"", ""}).type, Type::kEmpty);
  EXPECT_EQ(profile_of({"a", "1"}).type, Type::kText);
  EXPECT_EQ(profile_of({"123456789012345678"}).type, Type::kInteger);
  EXPECT_EQ(profile_of({"1", "12345678901234567890"}).type, Type::kText) << "an id, and no amount";
}

TEST(ColumnProfileTest, CountsAndBounds) {
  const auto profile = profile_of({"9", "10", "", "9", "-2"});
  EXPECT_EQ(profile.rows, 5u);
  EXPECT_EQ(profile.empty, 1u);
  EXPECT_EQ(profile.distinct, 3u);
  EXPECT_EQ(profile.min, "-2");
  EXPECT_EQ(profile.max, "10");
  EXPECT_EQ(profile.negative, 1u);
  EXPECT_FALSE(profile.is_unique());
  EXPECT_TRUE(profile_of({"a", "b"}).is_unique());
  ColumnProfiler many("c", 0, 10);
  for (int i = 0; i < 100; ++i) many.add({.text = std::to_string(i)});
  EXPECT_TRUE(many.finish().has_more);
  EXPECT_EQ(many.finish().distinct, 10u);
}

TEST(ColumnProfileTest, FindsHowTimesAreWritten) {
  EXPECT_EQ(profile_of({"2026-11-01 09:30:00", "2026-11-02"}).time_format, "iso");
  EXPECT_TRUE(profile_of({"2026-11-01T09:30:00Z"}).names_zone);
  EXPECT_EQ(profile_of({"1506826828020"}).time_format, "ms");
  EXPECT_EQ(profile_of({"1506826828"}).time_format, "s");
  EXPECT_EQ(profile_of({"1506826828020111"}).time_format, "us");
  EXPECT_EQ(profile_of({"12345"}).time_format, "");
  EXPECT_EQ(profile_of({"25/12/2010 8:26"}).time_format, "%d/%m/%Y %H:%M");
  EXPECT_EQ(profile_of({"12/25/2010"}).time_format, "%m/%d/%Y");
  EXPECT_FALSE(profile_of({"25/12/2010"}).is_ambiguous);
  EXPECT_TRUE(profile_of({"3/4/2010", "5/6/2010"}).is_ambiguous);
  EXPECT_EQ(profile_of({"2026-11-01", "soon"}).type, Type::kText);
  EXPECT_EQ(profile_of({"01/02/26"}).time_format, "%d/%m/%y");
  EXPECT_EQ(profile_of({"12/25/26 8:05"}).time_format, "%m/%d/%y %H:%M");
  EXPECT_EQ(profile_of({"1/2/0026"}).time_format, "") << "nobody's year";
  EXPECT_EQ(profile_of({"1.2.3"}).time_format, "") << "a version";
}

TEST(ColumnProfileTest, TellsWhichTimesSayTheirZone) {
  EXPECT_TRUE(profile_of({"2026-11-01T09:30:00-05:00"}).names_zone);
  EXPECT_TRUE(profile_of({"01/Nov/2026:09:30:00 -0500"}).names_zone);
  EXPECT_TRUE(profile_of({"Sun, 01 Nov 2026 09:30:00 GMT"}).names_zone);
  EXPECT_FALSE(profile_of({"2026-11-01T09:30:00-05:00", "2026-11-01 09:30:00"}).names_zone);
  EXPECT_FALSE(profile_of({"01-11-2026 09:30"}).names_zone);
}

TEST(ColumnRolesTest, CutsNamesIntoWords) {
  EXPECT_THAT(words_of("click_deviceGroup"), ElementsAre("click", "device", "group"));
  EXPECT_THAT(words_of("CustomerID"), ElementsAre("customer", "id"));
  EXPECT_THAT(words_of("user.id"), ElementsAre("user", "id"));
  EXPECT_THAT(words_of("--"), IsEmpty());
}

/// Looks at files made here.
class DiscoverTest : public testing::Test {
 protected:
  Result<FileProfile> profile(std::string_view name, std::string_view content,
                              const ProfileLimits& limits = {}) {
    return profile_file(Env::system(), folder_.write(name, content), {}, limits);
  }
  std::string refusal(std::string_view name, std::string_view content) {
    const auto found = profile(name, content);
    return found ? "none" : found.error().message;
  }
  /// Return what is proposed for a file, having tried it, the contract being in force.
  MappingProposal proposal(std::string_view name, std::string_view content) {
    const auto found = profile(name, content);
    EXPECT_TRUE(found) << found.error().text();
    auto proposed = propose_mapping(*found, "shop", kWritten);
    EXPECT_TRUE(proposed) << proposed.error().text();
    contract_ = propose_contract(*found, *proposed, "shop");
    std::vector<Contract> in_force;
    if (!contract_.empty()) {
      auto parsed = parse_contract(contract_, "shop.yaml");
      EXPECT_TRUE(parsed) << parsed.error().text() << contract_;
      if (parsed) in_force.push_back(*std::move(parsed));
    }
    for (auto& contract : in_force) contract.status = "active";
    const Contracts contracts(std::move(in_force));
    if (!proposed->yaml.empty())
      trial_ =
          try_mapping(Env::system(), folder_.path() / name, {}, proposed->mapping, 1'000, &contracts).value();
    return *std::move(proposed);
  }

  TestFolder folder_;
  std::string contract_;
  MappingTrial trial_;
};

TEST_F(DiscoverTest, RowsOfOrdersBecomePurchases) {
  const auto proposed = proposal("o.csv",
                                 "order_no;customer_id;sku;qty;unit_price;ordered_at;country\n"
                                 "1;c1;A;2;1.5;25.12.2025 09:30;France\n1;c1;B;1;2;25.12.2025 09:30;France\n"
                                 "2;c2;A;-1;1.5;26.12.2025 10:00;Spain\n");
  EXPECT_THAT(proposed.yaml, HasSubstr("delimiter: \";\""));
  EXPECT_THAT(proposed.yaml, HasSubstr("group_by: [order_no]"));
  EXPECT_THAT(proposed.yaml, HasSubstr("format: \"%d.%m.%Y %H:%M\""));
  EXPECT_THAT(proposed.types, ElementsAre("purchase", "refund"));
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
  EXPECT_EQ(trial_.refused, 0u) << trial_.first_refusal;
}

TEST_F(DiscoverTest, ViewsRatingsProductsAndPeopleAreToldApart) {
  EXPECT_THAT(
      proposal("v.csv",
               "visitorid,itemid,timestamp,event\nv1,1,1506826828020,view\nv1,1,1506826828021,addtocart\n")
          .types,
      ElementsAre("add_to_cart", "item_view"));
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
  const auto ratings = proposal("r.csv", "user,item,rating\nu1,a,5\nu1,b,3\n");
  EXPECT_THAT(ratings.types, ElementsAre("rating"));
  EXPECT_THAT(ratings.yaml, HasSubstr("constant: \"2026-09-2"));
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
  EXPECT_THAT(
      proposal("p.jsonl", "{\"product_id\":\"a\",\"product_name\":\"Rake\",\"price\":\"9.9\"}\n").command,
      "ingest items");
  EXPECT_EQ(trial_.records, 1u) << trial_.first_refusal;
  EXPECT_THAT(proposal("u.csv", "customerNumber,city\n7,Paris\n8,Rome\n").command, "ingest users");
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
  const auto nothing = proposal("n.csv", "a,b\n1,2\n");
  EXPECT_EQ(nothing.yaml, "");
  EXPECT_THAT(nothing.notes[0], HasSubstr("no column looks like a person"));
}

TEST_F(DiscoverTest, ElementsOfAListMayBeTheRows) {
  constexpr std::string_view kOrders =
      R"({"id":1,"customer":{"id":7},"at":"2026-11-01T10:00:00Z","lines":[{"sku":"a","price":1.5,"quantity":2},{"sku":"b","price":2,"quantity":1}]}
{"id":2,"customer":{"id":8},"at":"2026-11-01T11:00:00Z","lines":[]}
)";
  const Path path = folder_.write("orders.jsonl", kOrders);
  const auto flat = profile_file(Env::system(), path, {}).value();
  EXPECT_TRUE(flat.find("lines")->is_row_list);
  EXPECT_EQ(roles_of(flat).at("order.order_id"), "id") << "what the file is about says whose id it is";
  const auto inner = profile_file(Env::system(), path, {}, {}, "lines").value();
  const auto proposed = propose_mapping(inner, "orders", kWritten).value();
  EXPECT_THAT(proposed.yaml, HasSubstr("unnest: lines"));
  EXPECT_THAT(proposed.yaml, HasSubstr("group_by: [id]"));
  const auto trial = try_mapping(Env::system(), path, {}, proposed.mapping, 100).value();
  EXPECT_EQ(trial.records, 1u) << proposed.yaml << trial.first_refusal;
  EXPECT_EQ(trial.refused, 0u) << trial.first_refusal;
}

TEST_F(DiscoverTest, NamesThatYamlWouldMisreadAreQuoted) {
  EXPECT_EQ(yaml_text("plain_name"), "plain_name");
  for (const auto* word : {"no", "Null", "NULL", "~", "True", "off", "Y"})
    EXPECT_EQ(yaml_text(word), fmt::format("\"{}\"", word));
  EXPECT_EQ(yaml_text("a: b"), "\"a: b\"");
  EXPECT_EQ(yaml_text("7"), "\"7\"");
  EXPECT_EQ(yaml_text("say \"x\"\n"), "\"say \\\"x\\\"\\x0a\"");
  const auto proposed = proposal("q.csv", "user id,\"item: \"\"id\"\"\",time\nu,a,2026-11-01\n");
  EXPECT_EQ(trial_.records, 1u) << proposed.yaml << trial_.first_refusal;
}

TEST_F(DiscoverTest, NamesAndValuesOfDataReferToNothing) {
  const auto secret = "${file:" + folder_.write("secret", "hunter2").string() + "}";
  const auto row = "u,A," + secret + ",2026-11-01\n";
  std::string text = "user_id,sku," + secret + " price,time\n";
  std::string states = "user_id,sku,kind,time\n";
  for (int i = 0; i < 20; ++i) {
    text += fmt::format("u,A,{}.5,2026-11-01\n", i);
    states += row;
  }
  const auto proposed = proposal("o.csv", text);
  EXPECT_EQ(proposed.roles.at("item.price"), secret + " price");
  EXPECT_EQ(trial_.records, 20u) << trial_.first_refusal;
  proposal("s.csv", states);
  EXPECT_THAT(contract_, HasSubstr("validValues: [\"" + secret + "\"]"));
  const auto contract = parse_contract(contract_, "shop.yaml").value();
  EXPECT_EQ(contract.objects[0].properties.back().quality[0].valid_values, std::vector{secret});
  EXPECT_EQ(trial_.records, 20u) << trial_.first_refusal;
}

TEST_F(DiscoverTest, WhatEventsHaveThemselvesIsNotAnnouncedTwice) {
  proposal("o.csv",
           "customer_id,user_id,sku,at,value,order,items,properties,event_time,Null\n"
           "c1,1.0,A,2026-11-01 10:00:00,17,first,2,p,noon,x\nc2,2.5,B,2026-11-01 11:00:00,,x,3,,,y\n");
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
  EXPECT_THAT(contract_, Not(HasSubstr("name: value")));
  EXPECT_THAT(contract_, HasSubstr("- name: \"Null\""));
}

TEST_F(DiscoverTest, ValuesOfSeveralTypesAreOfNone) {
  proposal("v.jsonl", R"({"user_id":"u","sku":"A","at":"2026-11-01T10:00:00Z","size":"XL","count":1,"big":1}
{"user_id":"u","sku":"B","at":"2026-11-01T10:00:00Z","size":42,"count":2,"big":12345678901234567890}
)");
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal << contract_;
  EXPECT_THAT(contract_, HasSubstr("- name: size\n        required: true\n"));
  EXPECT_THAT(contract_, HasSubstr("- name: count\n        logicalType: integer\n"));
}

TEST_F(DiscoverTest, LongNumbersAreIds) {
  const auto proposed = proposal("v.csv",
                                 "user_id,sku,at\n12345678901234567890,A,2026-11-01 10:00:00\n"
                                 "12345678901234567891,A,2026-11-01 10:00:00\n");
  EXPECT_EQ(proposed.roles.at("user_id"), "user_id");
  EXPECT_EQ(trial_.records, 2u) << trial_.first_refusal;
}

TEST_F(DiscoverTest, ANameOfAFileStaysInItsComment) {
  const auto proposed = proposal("v\nsource: x.csv", "user_id,sku,at\nu,A,2026-11-01 10:00:00\n");
  EXPECT_THAT(proposed.yaml, HasSubstr("of v source: x.csv. Read"));
  EXPECT_EQ(proposed.mapping.source, "shop");
  EXPECT_THAT(contract_, HasSubstr("from v source: x.csv. Read"));
  EXPECT_TRUE(parse_contract(contract_head("a", "the table x\nid: y", "") + " []\n", "a.yaml"));
}

TEST_F(DiscoverTest, FormatsThatMillraceKnowsAreNamed) {
  EXPECT_EQ(profile("a.jsonl", R"({"type":"item_view","user_id":"u","items":["x"]})")->known, "native");
  EXPECT_EQ(
      profile("b.jsonl", R"({"type":"track","event":"Clicked","anonymousId":"x","messageId":"m"})")->known,
      "segment");
  EXPECT_EQ(
      profile(
          "c.jsonl",
          R"({"session_id":"s","user_id":"u","events":[{"event":{"event_type":"page_view","timestamp":"2024-07-01T09:00:00","details":{"page_url":"u"}}}]})")
          ->known,
      "visits");
  EXPECT_EQ(profile("d.jsonl", R"({"specversion":"1.0","id":"1","source":"/s","type":"page_view","data":{}})")
                ->known,
            "cloudevents");
  EXPECT_EQ(profile("e.jsonl", R"({"fullVisitorId":"1","visitId":2,"hits":[{"type":"PAGE"}]})")->known,
            "ga_sessions");
  EXPECT_EQ(profile("f.jsonl", R"({"product_id":"1","name":"x"})")->known, "");
}

TEST_F(DiscoverTest, SaysWhatIsWrongWithAFile) {
  EXPECT_EQ(refusal("a.csv", ""), "the file is empty");
  EXPECT_EQ(refusal("a.csv", " \n\n"), "the file is empty");
  EXPECT_EQ(refusal("a.csv", std::string(70'000, '\n')), "its first 65536 bytes are blank");
  EXPECT_THAT(refusal("a.csv", "id,name\n"), HasSubstr("the file has no rows"));
  EXPECT_THAT(refusal("a.csv", std::string_view("\x7F"
                                                "ELF\0\0",
                                                6)),
              HasSubstr("byte 5 is 0, as in binary files"));
  EXPECT_THAT(refusal("a.log", "just words\nand more\n"), HasSubstr("neither CSV with a header"));
  EXPECT_THAT(refusal("a.csv", "1,2026-11-01\n2,2026-11-02\n"),
              HasSubstr("the first line holds values ('1')"));
  EXPECT_THAT(refusal("a.csv", "a,b\n1\n2,3,4\n5,6\n"),
              HasSubstr("2 of the first 3 rows cannot be read (line 2: "));
  EXPECT_THAT(refusal("a.jsonl", "{\"a\":1\n{\"b\":\n"), HasSubstr("cannot be read"));
}

TEST_F(DiscoverTest, LooksAtTheBeginningAlone) {
  std::string text = "user_id,item_id\n";
  for (int i = 0; i < 10'000; ++i) text += fmt::format("u{},i{}\n", i, i);
  const auto found = profile("big.csv", text, {.bytes_max = 1'000}).value();
  EXPECT_FALSE(found.is_whole);
  EXPECT_LT(found.rows, 200u);
  EXPECT_TRUE(profile("big.csv", text)->is_whole);
}

TEST_F(DiscoverTest, FilesThatAreAlikeAreOneGroup) {
  const auto put = [&](const Path& name, std::string_view text) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << text;
  };
  put("clicks_hour_000.csv", "a,b\n1,2\n");
  put("clicks_hour_001.csv", "a,b\n3,4\n");
  put("clicks_hour_002.csv", "a,b,c\n3,4,5\n");
  for (int columns = 4; columns < 31; ++columns) {
    std::string line = "1";
    for (int i = 1; i < columns; ++i) line += fmt::format(",{}x", i);
    put(fmt::format("clicks_hour_1{:02}.csv", columns), line.replace(0, 1, "a") + "\n" + line + "\n");
  }
  put("clicks_hour_b.csv", "b\n1\n");
  put("orders/dt=2026-11-01/hour=9/part-0.jsonl", "{\"a\":1}\n");
  put("orders/dt=2026-11-02/hour=10/part-1.jsonl", "{\"b\":1}\n");
  put("empty.csv", "");
  put("README.md", "hello");
  put(".hidden/x.csv", "a\n1\n");
  const auto found = find_file_groups(Env::system(), folder_.path(), {}).value();
  ASSERT_THAT(found.groups, SizeIs(31));
  std::map<std::string, FileGroup> by_name;
  for (const auto& group : found.groups) by_name[group.name] = group;
  EXPECT_THAT(by_name, SizeIs(31)) << "each has a name of its own";
  EXPECT_EQ(by_name["clicks_hour"].pattern, "clicks_hour_*.csv");
  EXPECT_EQ(by_name["clicks_hour_b"].pattern, "clicks_hour_b.csv");
  EXPECT_EQ(by_name["clicks_hour_29"].pattern, "clicks_hour_*.csv");
  EXPECT_EQ(by_name["orders"].pattern, "orders/dt=*/hour=*/part-*.jsonl");
  EXPECT_THAT(by_name["orders"].files, SizeIs(2));
  ASSERT_THAT(found.problems, SizeIs(1));
  EXPECT_THAT(found.problems[0].text(), HasSubstr("empty.csv"));
  EXPECT_THAT(found.others, ElementsAre("README.md"));
  EXPECT_EQ(find_file_groups(Env::system(), folder_.path() / "none", {}).error().code, Code::kNotFound);
}

TEST_F(DiscoverTest, TheSharedDataIsReadByWhatIsProposed) {
  struct Known {
    const char* file;
    std::vector<std::string> types;
    std::map<std::string, std::string> roles;
  };
  const std::vector<Known> all{
      {"news/clicks_hour_000.csv.gz",
       {"read"},
       {{"user_id", "user_id"}, {"item.item_id", "click_article_id"}, {"time", "click_timestamp"}}},
      {"retail/online_retail.csv.gz",
       {"purchase", "refund"},
       {{"user_id", "CustomerID"},
        {"item.item_id", "StockCode"},
        {"item.price", "UnitPrice"},
        {"item.quantity", "Quantity"},
        {"time", "InvoiceDate"},
        {"order.order_id", "InvoiceNo"},
        {"country", "Country"}}},
      {"ecommerce/ratings_ml_training_dataset.csv",
       {"rating"},
       {{"user_id", "customernumber"}, {"item.item_id", "productcode"}, {"value", "productrating"}}},
      {"news/articles_metadata_subset.csv", {}, {{"item.item_id", "article_id"}}},
      {"clickstream/products.json", {}, {{"item.item_id", "product_id"}, {"item.price", "price"}}}};
  for (const auto& known : all) {
    const auto path = shared_data(known.file);
    if (path.empty()) GTEST_SKIP() << "the shared data are not here";
    const auto found = profile_file(Env::system(), path, {}, {.bytes_max = 4 << 20}).value();
    const auto proposed = propose_mapping(found, "x", kWritten).value();
    EXPECT_EQ(proposed.types, known.types) << proposed.yaml;
    for (const auto& [role, column] : known.roles) {
      ASSERT_TRUE(proposed.roles.contains(role)) << role << proposed.yaml;
      EXPECT_EQ(proposed.roles.at(role), column);
    }
    const auto trial = try_mapping(Env::system(), path, {}, proposed.mapping, found.rows).value();
    EXPECT_GT(trial.records, 0u) << proposed.yaml;
    EXPECT_LT(trial.refused * 100, trial.rows) << known.file << trial.first_refusal;
    EXPECT_TRUE(parse_contract(propose_contract(found, proposed, "x"), "x.yaml"));
  }
}

}  // namespace
}  // namespace millrace
