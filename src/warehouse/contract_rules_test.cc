#include "warehouse/contract_rules.h"

#include <map>

#include <gmock/gmock.h>

#include "event/contract_testing.h"
#include "warehouse/transforms.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimeUs kNow = 1'767'571'200 * kSecondUs;  // 2026-01-05

class ContractRules : public WarehouseTest {
 protected:
  ContractRules() {
    execute("CREATE TABLE people (id INTEGER, email VARCHAR, age INTEGER, made TIMESTAMP, country VARCHAR)");
    execute(
        "INSERT INTO people VALUES (1, 'a@b.de', 30, TIMESTAMP '2026-01-04 23:00:00', 'DE'), "
        "(2, NULL, 200, TIMESTAMP '2026-01-04 22:00:00', 'FR'), (2, 'nothing', 40, NULL, 'XX'), "
        "(NULL, 'N/A', 50, NULL, NULL)");
    execute("CREATE TABLE countries (code VARCHAR)");
    execute("INSERT INTO countries VALUES ('DE'), ('FR')");
  }

  /// The results of a contract over `people` with these properties and more of the object, by rule.
  std::map<std::string, RuleResult> judge(std::string_view properties, std::string_view object = "",
                                          std::string_view more = "") {
    const Contract contract = test_contract(contract_text(
        "schema:\n  - name: people\n    properties:\n" + std::string(properties) + std::string(object),
        more));
    auto connection = warehouse_->connect().value();
    auto results = judge_table(connection, contract, contract.objects.front(), kNow);
    EXPECT_TRUE(results) << results.error().text();
    std::map<std::string, RuleResult> by_name;
    for (auto& result : results.value()) by_name[result.rule.name] = std::move(result);
    return by_name;
  }

  RuleResult one(std::string_view properties, std::string_view object = "", std::string_view more = "") {
    auto results = judge(properties, object, more);
    EXPECT_EQ(results.size(), 1u);
    return results.begin()->second;
  }
};

TEST_F(ContractRules, WhatPropertiesSayIsCountedInTheTable) {
  auto results = judge(R"(      - {name: id, logicalType: integer, primaryKey: true}
      - {name: age, logicalType: integer, logicalTypeOptions: {minimum: 0, exclusiveMaximum: 150}}
      - {name: email, logicalType: string, logicalTypeOptions: {pattern: "@", minLength: 4}}
      - {name: country, logicalType: string, relationships: [{to: countries.code}]}
      - {name: made, logicalType: timestamp, logicalTypeOptions: {minimum: 2026-01-04T22:30:00Z}}
)");
  const auto figure = [&](const char* name) { return results.at(name).figure.value_or(-1); };
  EXPECT_EQ(figure("required:id"), 1);
  EXPECT_EQ(figure("key"), 1);
  EXPECT_EQ(figure("range:age"), 1);
  EXPECT_EQ(figure("pattern:email"), 2);
  EXPECT_EQ(figure("form:email"), 1) << "'N/A'; NULL is not judged";
  EXPECT_EQ(figure("in:countries.code:country"), 1);
  EXPECT_EQ(figure("range:made"), 1);
  EXPECT_EQ(results.size(), 7u);
  EXPECT_THAT(results.at("in:countries.code:country").samples, ElementsAre(HasSubstr(R"("country":"XX")")));
  EXPECT_EQ(results.at("key").samples.size(), 2u);
  EXPECT_EQ(results.at("range:age").text(), "range:age of shop 1.0.0: 1 of 4 rows; must be 0");
  for (const auto& [name, result] : results) EXPECT_TRUE(result.stops()) << name;
}

