#include "vector/exact_index.h"

#include <gmock/gmock.h>

#include "vector/row_scan.h"
#include "vector/vector_index_conformance_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;

INSTANTIATE_TEST_SUITE_P(Exact, VectorIndexConformance, both_similarities([](const VectorShape& shape) {
                           return ExactIndex::make(shape).value();
                         }));

TEST(ExactIndex, FindsAllOfTheNearestOfHardData) {
  for (const Similarity similarity : {Similarity::kDot, Similarity::kCosine}) {
    const VectorShape shape{64, similarity};
    const VectorRows rows = gaussian_rows(3'000, 64), queries = gaussian_rows(9, 64, 3);
    const auto index = ExactIndex::make(shape).value();
    put_all(*index, rows);
    for (std::size_t i = 0; i < queries.ids.size(); ++i)
      EXPECT_EQ(share_found(plain_neighbours(shape, rows, queries.row(i, 64), 20),
                            *index->search(queries.row(i, 64), 20)),
                1);
  }
}

TEST(ExactIndex, ARemovedPlaceIsTakenByTheNext) {
  const auto index = ExactIndex::make({2, Similarity::kCosine}).value();
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(index->put(id, std::vector<float>{1, 2}));
  ASSERT_TRUE(index->remove("b"));
  EXPECT_EQ(index->slots(), 3u);
  EXPECT_EQ(index->id_at(1), "");
  ASSERT_TRUE(index->put("d", std::vector<float>{2, 1}));
  EXPECT_EQ(index->slots(), 3u);
  EXPECT_EQ(index->id_at(1), "d");
  EXPECT_THAT(rows_of(*index).ids, ElementsAre("a", "d", "c"));
}

TEST(ExactIndex, ShapesThatCannotBe) {
  EXPECT_EQ(ExactIndex::make({0, Similarity::kDot}).error().code, Code::kInvalid);
  EXPECT_EQ(ExactIndex::make({4'097, Similarity::kDot}).error().code, Code::kInvalid);
  EXPECT_TRUE(ExactIndex::make({4'096, Similarity::kDot}));
}

TEST(BestSlots, KeepsTheBestAndOfEqualsTheFirst) {
  BestSlots best(3);
  for (const auto& [score, slot] :
       std::vector<std::pair<float, std::uint32_t>>{{1, 0}, {5, 1}, {3, 2}, {3, 3}, {9, 4}, {2, 5}})
    if (score > best.above()) best.add({score, slot});
  std::vector<std::uint32_t> slots;
  for (const ScoredSlot& one : best.take()) slots.push_back(one.slot);
  EXPECT_THAT(slots, ElementsAre(4, 1, 2));
}

}  // namespace
}  // namespace millrace
