#include "event/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/contract_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string mistakes(std::string_view text) {
  const auto contract = parse_contract(text, "shop.yaml");
  return contract ? "" : contract.error().text();
}

/// What is wrong with one property of a table.
std::string property_mistakes(std::string_view property) {
  return mistakes(
      contract_text("schema:\n  - name: t\n    properties:\n      - {" + std::string(property) + "}\n"));
}

std::string event_mistakes(std::string_view property) {
  return mistakes(
      contract_text("schema:\n  - name: purchase\n    physicalType: event\n    properties:\n      - {" +
                    std::string(property) + "}\n"));
}

TEST(ContractParser, ReadsWhatTheStandardSays) {
  const Contract contract = test_contract(contract_text({}, R"(name: Shop
domain: sales
description: {purpose: What is bought, limitations: none}
team:
  name: web
  members:
    - {username: ada@example.com, role: Owner}
customProperties:
  - {property: effectiveDate, value: 2026-12-01}
  - {property: sources, value: [web, app]}
  - {property: consumers, value: bi@example.com}
  - {property: somebodyElses, value: {a: [1]}}
servers:
  - {server: s, type: kafka, anything: 1}
slaProperties:
  - {property: retention, value: 3, unit: y}
)"));
  EXPECT_EQ(contract.title(), "shop 1.0.0");
  EXPECT_EQ(contract.description, "What is bought");
  ASSERT_EQ(contract.team.size(), 1u);
  EXPECT_EQ(contract.team[0].name, "ada@example.com");
  EXPECT_EQ(format_time(contract.effective.value()), "2026-12-01T00:00:00Z");
  EXPECT_EQ(contract.sources, (std::vector<std::string>{"web", "app"}));
  EXPECT_EQ(contract.consumers, std::vector<std::string>{"bi@example.com"});
  ASSERT_EQ(contract.objects.size(), 2u);
  EXPECT_EQ(contract.objects[1].table(), "Newsletter Subscribed");
  const ContractProperty& items = contract.objects[0].properties[3];
  EXPECT_EQ(items.options.max_items, 3u);
  EXPECT_EQ(items.items.at(0).properties.at(1).type, LogicalType::kInteger);
  EXPECT_EQ(contract.objects[0].properties[1].quality.at(0).valid_values.size(), 3u);
}

TEST(ContractParser, ReadsTheTeamOfEarlierVersionsAndItsOwnKeys) {
  const Contract contract = test_contract(
      contract_text("schema: []\n", "team:\n  - {username: bob, role: steward, dateIn: 2022-08-02}\n"));
  EXPECT_EQ(contract.team.at(0).role, "steward");
}

TEST(ContractParser, SaysWhatIsMissingOrUnknownWithItsLine) {
  const std::string text =
      mistakes("apiVersion: v2.2.1\nkind: Contract\nversion: 1\nstatus: on\nschemas: []\n");
  EXPECT_THAT(text, HasSubstr("shop.yaml:1: reads versions v3.0 and v3.1"));
  EXPECT_THAT(text, HasSubstr("shop.yaml:2: is DataContract"));
  EXPECT_THAT(text, HasSubstr("'id' is missing"));
  EXPECT_THAT(
      text,
      HasSubstr("shop.yaml:4: expected one of proposed, draft, active, deprecated, retired, found 'on'"));
  EXPECT_THAT(text, HasSubstr("shop.yaml:5: unknown key 'schemas'; did you mean 'schema'?"));
}

TEST(ContractParser, RefusesBoundsThatContradictEachOther) {
  EXPECT_THAT(
      property_mistakes("name: a, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 3}"),
      StartsWith(
          "shop.yaml:9: contradicts itself: minimum 5 is above maximum 3, so no value of 'a' can fit"));
  EXPECT_THAT(property_mistakes(
                  "name: a, logicalType: number, logicalTypeOptions: {minimum: 5, exclusiveMaximum: 5}"),
              HasSubstr("contradicts itself"));
  EXPECT_THAT(
      property_mistakes("name: a, logicalType: string, logicalTypeOptions: {minLength: 5, maxLength: 3}"),
      HasSubstr("contradicts itself: minLength 5 is above maxLength 3"));
  EXPECT_THAT(
      property_mistakes("name: a, logicalType: array, logicalTypeOptions: {minItems: 5, maxItems: 3}"),
      HasSubstr("contradicts itself"));
  EXPECT_THAT(
      property_mistakes("name: a, logicalType: date, logicalTypeOptions: {minimum: 2026-02-01, maximum: "
                        "2026-01-01}"),
      HasSubstr("contradicts itself"));
  EXPECT_EQ(property_mistakes("name: a, logicalType: integer, logicalTypeOptions: {minimum: 3, maximum: 3}"),
            "");
}

TEST(ContractParser, RefusesValuesThatTheirOwnPropertyRefuses) {
  constexpr std::string_view kValues =
      ", quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: ";
  const auto with = [&](std::string_view property, std::string_view values) {
    return property_mistakes(std::string(property) + std::string(kValues) + std::string(values) + "}}]");
  };
  EXPECT_THAT(
      with("name: a, logicalType: integer", "[1, two]"),
      HasSubstr("contradicts itself: the valid value 'two' of 'a' must be a whole number, not 'two'"));
  EXPECT_THAT(with("name: a, logicalType: string, logicalTypeOptions: {pattern: '^[a-z]+$'}", "[ok, NO]"),
              HasSubstr("the valid value 'NO' of 'a' must look like ^[a-z]+$"));
  EXPECT_THAT(with("name: a, logicalType: string", "[]"),
              HasSubstr("contradicts itself: validValues is empty"));
  EXPECT_THAT(with("name: a, logicalType: string", "[x, x]"), HasSubstr("'x' twice"));
  EXPECT_EQ(with("name: a, logicalType: number, logicalTypeOptions: {maximum: 2}", "[1, 2]"), "");
  EXPECT_THAT(property_mistakes("name: a, logicalType: integer, examples: [1, x]"),
              HasSubstr("contradicts itself: the example 'x' of 'a' must be a whole number"));
}

TEST(ContractParser, RefusesRulesThatCannotHold) {
  const auto rule = [](std::string_view text, std::string_view more = "") {
    return property_mistakes("name: a, logicalType: string" + std::string(more) + ", quality: [{" +
                             std::string(text) + "}]");
  };
  EXPECT_THAT(rule("metric: nullValues, mustBeGreaterThan: 0", ", required: true"),
              HasSubstr("contradicts itself: 'a' is required, and its nullValues must be greater than 0"));
  EXPECT_THAT(rule("metric: duplicateValues, mustBe: 3", ", unique: true"),
              HasSubstr("contradicts itself: 'a' is unique"));
  EXPECT_THAT(rule("metric: nullValues, mustBeBetween: [5, 5]"),
              HasSubstr("contradicts itself: nothing lies between"));
  EXPECT_THAT(rule("metric: nullValues, mustBeLessThan: 0"), HasSubstr("contradicts itself"));
  EXPECT_THAT(rule("metric: nullValues, unit: percent, mustBeGreaterThan: 100"),
              HasSubstr("no percentage can be"));
  EXPECT_THAT(rule("metric: nullValues"), HasSubstr("says no figure"));
  EXPECT_THAT(rule("metric: nullValues, mustBe: 0, mustBeLessThan: 5"), HasSubstr("more than one of"));
  EXPECT_THAT(rule("metric: rowCount, mustBe: 0"), HasSubstr("of a whole object"));
  EXPECT_THAT(rule("metric: invalidValues, mustBe: 0"), HasSubstr("needs arguments"));
  EXPECT_THAT(rule("metric: invalidValues, arguments: {pattern: '(a'}, mustBe: 0"),
              HasSubstr("is no regular expression"));
  EXPECT_THAT(rule("metric: nullValues, mustBe: 0, severity: loud"),
              HasSubstr("expected one of stop, error"));
  EXPECT_EQ(rule("type: custom, engine: soda, implementation: x"), "");
}

TEST(ContractParser, RefusesOptionsOfAnotherType) {
  EXPECT_THAT(property_mistakes("name: a, logicalType: number, logicalTypeOptions: {pattern: x}"),
              HasSubstr("pattern is an option of logicalType string, and 'a' is of number"));
  EXPECT_THAT(property_mistakes("name: a, logicalType: string, logicalTypeOptions: {minimum: 1}"),
              HasSubstr("minimum is an option of numbers, dates and timestamps"));
  EXPECT_THAT(property_mistakes("name: a, logicalType: string, items: {logicalType: string}"),
              HasSubstr("only an array has items"));
  EXPECT_THAT(property_mistakes("name: a, logicalType: object, logicalTypeOptions: {required: [b]}"),
              HasSubstr("required names 'b', which 'a' does not have"));
}

TEST(ContractParser, RefusesNamesThatClashOrDoNotExist) {
  EXPECT_THAT(mistakes(contract_text("schema:\n  - {name: t}\n  - {name: t}\n")),
              HasSubstr("two objects named 't'"));
  EXPECT_THAT(mistakes(contract_text("schema:\n  - name: t\n    properties: [{name: a}, {name: a}]\n")),
              HasSubstr("two properties named 'a'"));
  EXPECT_THAT(property_mistakes("name: a, relationships: [{to: t.b}]"), HasSubstr("'t' has no property 'b'"));
  EXPECT_EQ(property_mistakes("name: a, relationships: [{to: t.a}, {to: elsewhere.b}]"), "");
  EXPECT_THAT(property_mistakes("name: a, relationships: [{to: b}]"), HasSubstr("give OBJECT.PROPERTY"));
}

TEST(ContractParser, RefusesWhatEventsCannotBe) {
  EXPECT_THAT(
      event_mistakes("name: event_time, logicalType: boolean"),
      HasSubstr(
          "contradicts what events are: 'event_time' is a time, and is declared of logicalType boolean"));
  EXPECT_THAT(event_mistakes("name: items, logicalType: string"), HasSubstr("is of logicalType array"));
  EXPECT_THAT(
      event_mistakes(
          "name: items, logicalType: array, items: {logicalType: object, properties: [{name: colour}]}"),
      HasSubstr("an item of an event has no field 'colour'; it has item_id, name"));
  EXPECT_EQ(event_mistakes("name: user_id, logicalType: integer"), "") << "text that is read as a number";
  EXPECT_EQ(event_mistakes("name: anything, logicalType: number"), "") << "a member of properties";
}

TEST(ContractParser, LatencyIsARuleOfItsObject) {
  const Contract contract = test_contract(
      contract_text("schema:\n  - name: t\n    properties: [{name: made, logicalType: timestamp}]\n",
                    "slaProperties:\n  - {property: latency, value: 2, unit: h, element: t.made}\n"));
  const QualityRule& rule = contract.objects.at(0).quality.at(0);
  EXPECT_EQ(rule.metric, QualityRule::Metric::kFreshness);
  EXPECT_EQ(rule.must.text(), "must be 7200 or less");
}

TEST(ContractVersions, TwoThatHoldAtOnceContradictEachOther) {
  const auto version = [](std::string_view number, std::string_view effective) {
    std::string text = contract_text("schema: []\n");
    text.replace(text.find("1.0.0"), 5, number);
    if (!effective.empty())
      text += "customProperties: [{property: effectiveDate, value: " + std::string(effective) + "}]\n";
    return test_contract(text, std::string(number) + ".yaml");
  };
  EXPECT_TRUE(
      check_versions({version("1", ""), version("2", "2026-12-01"), version("3", "2027-01-01")}).has_value());
  EXPECT_EQ(check_versions({version("1", ""), version("1", "2026-12-01")}).error().text(),
            "1.yaml: is version 1 of 'shop', as is 1.yaml");
  EXPECT_THAT(check_versions({version("1", ""), version("2", "")}).error().text(),
              HasSubstr("says no effectiveDate"));
  EXPECT_THAT(check_versions({version("1", "2026-12-01"), version("2", "2026-12-01")}).error().text(),
              HasSubstr("takes effect at the same time as version 1"));
}

TEST(ContractParser, AnyTextIsRefusedOrRead) {
  for (const std::string_view text :
       {"", "a", "[]", "schema: 7", "schema: [7, [], {}]", "schema: [{properties: {}}]",
        "schema: [{properties: [{quality: [{arguments: 7}]}]}]", "team: 7", "kind:\n  - a",
        "customProperties: [{}]", "slaProperties: [{property: latency, element: a.b.c}]"})
    EXPECT_FALSE(parse_contract(text, "x.yaml").has_value()) << text;
  std::string deep = "schema: [{name: t, properties: [";
  for (int i = 0; i < 40; ++i) deep += "{name: a, logicalType: object, properties: [";
  for (int i = 0; i < 40; ++i) deep += "]}";
  EXPECT_THAT(mistakes(deep + "]}]"), HasSubstr("nested more than 16 deep"));
}

TEST(ContractParser, MembersOnTopAndBelowPropertiesAreOfOneObject) {
  const auto with = [](int top, int below, const char* first) {
    std::string text = "schema:\n  - name: purchase\n    physicalType: event\n    properties:\n";
    for (int i = 0; i < top; ++i) text += "      - {name: m" + std::to_string(i) + "}\n";
    text += "      - name: properties\n        logicalType: object\n        properties:\n";
    for (int i = 0; i < below; ++i)
      text += "          - {name: " + (i == 0 ? std::string(first) : "b" + std::to_string(i)) + "}\n";
    return mistakes(contract_text(text));
  };
  EXPECT_EQ(with(156, 100, "b0"), "");
  EXPECT_THAT(with(200, 100, "b0"),
              HasSubstr("an event can have 256 announced properties at the most, not 300"));
  EXPECT_THAT(with(2, 2, "m1"), HasSubstr("'m1' is named twice: below 'properties' and beside it"));
}

TEST(ContractParser, WhatCannotBeHeldAgainstDataIsRefused) {
  EXPECT_THAT(
      property_mistakes("name: p, logicalType: string, logicalTypeOptions: {pattern: '^(\\pL{1,900}){3}$'}"),
      HasSubstr("is no regular expression that can be used"));
  EXPECT_THAT(
      property_mistakes(
          "name: d, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy, minimum: 2020-01-01}"),
      HasSubstr("bounds of dates and times need the format yyyy-MM-dd"));
}

}  // namespace
}  // namespace millrace