TEST_F(ContractRules, TheMetricsOfTheStandard) {
  constexpr std::string_view kEmail = "      - name: email\n        logicalType: string\n        quality: [{";
  const auto email = [&](std::string_view rule) {
    return one(std::string(kEmail) + std::string(rule) + "}]\n");
  };
  RuleResult nulls = email("id: n, metric: nullValues, mustBeLessThan: 30, unit: percent, severity: warn");
  EXPECT_EQ(nulls.figure, 25);
  EXPECT_TRUE(nulls.passed);
  EXPECT_EQ(
      email("id: m, metric: missingValues, arguments: {missingValues: [null, 'N/A']}, mustBe: 0").figure, 2);
  EXPECT_EQ(email("id: v, metric: invalidValues, arguments: {validValues: [a@b.de, N/A]}, mustBe: 0").figure,
            1);
  EXPECT_EQ(email("id: p, metric: invalidValues, arguments: {pattern: '^[a-z@.]+$'}, mustBe: 0").figure, 1);
  EXPECT_EQ(email("id: d, metric: duplicateValues, mustBe: 0").figure, 0);
  const RuleResult sql = email(
      "id: s, type: sql, query: 'SELECT count(*) FROM {object} WHERE length({property}) > 3;', "
      "mustBeGreaterThan: 1");
  EXPECT_EQ(sql.figure, 2);
  EXPECT_TRUE(sql.passed);
  constexpr std::string_view kId = "      - {name: id, logicalType: integer}\n";
  EXPECT_TRUE(one(kId, "    quality: [{metric: rowCount, mustBeBetween: [3, 5]}]\n").passed);
  EXPECT_FALSE(one(kId, "    quality: [{metric: rowCount, mustBeBetween: [4, 5]}]\n").passed)
      << "between leaves out the ends";
  EXPECT_EQ(
      one(kId,
          "    quality: [{metric: duplicateValues, arguments: {properties: [id, country]}, mustBe: 0}]\n")
          .figure,
      0);
}

TEST_F(ContractRules, FreshnessIsTheAgeOfTheNewestRow) {
  constexpr std::string_view kMade = "      - {name: made, logicalType: timestamp}\n";
  const auto within = [&](const char* hours) {
    return one(kMade, "",
               "slaProperties: [{property: latency, value: " + std::string(hours) +
                   ", unit: h, element: people.made}]\n");
  };
  EXPECT_EQ(within("2").figure, 3600);
  EXPECT_TRUE(within("2").passed);
  EXPECT_FALSE(within("0.5").passed);
  EXPECT_FALSE(within("0.5").stops()) << "an agreement of service warns";
  execute("DELETE FROM people");
  EXPECT_EQ(within("2").error, "there is no row to measure");
}

TEST_F(ContractRules, AColumnThatIsMissingOrOfAnotherTypeIsSaid) {
  auto results = judge(
      "      - {name: name, logicalType: string, required: true}\n      - {name: age, logicalType: "
      "string}\n");
  EXPECT_EQ(results.at("column:name").error, "the column is missing");
  EXPECT_EQ(results.at("column:age").error, "the column is INTEGER, and the contract says string");
  EXPECT_TRUE(results.at("column:name").stops());
  EXPECT_EQ(results.size(), 2u);
  execute("DROP TABLE people");
  EXPECT_EQ(one("      - {name: id, logicalType: integer}\n").error, "there is no table people");
}

TEST_F(ContractRules, ARuleOfAContractChangesNothing) {
  constexpr std::string_view kId = "      - {name: id, logicalType: integer}\n";
  for (const std::string_view query : {"DELETE FROM people", "1); DELETE FROM people; SELECT (1",
                                       "SELECT 1; DROP TABLE people", "SELECT nothing FROM people"}) {
    const RuleResult result =
        one(kId, "    quality: [{id: q, type: sql, mustBe: 0, query: \"" + std::string(query) + "\"}]\n");
    EXPECT_NE(result.error, "") << query;
    EXPECT_TRUE(result.stops());
  }
  EXPECT_EQ(cell("SELECT count(*) FROM people"), "4");
}

TEST_F(ContractRules, ResultsAreKeptAndTheLatestAreFound) {
  const std::string_view kAge =
      "      - {name: age, logicalType: integer, logicalTypeOptions: {maximum: 150}}\n";
  auto connection = warehouse_->connect().value();
  for (const TimeUs time : {kNow, kNow + kHourUs}) {
    std::vector<RuleResult> results{one(kAge)};
    ASSERT_TRUE(keep_results(connection, results, std::to_string(time), "check", time));
    execute("DELETE FROM people WHERE age = 200");
  }
  EXPECT_THAT(rows("SELECT rule, passed, figure, row_count, must FROM contract_results ORDER BY check_time"),
              ElementsAre("range:age|false|1.0|4|must be 0", "range:age|true|0.0|3|must be 0"));
  EXPECT_THAT(rows("SELECT passed, samples FROM contract_results_latest"), ElementsAre("true|NULL"));
  EXPECT_EQ(cell("SELECT samples->0->>'age' FROM contract_results WHERE NOT passed"), "200");
  ASSERT_TRUE(keep_results(connection, {one(kAge)}, "late", "check", kNow + kRuleResultsKept + kDayUs));
  EXPECT_EQ(cell("SELECT count(*) FROM contract_results"), "1") << "those of long ago are forgotten";
}

