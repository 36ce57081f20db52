#include "event/contract_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/contract_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// "BREAKING place: what: why" of each change when `from` of the test's contract becomes `to`.
std::vector<std::string> changes(std::string_view from, std::string_view to) {
  const std::string before = contract_text();
  std::string after = before;
  after.replace(after.find(from), from.size(), to);
  std::vector<std::string> out;
  for (const auto& change : diff_contracts(test_contract(before), test_contract(after)))
    out.push_back((change.breaking ? "BREAKING " : "compatible ") + change.place + ": " + change.what + ": " +
                  change.why);
  return out;
}

TEST(ContractDiff, TheSameBreaksNothing) {
  EXPECT_THAT(changes("1.0.0", "1.0.1"), IsEmpty());
}

TEST(ContractDiff, RemovingAnEnumValueBreaksProducers) {
  EXPECT_THAT(
      changes("[DE, FR, GB]", "[DE, FR]"),
      ElementsAre(
          "BREAKING purchase.country: the value 'GB' is removed: producers that send it are refused"));
  EXPECT_THAT(
      changes("[DE, FR, GB]", "[DE, FR, GB, US]"),
      ElementsAre("compatible purchase.country: the value 'US' is added: what was right stays right"));
}

TEST(ContractDiff, NeedsThatGrowBreakProducersAndThoseThatGoBreakReaders) {
  EXPECT_THAT(
      changes("{name: gift, logicalType: boolean}", "{name: gift, logicalType: boolean, required: true}"),
      ElementsAre("BREAKING purchase.gift: it becomes required: data without it, as until now, are refused"));
  EXPECT_THAT(
      changes("{name: user_id, logicalType: string, required: true}", "{name: user_id, logicalType: string}"),
      ElementsAre("BREAKING purchase.user_id: it is required no more: whoever reads it may meet nulls"));
}

TEST(ContractDiff, RemovedAndAddedProperties) {
  EXPECT_THAT(
      changes("      - {name: gift, logicalType: boolean}\n", ""),
      ElementsAre("BREAKING purchase.gift: the property is removed: whoever reads it finds it no more"));
  EXPECT_THAT(
      changes("      - {name: gift, logicalType: boolean}\n",
              "      - {name: gift, logicalType: boolean}\n      - {name: wrap, logicalType: string}\n"),
      ElementsAre(HasSubstr("compatible purchase.wrap: an optional property is added")));
  EXPECT_THAT(changes("      - {name: gift, logicalType: boolean}\n",
                      "      - {name: gift, logicalType: boolean}\n      - {name: wrap, required: true}\n"),
              ElementsAre(HasSubstr("BREAKING purchase.wrap: a required property is added")));
}

TEST(ContractDiff, TypesBoundsAndPatterns) {
  EXPECT_THAT(changes("{name: points, logicalType: integer}", "{name: points, logicalType: string}"),
              ElementsAre(HasSubstr("BREAKING purchase.points: the type was integer and is string")));
  EXPECT_THAT(changes("maximum: 10000", "maximum: 5000"),
              ElementsAre(HasSubstr("BREAKING purchase.order.revenue: maximum was 10000 and is 5000")));
  EXPECT_THAT(changes("maximum: 10000", "maximum: 50000"),
              ElementsAre(HasSubstr("compatible purchase.order.revenue")));
  EXPECT_THAT(changes("maximum: 10000", "exclusiveMaximum: 10000"), ElementsAre(HasSubstr("BREAKING")));
  EXPECT_THAT(changes("quantity, logicalType: integer, logicalTypeOptions: {minimum: 1}",
                      "quantity, logicalType: integer"),
              ElementsAre(HasSubstr("compatible purchase.items[].quantity: minimum was 1 and is none")));
  EXPECT_THAT(changes("^[A-Z]{3}$", "^[A-Z]+$"),
              ElementsAre(HasSubstr("BREAKING purchase.order.currency: the pattern")));
  EXPECT_THAT(changes("severity: warn", "severity: stop"),
              ElementsAre(HasSubstr("BREAKING newsletter.properties.plan: the rule")));
}

TEST(ContractDiff, ObjectsSourcesAndStatus) {
  EXPECT_THAT(
      changes("name: newsletter", "name: letters"),
      ElementsAre(HasSubstr("BREAKING newsletter: the object is removed"), HasSubstr("compatible letters")));
  EXPECT_THAT(changes("status: active", "status: retired"),
              ElementsAre(HasSubstr("BREAKING : it is retired")));
  EXPECT_THAT(changes("Newsletter Subscribed", "Subscribed"),
              ElementsAre(HasSubstr("BREAKING newsletter: the data lie in")));
}

}  // namespace
}  // namespace millrace
