#include "vector/make_index.h"

#include <gmock/gmock.h>

#include "vector/vector_index_conformance_testing.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

TEST(MakeIndex, FewAreComparedAllManyByAGraph) {
  const VectorShape shape{8, Similarity::kDot};
  const VectorRows rows = clustered_rows(1'000, 8);
  EXPECT_EQ(make_index(shape, rows, {.exact_max = 1'000}).value()->kind(), "exact");
  const auto graph = make_index(shape, rows, {.exact_max = 999}).value();
  EXPECT_EQ(graph->kind(), "hnsw");
  EXPECT_EQ(graph->size(), 1'000u);
  EXPECT_EQ(graph->quality().vectors, 1'000u);
  EXPECT_EQ(graph->quality().queries, 200u);
  EXPECT_EQ(make_index(shape, {}, {}).value()->size(), 0u);
}

TEST(MakeIndex, EasyDataReachTheTargetAsTheyAre) {
  const VectorRows rows = clustered_rows(4'000, 16);
  const auto index = make_index({16, Similarity::kCosine}, rows, {.exact_max = 100}).value();
  EXPECT_GE(index->quality().recall, 0.95);
  EXPECT_THAT(index->settings_text(), HasSubstr("M 16, ef_construction 200"));
  // What it says of itself is what another sample of queries says.
  EXPECT_GT(*measure_recall(*index, rows, clustered_rows(100, 16, 5).values, {}, 10), 0.9);
}

TEST(MakeIndex, HardDataAreNoticedAndTheGraphMadeStronger) {
  const VectorShape shape{48, Similarity::kDot};
  const VectorRows rows = gaussian_rows(6'000, 48);
  std::vector<std::string> notes;
  IndexOptions options{.exact_max = 100, .recall = 0.99, .recall_queries = 60};
  options.hnsw = {.m = 4, .ef_construction = 20, .ef = 10, .seed = 1};
  options.ef_max = 40;
  options.note = [&](std::string_view text) { notes.emplace_back(text); };
  const auto index = make_index(shape, rows, options).value();
  ASSERT_EQ(notes.size(), 6u) << testing::PrintToString(notes);  // ef 10, 20, 40 of each of two graphs
  EXPECT_THAT(notes[0], HasSubstr("M 4, ef_construction 20, ef 10"));
  EXPECT_THAT(notes[5], HasSubstr("M 8, ef_construction 40, ef 40"));
  const IndexQuality quality = index->quality();
  EXPECT_LT(quality.recall, 0.9) << "then these data are not hard, and the test shows nothing";
  EXPECT_EQ(quality.target, 0.99);
  // It does not flatter itself: people's queries fare no worse than measured.
  EXPECT_NEAR(*measure_recall(*index, rows, gaussian_rows(200, 48, 8).values, {}, 10), quality.recall, 0.15);
}

TEST(MakeIndex, MeasuresOnGivenQueries) {
  const VectorRows rows = clustered_rows(2'000, 8);
  const VectorRows queries = gaussian_rows(30, 8, 4);
  IndexOptions options{.exact_max = 100};
  options.queries = queries.values;
  EXPECT_EQ(make_index({8, Similarity::kDot}, rows, options).value()->quality().queries, 30u);
  options.queries = std::span(queries.values).first(9);
  EXPECT_EQ(make_index({8, Similarity::kDot}, rows, options).error().code, Code::kInvalid);
}

TEST(MakeIndex, RecallIsOneOfAnExactIndexAlsoOfDuplicates) {
  VectorRows rows = clustered_rows(300, 4);
  for (std::size_t i = 0; i < 100; ++i) std::copy_n(rows.values.begin(), 4, rows.values.begin() + i * 4);
  const auto index = make_index({4, Similarity::kCosine}, rows, {}).value();
  EXPECT_EQ(*measure_recall(*index, rows, rows.values, rows.ids, 10), 1);
  EXPECT_EQ(*measure_recall(*index, rows, rows.values, {}, 10), 1);
}

TEST(MakeIndex, RefusesBadRows) {
  VectorRows rows = clustered_rows(10, 4);
  rows.values[7] = std::nanf("");
  EXPECT_EQ(make_index({4, Similarity::kDot}, rows, {}).error().code, Code::kInvalid);
  EXPECT_EQ(make_index({4, Similarity::kDot}, rows, {.exact_max = 5}).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace millrace
