#include "vector/vector_index_conformance_testing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/fault_env_testing.h"

namespace millrace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(VectorIndexConformance);

VectorRows gaussian_rows(std::size_t count, std::size_t dimensions, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  VectorRows rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.ids.push_back(fmt::format("v{}", i));
    for (std::size_t k = 0; k < dimensions; ++k) rows.values.push_back(normal(random));
  }
  return rows;
}

VectorRows clustered_rows(std::size_t count, std::size_t dimensions, std::uint64_t seed) {
  const std::size_t centres = std::max<std::size_t>(1, count / 50);
  const VectorRows middle = gaussian_rows(centres, dimensions, seed + 1);
  VectorRows rows = gaussian_rows(count, dimensions, seed);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < dimensions; ++k) {
      float& value = rows.values[i * dimensions + k];
      value = 0.3F * value + middle.values[i % centres * dimensions + k];
    }
  return rows;
}

std::vector<Neighbour> plain_neighbours(const VectorShape& shape, const VectorRows& rows,
                                        std::span<const float> query, std::size_t n, const IdFilter& filter) {
  const auto product = [](std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
  };
  std::vector<Neighbour> all;
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    if (filter && !filter(rows.ids[i])) continue;
    const auto row = rows.row(i, shape.dimensions);
    double score = product(row, query);
    const double lengths = std::sqrt(product(row, row) * product(query, query));
    if (shape.similarity == Similarity::kCosine) score = lengths == 0 ? 0 : score / lengths;
    all.push_back({rows.ids[i], static_cast<float>(score)});
  }
  std::ranges::sort(all, [](const Neighbour& a, const Neighbour& b) {
    return a.score > b.score || (a.score == b.score && a.id < b.id);
  });
  all.resize(std::min(n, all.size()));
  return all;
}

std::vector<std::string> ids_of(const std::vector<Neighbour>& neighbours) {
  std::vector<std::string> ids;
  for (const Neighbour& one : neighbours) ids.push_back(one.id);
  return ids;
}

double share_found(const std::vector<Neighbour>& wanted, const std::vector<Neighbour>& found) {
  std::set<std::string> there;
  for (const Neighbour& one : found) there.insert(one.id);
  double sum = 0;
  for (const Neighbour& one : wanted) sum += static_cast<double>(there.count(one.id));
  return wanted.empty() ? 1 : sum / static_cast<double>(wanted.size());
}

void put_all(VectorIndex& index, const VectorRows& rows) {
  for (std::size_t i = 0; i < rows.ids.size(); ++i)
    ASSERT_TRUE(index.put(rows.ids[i], rows.row(i, index.shape().dimensions)));
}

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> floats(std::initializer_list<float> values) {
  return values;
}

/// Compare the answers to `queries` with plain ones: scores of all found are right, and most are found.
void expect_neighbours(const VectorIndex& index, const VectorRows& rows, const VectorRows& queries,
                       std::size_t n, double share_wanted, const IdFilter& filter = {}) {
  double share = 0;
  for (std::size_t i = 0; i < queries.ids.size(); ++i) {
    const auto query = queries.row(i, index.shape().dimensions);
    const auto wanted = plain_neighbours(index.shape(), rows, query, n, filter);
    const auto found = index.search(query, n, filter);
    ASSERT_TRUE(found) << found.error().text();
    ASSERT_THAT(*found, SizeIs(wanted.size()));
    const auto all = plain_neighbours(index.shape(), rows, query, rows.ids.size(), filter);
    for (std::size_t k = 0; k < found->size(); ++k) {
      const auto same = std::ranges::find(all, (*found)[k].id, &Neighbour::id);
      ASSERT_NE(same, all.end()) << (*found)[k].id;
      ASSERT_NEAR((*found)[k].score, same->score, 1e-3) << same->id;
      if (k > 0) {
        ASSERT_LE((*found)[k].score, (*found)[k - 1].score);
      }
    }
    share += share_found(wanted, *found);
  }
  EXPECT_GE(share / static_cast<double>(queries.ids.size()), share_wanted);
}