TEST_F(ContractRules, NumbersAreComparedByWhatTheyAreAndColumnsByTheirOwnNames) {
  execute("ALTER TABLE people ADD COLUMN paid DECIMAL(18, 4)");
  execute("UPDATE people SET paid = CASE WHEN id = 1 THEN 7 WHEN age = 200 THEN 0 END");
  const auto with = [&](std::string_view rule) {
    return judge(
        "      - {name: amount, physicalName: paid, logicalType: number, quality: [" + std::string(rule) +
            "]}\n",
        "    quality: [{id: once, metric: duplicateValues, arguments: {properties: [amount]}, mustBe: "
        "0}]\n");
  };
  auto results = with("{id: known, metric: invalidValues, arguments: {validValues: [0, 7]}, mustBe: 0}");
  EXPECT_EQ(results.at("known").figure, 0) << results.at("known").error;
  EXPECT_EQ(results.at("once").figure, 0) << results.at("once").error;
  results = with("{id: none, metric: missingValues, arguments: {missingValues: [0]}, mustBe: 0}");
  EXPECT_EQ(results.at("none").figure, 1) << results.at("none").error;
}

/// Transforms whose tables contracts speak of.
class ContractTransforms : public ContractRules {
 protected:
  TransformOutcome run(std::string_view rules) {
    const Contracts contracts({test_contract(contract_text(
        "schema:\n  - name: adults\n    physicalName: analytics.adults\n" + std::string(rules)))});
    const TransformFile file{"transforms/adults.sql", "SELECT id, age FROM source('people') WHERE age > 18"};
    Transforms transforms(
        *warehouse_, [&]() -> Result<std::optional<std::vector<TransformFile>>> { return std::vector{file}; },
        {.contracts = &contracts});
    auto result = transforms.run({.full = true}, {}, {});
    EXPECT_TRUE(result) << result.error().text();
    return result->transforms.at(0);
  }
};

TEST_F(ContractTransforms, ARuleThatStopsKeepsTheTableAsItWas) {
  constexpr std::string_view kStop =
      "    properties: [{name: age, logicalType: integer, logicalTypeOptions: {maximum: 150}}]\n";
  execute("DELETE FROM people WHERE age = 200");
  EXPECT_EQ(run(kStop).state, TransformOutcome::State::kDone);
  EXPECT_EQ(cell("SELECT count(*) FROM analytics.adults"), "3");
  execute("INSERT INTO people VALUES (7, 'c', 300, NULL, NULL)");
  const TransformOutcome outcome = run(kStop);
  EXPECT_EQ(outcome.state, TransformOutcome::State::kFailed);
  EXPECT_THAT(
      outcome.error,
      HasSubstr("breaks a contract: range:age of shop 1.0.0: 1 of 4 rows; must be 0: nothing was changed"));
  EXPECT_EQ(cell("SELECT count(*) FROM analytics.adults"), "3") << "unpublished";
  EXPECT_THAT(rows("SELECT trigger, passed FROM contract_results ORDER BY check_time"),
              ElementsAre("transform|true", "transform|false"));
}

TEST_F(ContractTransforms, ARuleThatWarnsDoesNot) {
  EXPECT_EQ(
      run("    properties: [{name: age, logicalType: integer, quality: [{id: old, type: sql, severity: warn, "
          "query: 'SELECT max({property}) FROM {object}', mustBeLessThan: 150}]}]\n")
          .state,
      TransformOutcome::State::kDone);
  EXPECT_THAT(rows("SELECT rule, passed, figure FROM contract_results_latest"),
              ElementsAre("old|false|200.0"));
}

TEST_F(ContractTransforms, ARuleThatWarnsDoesNotEvenWhereItsSqlFails) {
  const auto outcome = run(
      "    properties: [{name: age, logicalType: integer, logicalTypeOptions: {maximum: 500}, quality: [{id: "
      "odd, "
      "type: sql, severity: warn, query: \"SELECT CAST('abc' || max({property}) AS DOUBLE) FROM {object}\", "
      "mustBe: 0}]}]\n");
  EXPECT_EQ(outcome.state, TransformOutcome::State::kDone) << outcome.error;
  EXPECT_EQ(cell("SELECT count(*) FROM analytics.adults"), "4");
  EXPECT_THAT(rows("SELECT rule, passed, error IS NULL FROM contract_results_latest ORDER BY rule"),
              ElementsAre("odd|false|false", "range:age|true|true"));
}

}  // namespace
}  // namespace millrace
