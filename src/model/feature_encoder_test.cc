#include "model/feature_encoder.h"

#include <cmath>
#include <limits>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/text_grams.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

FeatureTable numbers(std::vector<double> values) {
  FeatureTable table{.ids = std::vector<std::string>(values.size())};
  table.columns.push_back({.name = "n", .numbers = std::move(values)});
  return table;
}

FeatureTable texts(ColumnKind kind, std::vector<std::string> values) {
  FeatureTable table{.ids = std::vector<std::string>(values.size())};
  table.columns.push_back({.name = "t", .kind = kind, .texts = std::move(values)});
  return table;
}

FeatureEncoder fit(const FeatureTable& table, std::vector<std::uint32_t> counts,
                   EncoderSettings settings = {}) {
  return FeatureEncoder::fit(table, counts, settings, "users").value();
}

std::vector<std::uint32_t> once(const FeatureTable& table) {
  return std::vector<std::uint32_t>(table.rows(), 1);
}

std::uint32_t index_of(const FeatureEncoder& encoder, const std::string& value) {
  const auto rows = encoder.encode(texts(ColumnKind::kCategory, {value})).value();
  EXPECT_EQ(rows.entries.size(), 1u);
  EXPECT_EQ(rows.entries[0].weight, 1);
  return rows.entries[0].index;
}

TEST(FeatureEncoder, StandardisesNumbersByTheRowsOfTheTrainingAsOftenAsTheyOccur) {
  const FeatureEncoder encoder = fit(numbers({1, 5, 1000}), {3, 1, 0});  // mean 2, deviation √3
  const auto rows = encoder.encode(numbers({2, 5, 1e9, -1e9})).value();
  EXPECT_EQ(encoder.numbers(), 1u);
  EXPECT_NEAR(rows.numbers.row(0)[0], 0, 1e-6);
  EXPECT_NEAR(rows.numbers.row(1)[0], std::sqrt(3.0), 1e-6);
  EXPECT_EQ(rows.numbers.row(2)[0], 10) << "beyond the limit";
  EXPECT_EQ(rows.numbers.row(3)[0], -10);
}

TEST(FeatureEncoder, TellsMissingNumbersWhereTheTrainingHadSome) {
  const FeatureEncoder encoder = fit(numbers({1, kMissing, 3}), {1, 1, 1});
  const auto rows = encoder.encode(numbers({kMissing, 3})).value();
  EXPECT_THAT(rows.numbers.values, ElementsAre(0, 1, 1, 0));

  const FeatureEncoder never = fit(numbers({1, kMissing, 3}), {1, 0, 1});
  EXPECT_THAT(never.encode(numbers({kMissing, 3})).value().numbers.values, ElementsAre(0, 1))
      << "a missing one is the mean where nothing could be learnt of missing ones";
}

TEST(FeatureEncoder, NumbersThatAreAllTheSameOrAllMissingSayNothing) {
  for (const auto& values : {std::vector<double>{0.1, 0.1, 0.1}, {kMissing, kMissing, kMissing}}) {
    const FeatureEncoder encoder = fit(numbers(values), {1, 1, 1});
    const auto rows = encoder.encode(numbers({1e6})).value();
    EXPECT_EQ(rows.numbers.row(0)[0], 0);
  }
}

TEST(FeatureEncoder, ValuesThatOccurOftenEnoughGetVectorsOfTheirOwn) {
  const auto table = texts(ColumnKind::kCategory, {"often", "rare", "never", "often", ""});
  const FeatureEncoder encoder = fit(table, {1, 1, 0, 1, 1}, {.occurrences_min = 2, .buckets = 4});
  const EncoderColumn& column = *encoder.fields().at(0);
  EXPECT_THAT(column.values, ElementsAre("often"));
  EXPECT_EQ(column.vectors(), 6u);
  EXPECT_EQ(index_of(encoder, ""), 0u);
  EXPECT_EQ(index_of(encoder, "often"), 1u);
  for (const std::string unseen : {"rare", "never", "of tomorrow", "\xFF\xFE"}) {
    EXPECT_EQ(index_of(encoder, unseen), 2 + feature_hash(unseen) % 4);
  }
  const FeatureEncoder by_count = fit(table, {1, 2, 0, 0, 1}, {.occurrences_min = 2});
  EXPECT_THAT(by_count.fields().at(0)->values, ElementsAre("rare")) << "a row may occur twice";
}