TEST_P(VectorIndexConformance, AnEmptyOneAnswersWithNothing) {
  const auto index = make(3);
  EXPECT_EQ(index->size(), 0u);
  EXPECT_THAT(*index->search(floats({1, 2, 3}), 10), IsEmpty());
  EXPECT_FALSE(index->find("a"));
  EXPECT_FALSE(index->remove("a"));
  EXPECT_THAT(*index->search_all({}, 10), IsEmpty());
}

TEST_P(VectorIndexConformance, NearestFirstAndEqualsById) {
  const auto index = make(2);
  ASSERT_TRUE(index->put("east", floats({1, 0})));
  ASSERT_TRUE(index->put("north", floats({0, 1})));
  ASSERT_TRUE(index->put("west", floats({-1, 0})));
  ASSERT_TRUE(index->put("b-east", floats({1, 0})));
  const auto found = index->search(floats({2, 1}), 3);
  ASSERT_TRUE(found);
  EXPECT_THAT(ids_of(*found), ElementsAre("b-east", "east", "north"));
  const float scale = shape(2).similarity == Similarity::kDot ? 1 : std::sqrt(5.F);
  EXPECT_NEAR((*found)[0].score, 2 / scale, 1e-6);
  EXPECT_NEAR((*found)[2].score, 1 / scale, 1e-6);
  EXPECT_THAT(*index->search(floats({2, 1}), 0), IsEmpty());
  EXPECT_THAT(ids_of(*index->search(floats({2, 1}), 1'000'000)),
              ElementsAre("b-east", "east", "north", "west"));
}

