#include "event/contract_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec_testing.h"
#include "event/contract_report.h"
#include "event/contract_testing.h"
#include "event/contracts.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class ContractCheck : public testing::Test {
 protected:
  void use(std::vector<Contract> contracts) {
    contracts_ = std::make_unique<Contracts>(std::move(contracts));
  }

  DecodedBody take(std::string_view body, CodecId codec = CodecId::kNative, BodyFacts facts = test_facts()) {
    BodyLimits limits;
    limits.contracts = contracts_.get();
    return decode_body(codec, body, facts, limits);
  }

  /// A purchase that fits, with `more` members; those of the same name win.
  static std::string purchase(std::string_view more) {
    return R"({"type":"purchase","user_id":"u","order":{"order_id":"o","revenue":"12.50","currency":"EUR"},)"
           R"("items":[{"item_id":"a","price":12.5,"quantity":1}])" +
           std::string(more.empty() ? "" : ",") + std::string(more) + "}";
  }

  std::string reason(std::string_view more) { return take(purchase(more)).reason(); }

  std::unique_ptr<Contracts> contracts_ =
      std::make_unique<Contracts>(std::vector<Contract>{test_contract(contract_text())});
};

TEST_F(ContractCheck, LetsThroughWhatFits) {
  EXPECT_EQ(reason(""), "");
  EXPECT_EQ(reason(R"("country":"DE","properties":{"gift":true,"points":7})"), "");
  EXPECT_EQ(take(R"({"type":"page_view"})").reason(), "") << "nobody speaks of page views";
}

TEST_F(ContractCheck, NamesThePropertyAndTheContract) {
  EXPECT_EQ(reason(R"("user_id":"")"), "invalid: user_id: contract shop 1.0.0: is missing");
  EXPECT_EQ(reason(R"("country":"US")"),
            "invalid: country: contract shop 1.0.0: must be one of DE, FR, GB, not 'US'");
  EXPECT_EQ(reason(R"("order":{"order_id":"o","revenue":-1})"),
            "invalid: order.revenue: contract shop 1.0.0: must be at least 0, not -1");
  EXPECT_EQ(reason(R"("order":{"order_id":"o","revenue":20000})"),
            "invalid: order.revenue: contract shop 1.0.0: must be at most 10000, not 20000");
  EXPECT_EQ(reason(R"("items":[{"item_id":"a","price":1},{"item_id":"b","price":1,"quantity":0.5}])"),
            "invalid: items[1].quantity: contract shop 1.0.0: must be a whole number, not 0.5");
  EXPECT_EQ(reason(R"("items":[{"item_id":"a"}])"),
            "invalid: items[0].price: contract shop 1.0.0: is missing");
  EXPECT_THAT(reason(R"("items":["a","b","c","d"])"),
              HasSubstr("items: contract shop 1.0.0: must have at most 3, not 4"));
  EXPECT_EQ(reason(R"("properties":{"gift":"yes"})"),
            "invalid: properties.gift: contract shop 1.0.0: must be true or false, not 'yes'");
  EXPECT_EQ(reason(R"("properties":{"points":"7"})"),
            "invalid: properties.points: contract shop 1.0.0: must be a whole number, not '7'")
      << "a retyped property";
  EXPECT_EQ(reason(R"("properties":{"points":7.5})"),
            "invalid: properties.points: contract shop 1.0.0: must be a whole number, not 7.5");
}