TEST(FeatureEncoder, UnseenValuesSpreadOverTheBuckets) {
  const FeatureEncoder encoder = fit(texts(ColumnKind::kCategory, {"a"}), {1}, {.buckets = 8});
  std::map<std::uint32_t, int> times;
  for (int i = 0; i < 4'000; ++i) ++times[index_of(encoder, "id-" + std::to_string(i))];
  EXPECT_EQ(times.size(), 8u);
  for (const auto& [bucket, count] : times) EXPECT_NEAR(count, 500, 150) << bucket;
}

TEST(FeatureEncoder, TextsAreTheirPiecesEachItsShare) {
  const auto table = texts(ColumnKind::kText, {"Red red", "?!", "", "Ähre"});
  const FeatureEncoder encoder =
      fit(table, once(table), {.text_buckets = 1'000'000, .grams = {.letters_min = 3, .letters_max = 3}});
  const auto rows = encoder.encode(table).value();
  // <red>, <re, red, ed>: twice each
  const auto red = rows.field(0, 0);
  EXPECT_EQ(red.size(), 4u);
  for (const FieldWeight& entry : red) EXPECT_FLOAT_EQ(entry.weight, 0.25F);
  for (const std::string piece : {"<red>", "<re", "red", "ed>"}) {
    const auto index = static_cast<std::uint32_t>(1 + feature_hash(piece) % 1'000'000);
    EXPECT_TRUE(std::ranges::any_of(red, [&](auto& entry) { return entry.index == index; })) << piece;
  }
  EXPECT_THAT(rows.field(1, 0), ElementsAre(FieldWeight{0, 1}));
  EXPECT_THAT(rows.field(2, 0), ElementsAre(FieldWeight{0, 1}));
  EXPECT_EQ(rows.field(3, 0).size(), 5u) << "<Ähre>, <Äh, Ähr, hre, re>: letters, not bytes";
}

TEST(FeatureEncoder, OfALongTextTheBeginningCounts) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "word" + std::to_string(i) + ' ';
  std::size_t count = 0;
  each_gram(text, {}, [&](std::string_view) { ++count; });
  EXPECT_EQ(count, kGramsMax);
}

TEST(FeatureEncoder, HashIsTheOneThatIsWrittenDown) {
  EXPECT_EQ(feature_hash(""), 0xCBF29CE484222325ULL ^ 0xCBF29CE4ULL);
  EXPECT_EQ(feature_hash("a"), 0xAF63DC4C8601EC8CULL ^ 0xAF63DC4CULL) << "FNV-1a of \"a\", folded";
}

TEST(FeatureEncoder, ComesBackFromJsonExactly) {
  FeatureTable table = numbers({0.1, 1.0 / 3, 7e-300, kMissing});
  table.columns.push_back(
      {.name = "city \"ü\"", .kind = ColumnKind::kCategory, .texts = {"a", "a", "b", "é"}});
  table.columns.push_back({.name = "title", .kind = ColumnKind::kText, .texts = {"one", "two", "", "x y"}});
  const FeatureEncoder encoder = fit(table, {1, 2, 3, 1});
  std::vector<EncoderColumn> read;
  for (const EncoderColumn& column : encoder.columns())
    read.push_back(encoder_from_json(nlohmann::json::parse(encoder_to_json(column).dump()), "x").value());
  const FeatureEncoder again = FeatureEncoder::of(read, "users").value();
  ASSERT_EQ(again.columns().size(), 3u);
  EXPECT_EQ(again.columns()[0].mean, encoder.columns()[0].mean);
  EXPECT_EQ(again.columns()[0].deviation, encoder.columns()[0].deviation);
  EXPECT_EQ(again.columns()[2].grams, encoder.columns()[2].grams);
  const auto before = encoder.encode(table).value(), after = again.encode(table).value();
  EXPECT_EQ(before.numbers, after.numbers);
  EXPECT_EQ(before.entries, after.entries);
  EXPECT_EQ(before.begin, after.begin);
}

