#include "vector/hnsw_index.h"

#include <gmock/gmock.h>

#include "base/fault_env_testing.h"
#include "vector/make_index.h"
#include "vector/vector_index_conformance_testing.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Hnsw, VectorIndexConformance, both_similarities([](const VectorShape& shape) {
                           return HnswIndex::make(shape, {}).value();
                         }));

TEST(HnswIndex, BuiltByTwoThreadsItHoldsTheSame) {
  const VectorShape shape{8, Similarity::kCosine};
  const VectorRows rows = clustered_rows(3'000, 8);
  const auto index = HnswIndex::build(shape, rows, {}, 2).value();
  ASSERT_EQ(index->size(), rows.ids.size());
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    const auto row = index->find(rows.ids[i]);
    ASSERT_TRUE(row) << rows.ids[i];
    ASSERT_TRUE(std::ranges::equal(*row, rows.row(i, 8))) << rows.ids[i];
  }
  EXPECT_GT(*measure_recall(*index, rows, clustered_rows(50, 8, 3).values, {}, 10), 0.9);
}

TEST(HnswIndex, TheSameRowsMakeTheSameGraph) {
  FaultEnv env;
  const VectorRows rows = clustered_rows(1'500, 8);
  for (const char* path : {"/a", "/b"})
    ASSERT_TRUE(HnswIndex::build({8, Similarity::kDot}, rows, {}).value()->save(env, path));
  EXPECT_EQ(*read_file(env, "/a"), *read_file(env, "/b"));
}

TEST(HnswIndex, IsWornByRemovalsAndUpdatesAndStaysBounded) {
  const VectorRows rows = clustered_rows(1'200, 4);
  const auto index = HnswIndex::build({4, Similarity::kDot}, rows, {}).value();
  EXPECT_FALSE(index->is_worn());
  std::size_t slots_max = 0;
  bool was_worn = false;
  for (int round = 0; round < 6; ++round) {
    put_all(*index, rows);
    was_worn = was_worn || index->is_worn();
    slots_max = std::max(slots_max, index->slots());
  }
  EXPECT_TRUE(was_worn);
  EXPECT_EQ(index->size(), 1'200u);
  EXPECT_LE(slots_max, 3 * 1'200u + 2);
}

TEST(HnswIndex, KeepsItsQualityInTheSnapshot) {
  FaultEnv env;
  const auto index =
      HnswIndex::build({4, Similarity::kDot}, clustered_rows(300, 4), {.m = 8, .ef = 77}).value();
  const IndexQuality quality{.recall = 0.875, .target = 0.95, .n = 10, .queries = 200, .vectors = 300};
  index->set_quality(quality);
  ASSERT_TRUE(index->save(env, "/x"));
  const auto again = load_index(env, "/x").value();
  EXPECT_EQ(again->quality(), quality);
  EXPECT_THAT(again->settings_text(), HasSubstr("M 8, ef_construction 200, ef 77"));
}

TEST(HnswIndex, SettingsThatCannotBe) {
  const VectorShape shape{4, Similarity::kDot};
  EXPECT_EQ(HnswIndex::make(shape, {.m = 1}).error().code, Code::kInvalid);
  EXPECT_EQ(HnswIndex::make(shape, {.m = 101}).error().code, Code::kInvalid);
  EXPECT_EQ(HnswIndex::make(shape, {.ef = 0}).error().code, Code::kInvalid);
  EXPECT_EQ(HnswIndex::make({0, Similarity::kDot}, {}).error().code, Code::kInvalid);
}

TEST(HnswIndex, StopsWhenTold) {
  const std::atomic<bool> stop = true;
  EXPECT_EQ(HnswIndex::build({4, Similarity::kDot}, clustered_rows(300, 4), {}, 1, &stop).error().code,
            Code::kCancelled);
}

}  // namespace
}  // namespace millrace