TEST_F(ContractCheck, RulesOfValuesCompareTruthsAndNumbersByWhatTheyAre) {
  use({test_contract(contract_text(R"(schema:
  - name: purchase
    physicalType: event
    properties:
      - {name: gift, logicalType: boolean, quality: [{metric: invalidValues, arguments: {validValues: [true]}, mustBe: 0}]}
      - {name: value, quality: [{metric: invalidValues, arguments: {validValues: [1, 2.5]}, mustBe: 0}]}
      - {name: points, logicalType: integer, logicalTypeOptions: {multipleOf: 1000}}
      - {name: order, logicalType: object, properties: [{name: revenue, logicalType: number, logicalTypeOptions: {multipleOf: 0.5}, quality: [{metric: missingValues, arguments: {missingValues: [-1]}, mustBe: 0}]}]}
)"))});
  EXPECT_EQ(reason(R"("value":1,"properties":{"gift":true,"points":1700000000000000000})"), "");
  EXPECT_EQ(reason(R"("value":2.50)"), "");
  EXPECT_THAT(reason(R"("properties":{"gift":false})"),
              HasSubstr("properties.gift: contract shop 1.0.0: must be one of true"));
  EXPECT_THAT(reason(R"("value":3)"), HasSubstr("value: contract shop 1.0.0: must be one of 1, 2.5, not 3"));
  EXPECT_THAT(reason(R"("properties":{"points":1700000000000000500})"),
              HasSubstr("must be a multiple of 1000"));
  EXPECT_THAT(reason(R"("order":{"order_id":"o","revenue":-1})"), HasSubstr("must not stand for no value"));
  EXPECT_THAT(reason(R"("order":{"order_id":"o","revenue":1.25})"), HasSubstr("must be a multiple of 0.5"));
}

TEST_F(ContractCheck, ChecksCustomEventsAndNestedJson) {
  const auto subscribed = [&](std::string_view properties) {
    return take(R"({"type":"Newsletter Subscribed","properties":)" + std::string(properties) + "}").reason();
  };
  EXPECT_EQ(subscribed(R"({"email":"a@b.de","since":"2026-01-31","topics":["a","b"]})"), "");
  EXPECT_THAT(subscribed("{}"), HasSubstr("properties: contract shop 1.0.0: is missing"));
  EXPECT_THAT(subscribed(R"({"a":1})"), HasSubstr("properties.email: contract shop 1.0.0: is missing"));
  EXPECT_THAT(subscribed(R"({"email":null})"),
              HasSubstr("properties.email: contract shop 1.0.0: is missing"));
  EXPECT_EQ(subscribed(R"({"em\u0061il":"a@b.de"})"), "") << "a key with an escape is the same key";
  EXPECT_THAT(subscribed(R"({"email":"äöü@exämple"})"), testing::Eq("")) << "11 characters, more bytes";
  EXPECT_THAT(subscribed(R"({"email":"aaaaaaaaaaaaa"})"), HasSubstr("at most 12 characters"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","since":"31.01.2026"})"),
              HasSubstr("must be a date such as 2026-01-31"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","since":7})"), HasSubstr("must be a date"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","topics":[]})"),
              HasSubstr("properties.topics: contract shop 1.0.0: must have at least 1"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","topics":["a","a"]})"), HasSubstr("no element twice"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","topics":["a",{}]})"),
              HasSubstr("properties.topics[1]: contract shop 1.0.0: must be text, not an object"));
  EXPECT_THAT(subscribed(R"({"email":"a@b.de","topics":{}})"), HasSubstr("must be an array, not an object"));
}

TEST_F(ContractCheck, EveryCodecIsHeldToIt) {
  const std::string order =
      R"({"type":"track","event":"Order Completed","userId":"u","properties":{"order_id":"o","revenue":20000,)"
      R"("products":[{"product_id":"a","price":1}]}})";
  EXPECT_THAT(take(order, CodecId::kSegment).reason(),
              HasSubstr("order.revenue: contract shop 1.0.0: must be at most 10000"));
}

TEST_F(ContractCheck, OneThatBreaksItNeverStopsTheRestAndKeepsItsBytes) {
  const std::string bad = purchase(R"("country":"US")");
  const DecodedBody decoded =
      take("[" + purchase("") + "," + bad + "," + purchase(R"("country":"FR")") + "]");
  EXPECT_EQ(decoded.events().size(), 2u);
  ASSERT_EQ(decoded.split->refused.size(), 1u);
  EXPECT_EQ(decoded.split->refused[0].value, bad);
  EXPECT_EQ(decoded.split->refused[0].reason.where, "[1].country");
  EXPECT_EQ(decoded.split->decoded.front()->events.size(), 2u);
}

TEST_F(ContractCheck, AVisitIsRefusedWholeWithThePlaceOfItsEvent) {
  use({test_contract(
      contract_text("schema:\n  - name: page_view\n    physicalType: event\n    properties:\n"
                    "      - {name: page_url, logicalType: string, logicalTypeOptions: {maxLength: 5}}\n"))});
  const std::string visit =
      R"({"session_id":"s","events":[{"event_type":"page_view","timestamp":"2024-07-01","details":{"page_url":"/a"}},)"
      R"({"event_type":"page_view","timestamp":"2024-07-01","details":{"page_url":"/too-long"}}]})";
  const DecodedBody decoded = take(visit, CodecId::kVisit);
  EXPECT_THAT(decoded.reason(),
              HasSubstr("events[1].page_url: contract shop 1.0.0: must have at most 5 characters"));
  EXPECT_TRUE(decoded.events().empty());
}

TEST_F(ContractCheck, TheVersionInForceWhenItHappenedCounts) {
  std::string next = contract_text();
  next.replace(next.find("1.0.0"), 5, "2.0.0");
  next.replace(next.find("[DE, FR, GB]"), 12, "[DE, FR]");
  next += "customProperties: [{property: effectiveDate, value: 2024-07-01T11:00:00Z}]\n";
  use({test_contract(next, "2.yaml"), test_contract(contract_text(), "1.yaml")});
  EXPECT_EQ(reason(R"("country":"GB","event_time":"2024-07-01T10:59:59Z")"), "");
  EXPECT_EQ(reason(R"("country":"GB","event_time":"2024-07-01T11:00:00Z")"),
            "invalid: country: contract shop 2.0.0: must be one of DE, FR, not 'GB'");
  EXPECT_FALSE(contracts_->holds_at(contracts_->all()[1], kTestReceived));
  EXPECT_TRUE(contracts_->holds_at(contracts_->all()[0], kTestReceived));
}

TEST_F(ContractCheck, DraftsDoNotCountAndOthersSourcesAreFree) {
  std::string draft = contract_text();
  draft.replace(draft.find("active"), 6, "draft");
  use({test_contract(draft)});
  EXPECT_TRUE(contracts_->empty());
  EXPECT_EQ(reason(R"("country":"US")"), "");
  use({test_contract(contract_text({}, "customProperties: [{property: sources, value: [app]}]\n"))});
  EXPECT_EQ(reason(R"("country":"US")"), "") << "from web";
  BodyFacts facts = test_facts();
  facts.source = "app";
  EXPECT_NE(take(purchase(R"("country":"US")"), CodecId::kNative, facts).reason(), "");
}

TEST_F(ContractCheck, WhatNobodyAnnouncedIsKeptAndReported) {
  const DecodedBody decoded = take("[" + purchase(R"("properties":{"colour":"red","points":1})") + "," +
                                   purchase(R"("colour":"blue","size":4)") + "]");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].properties, R"({"colour":"red","points":1})");
  contracts_->count(decoded.split->notes, 7);
  contracts_->count(decoded.split->notes, 9);
  const auto list = contracts_->unannounced();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].property, "colour");
  EXPECT_EQ(list[0].events, 4u);
  EXPECT_EQ(list[0].first, 7);
  EXPECT_EQ(list[0].last, 9);
  EXPECT_EQ(list[1].property, "size");
  EXPECT_EQ(contracts_->counts("shop", "purchase").checked, 4u);
  EXPECT_THAT(contracts_json(*contracts_, 0), HasSubstr(R"("property":"colour","events":4)"));
}