TEST(FeatureEncoder, RefusesJsonThatIsNone) {
  const auto refusal = [](const char* json) {
    return encoder_from_json(nlohmann::json::parse(json), "towers.json: users.columns[0]").error().text();
  };
  EXPECT_THAT(refusal("[]"), HasSubstr("towers.json: users.columns[0]: a column is an object"));
  EXPECT_THAT(refusal(R"({"name":"n"})"), HasSubstr("'kind' is missing"));
  EXPECT_THAT(refusal(R"({"name":1,"kind":"number"})"), HasSubstr("'name' is 1"));
  EXPECT_THAT(refusal(R"({"name":"n","kind":"colour"})"), HasSubstr("'colour' is none of"));
  EXPECT_THAT(refusal(R"({"name":"n","kind":"number","mean":"x"})"), HasSubstr("'mean' is \"x\""));
  EXPECT_THAT(refusal(R"({"name":"n","kind":"category","buckets":-1})"), HasSubstr("'buckets' is -1"));
  EXPECT_THAT(refusal(R"({"name":"n","kind":"category","buckets":1})"), HasSubstr("'values' is no list"));
  EXPECT_THAT(refusal(R"({"name":"n","kind":"category","buckets":1,"values":[3]})"),
              HasSubstr("the value 3"));
}

TEST(FeatureEncoder, RefusesWhatItCannotRead) {
  const auto refusal = [](const FeatureTable& table, EncoderSettings settings = {}) {
    return FeatureEncoder::fit(table, once(table), settings, "users").error().text();
  };
  EXPECT_THAT(refusal({.ids = {"a"}}), HasSubstr("users: there are no features"));
  EXPECT_THAT(refusal(numbers({1, std::numeric_limits<double>::infinity()})),
              HasSubstr("'n' of row 1 is infinite"));
  FeatureTable table = numbers({1, 2});
  table.columns.push_back(table.columns[0]);
  EXPECT_THAT(refusal(table), HasSubstr("two columns 'n'"));
  table.columns[1].name = "m";
  table.columns[1].numbers.pop_back();
  EXPECT_THAT(refusal(table), HasSubstr("'m' has 1 values for 2 rows"));
  table.columns[1].name = "";
  EXPECT_THAT(refusal(table), HasSubstr("a column needs a name"));
  EXPECT_THAT(refusal(texts(ColumnKind::kCategory, {"a"}), {.buckets = 0}), HasSubstr("buckets must be 1"));
  EXPECT_THAT(refusal(texts(ColumnKind::kText, {"a"}), {.grams = {.letters_min = 5, .letters_max = 4}}),
              HasSubstr("letters must be"));
  EXPECT_THAT(refusal(numbers({1}), {.occurrences_min = 0}), HasSubstr("occurrences_min"));
}

TEST(FeatureEncoder, AsksForTheColumnsOfTheTraining) {
  const FeatureEncoder encoder = fit(numbers({1, 2}), {1, 1});
  FeatureTable other = texts(ColumnKind::kCategory, {"a"});
  EXPECT_THAT(encoder.encode(other).error().text(),
              HasSubstr("trained with the column 'n', a number, which is not there"));
  other.columns[0].name = "n";
  EXPECT_THAT(encoder.encode(other).error().text(), HasSubstr("which is a category here"));
  other.columns[0].name = "more";
  other.columns.push_back({.name = "n", .numbers = {1.5}});
  EXPECT_TRUE(encoder.encode(other)) << "columns it does not know are left out";
}

}  // namespace
}  // namespace millrace