TEST_P(VectorIndexConformance, FindsTheNearestOfMany) {
  for (const std::size_t dimensions : {1u, 5u, 16u, 33u}) {
    const VectorRows rows = clustered_rows(3'000, dimensions);
    const auto index = make(dimensions);
    put_all(*index, rows);
    EXPECT_EQ(index->size(), 3'000u);
    expect_neighbours(*index, rows, clustered_rows(40, dimensions, 9), 10, dimensions == 1 ? 0.0 : 0.9);
  }
}

TEST_P(VectorIndexConformance, ManyQueriesAtOnceAreTheSameAsOneByOne) {
  const VectorRows rows = clustered_rows(2'500, 24), queries = clustered_rows(7, 24, 5);
  const auto index = make(24);
  put_all(*index, rows);
  const auto lists = index->search_all(queries.values, 12);
  ASSERT_TRUE(lists);
  ASSERT_THAT(*lists, SizeIs(7));
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ((*lists)[i], *index->search(queries.row(i, 24), 12)) << i;
}

TEST_P(VectorIndexConformance, UpdatesTakeThePlaceAndRemovalsAreGone) {
  VectorRows rows = clustered_rows(2'000, 8);
  const auto index = make(8);
  put_all(*index, rows);
  const VectorRows others = clustered_rows(2'000, 8, 77);
  VectorRows left;
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    if (i % 3 == 0) {
      EXPECT_TRUE(index->remove(rows.ids[i]));
      EXPECT_FALSE(index->remove(rows.ids[i]));
      continue;
    }
    const auto row = (i % 3 == 1 ? rows : others).row(i, 8);
    if (i % 3 == 2) {
      ASSERT_TRUE(index->put(rows.ids[i], row));
    }
    left.ids.push_back(rows.ids[i]);
    left.values.insert(left.values.end(), row.begin(), row.end());
  }
  EXPECT_EQ(index->size(), left.ids.size());
  EXPECT_FALSE(index->find("v0"));
  EXPECT_THAT(std::vector(index->find("v2")->begin(), index->find("v2")->end()),
              ::testing::ElementsAreArray(others.row(2, 8)));
  expect_neighbours(*index, left, clustered_rows(30, 8, 9), 10, 0.9);
  // And back again: what was removed can come anew.
  ASSERT_TRUE(index->put("v0", rows.row(0, 8)));
  const auto best = index->search(rows.row(0, 8), 2'000);
  EXPECT_EQ(std::ranges::count(*best, "v0", &Neighbour::id), 1);
}

TEST_P(VectorIndexConformance, FiltersLeaveFewOrNone) {
  const VectorRows rows = clustered_rows(3'000, 12);
  const auto index = make(12);
  put_all(*index, rows);
  const VectorRows queries = clustered_rows(10, 12, 9);
  expect_neighbours(*index, rows, queries, 10, 0.9, [](std::string_view id) { return id.back() != '7'; });
  expect_neighbours(*index, rows, queries, 10, 1.0, [](std::string_view id) { return id.ends_with("77"); });
  expect_neighbours(*index, rows, queries, 10, 1.0,
                    [](std::string_view id) { return id == "v5" || id == "v6"; });
  EXPECT_THAT(*index->search(queries.row(0, 12), 5, [](std::string_view) { return false; }), IsEmpty());
}

TEST_P(VectorIndexConformance, DuplicatesAreAllFound) {
  const auto index = make(4);
  for (int i = 0; i < 1'500; ++i) ASSERT_TRUE(index->put(fmt::format("d{:04}", i), floats({1, 2, 3, 4})));
  EXPECT_THAT(*index->search(floats({1, 1, 1, 1}), 20), SizeIs(20));
  EXPECT_THAT(*index->search(floats({1, 1, 1, 1}), 1'500), SizeIs(1'500));
}

TEST_P(VectorIndexConformance, AllCanBeRemovedAndOthersCome) {
  const VectorRows rows = clustered_rows(1'500, 6);
  const auto index = make(6);
  for (int round = 0; round < 3; ++round) {
    put_all(*index, rows);
    for (const std::string& id : rows.ids) ASSERT_TRUE(index->remove(id));
    EXPECT_EQ(index->size(), 0u);
    EXPECT_THAT(*index->search(rows.row(0, 6), 10), IsEmpty());
  }
  ASSERT_TRUE(index->put("last", rows.row(7, 6)));
  EXPECT_THAT(ids_of(*index->search(rows.row(3, 6), 10)), ElementsAre("last"));
}

TEST_P(VectorIndexConformance, RefusesWhatIsNoVectorSayingWhy) {
  const auto index = make(3);
  const auto refused = [&](std::string_view id, const std::vector<float>& vector) {
    const Status put = index->put(id, vector);
    EXPECT_FALSE(put);
    if (put) return std::string();
    EXPECT_EQ(put.error().code, Code::kInvalid);
    return put.error().message;
  };
  EXPECT_THAT(refused("a", {1, 2}), HasSubstr("has 2 values; all here have 3"));
  EXPECT_THAT(refused("a", {}), HasSubstr("has 0 values"));
  EXPECT_THAT(refused("a", {1, kNan, 3}), HasSubstr("value 2 of the vector is not a number"));
  EXPECT_THAT(refused("a", {1, 2, -kInfinity}), HasSubstr("value 3 of the vector is infinite"));
  EXPECT_THAT(refused("a", {2e16F, 2, 3}), HasSubstr("value 1 of the vector is larger"));
  EXPECT_THAT(refused("", {1, 2, 3}), HasSubstr("empty"));
  EXPECT_THAT(refused("a\nb", {1, 2, 3}), HasSubstr("control characters"));
  EXPECT_THAT(refused("\xff", {1, 2, 3}), HasSubstr("UTF-8"));
  EXPECT_THAT(refused(std::string(257, 'x'), {1, 2, 3}), HasSubstr("longer than 256"));
  EXPECT_EQ(index->size(), 0u);
  EXPECT_EQ(index->search(floats({1, 2}), 3).error().code, Code::kInvalid);
  EXPECT_EQ(index->search(floats({1, kNan, 2}), 3).error().code, Code::kInvalid);
  EXPECT_EQ(index->search_all(floats({1, 2, 3, 4}), 3).error().code, Code::kInvalid);
}

TEST_P(VectorIndexConformance, ZerosAndExtremesHaveScores) {
  const auto index = make(2);
  ASSERT_TRUE(index->put("zero", floats({0, 0})));
  ASSERT_TRUE(index->put("large", floats({1e16F, 1e16F})));
  ASSERT_TRUE(index->put("tiny", floats({1e-38F, 1e-38F})));
  ASSERT_TRUE(index->put("back", floats({-1, -1})));
  for (const auto& query : {floats({1, 1}), floats({0, 0}), floats({1e16F, 1e16F}), floats({1e-40F, 0})}) {
    const auto found = index->search(query, 4);
    ASSERT_TRUE(found);
    EXPECT_THAT(*found, SizeIs(4));
    for (const Neighbour& one : *found) EXPECT_TRUE(std::isfinite(one.score)) << one.id;
  }
  EXPECT_EQ(index->search(floats({1, 1}), 1)->front().id, "large");
  EXPECT_EQ(index->search(floats({1, 1}), 4)->back().id, "back");
}

TEST_P(VectorIndexConformance, ASnapshotReadsTheSame) {
  FaultEnv env;
  const VectorRows rows = clustered_rows(2'200, 10);
  const auto index = make(10);
  put_all(*index, rows);
  for (std::size_t i = 0; i < rows.ids.size(); i += 5) ASSERT_TRUE(index->remove(rows.ids[i]));
  ASSERT_TRUE(index->save(env, "/one"));
  const auto again = load_index(env, "/one");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->kind(), index->kind());
  EXPECT_EQ((*again)->shape(), index->shape());
  EXPECT_EQ((*again)->size(), index->size());
  EXPECT_EQ((*again)->settings_text(), index->settings_text());
  const VectorRows queries = clustered_rows(20, 10, 9);
  EXPECT_EQ(*(*again)->search_all(queries.values, 10), *index->search_all(queries.values, 10));
  // It goes on like the one it was.
  ASSERT_TRUE((*again)->put("new", rows.row(0, 10)));
  ASSERT_TRUE((*again)->remove("v1"));
  EXPECT_EQ((*again)->size(), index->size());
  EXPECT_EQ(load_index(env, "/none").error().code, Code::kNotFound);
}

TEST_P(VectorIndexConformance, AnEmptySnapshotToo) {
  FaultEnv env;
  ASSERT_TRUE(make(4)->save(env, "/none"));
  const auto again = load_index(env, "/none");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->size(), 0u);
  ASSERT_TRUE((*again)->put("a", floats({1, 2, 3, 4})));
  EXPECT_THAT(*(*again)->search(floats({1, 2, 3, 4}), 3), SizeIs(1));
}

TEST_P(VectorIndexConformance, ADamagedSnapshotIsRefused) {
  FaultEnv env;
  const VectorRows rows = clustered_rows(60, 4);
  const auto index = make(4);
  put_all(*index, rows);
  ASSERT_TRUE(index->save(env, "/one"));
  const std::string whole = *read_file(env, "/one");
  const auto code_of = [&](const std::string& bytes) {
    EXPECT_TRUE(write_file_atomically(env, "/two", bytes));
    const auto loaded = load_index(env, "/two");
    return loaded ? std::string("none") : std::string(code_name(loaded.error().code));
  };
  EXPECT_EQ(code_of(whole), "none");
  for (std::size_t i = 0; i < whole.size(); i += i < 64 ? 1 : 97) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_EQ(code_of(flipped), "corrupt") << i;
    EXPECT_EQ(code_of(whole.substr(0, i)), "corrupt") << i;
  }
  EXPECT_EQ(code_of(whole + "x"), "corrupt");
}

TEST_P(VectorIndexConformance, AFullDiskLeavesTheSnapshotOfBefore) {
  FaultEnv env;
  const auto index = make(4);
  put_all(*index, clustered_rows(50, 4));
  ASSERT_TRUE(index->save(env, "/one"));
  const std::string before = *read_file(env, "/one");
  put_all(*index, clustered_rows(500, 4));
  env.set_space(2'048);
  const Status saved = index->save(env, "/one");
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Code::kNoSpace);
  EXPECT_EQ(*read_file(env, "/one"), before);
}

}  // namespace
}  // namespace millrace