TEST_F(ContractCheck, TheListOfUnannouncedPropertiesIsBounded) {
  for (int i = 0; i < 1'100; ++i) {
    const auto decoded = take(purchase(R"("properties":{"p)" + std::to_string(i) + R"(":1})"));
    contracts_->count(decoded.split->notes, i);
  }
  EXPECT_EQ(contracts_->unannounced().size(), Contracts::kUnannouncedMax);
  EXPECT_EQ(contracts_->unannounced_left_out(), 100u);
}

TEST_F(ContractCheck, ARuleThatWarnsLetsThroughAndIsCounted) {
  const DecodedBody decoded =
      take(R"({"type":"Newsletter Subscribed","properties":{"email":"a@b.de","plan":"gold"}})");
  EXPECT_EQ(decoded.reason(), "");
  ValidationReport report;
  report.add(*decoded.split);
  EXPECT_TRUE(report.is_valid());
  EXPECT_THAT(report.json(), HasSubstr(R"("events":1,"last":"plan must be one of free, paid, not 'gold'")"));
}

TEST_F(ContractCheck, APatternTakesTimeInProportionToTheText) {
  use({test_contract(
      contract_text("schema:\n  - name: x\n    physicalType: event\n    properties:\n"
                    "      - {name: a, logicalType: string, logicalTypeOptions: {pattern: '^(a+)+$'}}\n"))});
  const std::string body = R"({"type":"x","properties":{"a":")" + std::string(30'000, 'a') + R"(b"}})";
  EXPECT_THAT(take(body).reason(), HasSubstr("must look like ^(a+)+$"));
}

TEST_F(ContractCheck, NumbersAreReadFromTextWhereAnEventHasText) {
  use({test_contract(
      contract_text("schema:\n  - name: x\n    physicalType: event\n    properties:\n"
                    "      - {name: user_id, logicalType: integer, logicalTypeOptions: {format: u16}}\n"
                    "      - {name: n, logicalType: number, logicalTypeOptions: {multipleOf: 0.05}}\n"))});
  EXPECT_EQ(take(R"({"type":"x","user_id":"65535","n":1.15})").reason(), "");
  EXPECT_THAT(take(R"({"type":"x","user_id":"65536"})").reason(), HasSubstr("must be at most 65535"));
  EXPECT_THAT(take(R"({"type":"x","user_id":"u7"})").reason(), HasSubstr("must be a whole number, not 'u7'"));
  EXPECT_THAT(take(R"({"type":"x","n":1.16})").reason(), HasSubstr("must be a multiple of 0.05"));
}

}  // namespace
}  // namespace millrace
