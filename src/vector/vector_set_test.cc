#include "vector/vector_set.h"

#include <random>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/fault_env_testing.h"
#include "vector/vector_index_conformance_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Path kSetDir = "/vectors/items";

using Contents = std::map<std::string, std::vector<float>>;

class VectorSetTest : public testing::Test {
 protected:
  VectorSetTest() {
    EXPECT_TRUE(env_.make_dirs("/vectors"));
    EXPECT_TRUE(env_.sync_dir("/"));
    options_.index.exact_max = 1'000;
    options_.index.recall_queries = 20;
  }
  void create(std::size_t dimensions = 2) {
    set_ =
        VectorSet::create(env_, kSetDir, "items", {dimensions, Similarity::kDot}, options_, quota_).value();
  }
  Status reopen() {
    set_.reset();
    auto opened = VectorSet::open(env_, kSetDir, "items", options_, quota_);
    if (!opened) return fail(opened.error());
    set_ = *std::move(opened);
    return {};
  }
  Status put(const std::string& id, std::vector<float> vector) {
    const VectorSet::Row row{id, std::move(vector)};
    return set_->put(std::span(&row, 1));
  }
  Contents contents() const {
    Contents all;
    for (std::string from;;) {
      const auto page = set_->page(from, 7).value();
      for (const auto& row : page.rows) EXPECT_TRUE(all.emplace(row.id, row.vector).second) << row.id;
      if (!page.next) return all;
      from = *page.next;
    }
  }
  std::vector<VectorSet::Row> rows_from(const VectorRows& rows, std::size_t dimensions) {
    std::vector<VectorSet::Row> out;
    for (std::size_t i = 0; i < rows.ids.size(); ++i) {
      const auto row = rows.row(i, dimensions);
      out.push_back({rows.ids[i], {row.begin(), row.end()}});
    }
    return out;
  }

  FaultEnv env_;
  VectorQuota quota_;
  VectorSet::Options options_;
  std::shared_ptr<VectorSet> set_;
};

TEST_F(VectorSetTest, WhatWasPutIsThereAfterAKill) {
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  ASSERT_TRUE(put("b", {3, 4}));
  ASSERT_TRUE(put("a", {5, 6}));
  EXPECT_TRUE(*set_->remove("b"));
  EXPECT_FALSE(*set_->remove("b"));
  const Contents before = contents();
  EXPECT_EQ(before, (Contents{{"a", {5, 6}}}));
  env_.restart_process();
  ASSERT_TRUE(reopen());
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(set_->shape(), (VectorShape{2, Similarity::kDot}));
  EXPECT_EQ(quota_.vectors, 1u);
}

TEST_F(VectorSetTest, ABatchIsAllOrNothingAndSaysWhich) {
  create();
  const std::vector<VectorSet::Row> rows = {{"a", {1, 2}}, {"b", {3}}};
  const Status refused = set_->put(rows);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_EQ(refused.error().where, "[1]");
  EXPECT_THAT(contents(), IsEmpty());
  const std::vector<VectorSet::Row> twice = {{"a", {1, 2}}, {"a", {3, 4}}};
  ASSERT_TRUE(set_->put(twice));
  EXPECT_EQ(contents(), (Contents{{"a", {3, 4}}}));
  EXPECT_EQ(quota_.vectors, 1u);
}

TEST_F(VectorSetTest, BeyondTheQuotaNothingIsAdded) {
  quota_.vectors_max = 2;
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  const std::vector<VectorSet::Row> rows = {{"a", {5, 6}}, {"b", {3, 3}}, {"c", {4, 4}}};
  const Status refused = set_->put(rows);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_THAT(refused.error().message, HasSubstr("vectors.vectors_max"));
  EXPECT_EQ(contents(), (Contents{{"a", {1, 2}}}));
  ASSERT_TRUE(put("b", {1, 2}));
  ASSERT_TRUE(put("b", {2, 2}));  // in its place
  ASSERT_TRUE(set_->remove("a"));
  ASSERT_TRUE(put("c", {1, 2}));
  set_.reset();
  EXPECT_EQ(quota_.vectors, 0u);
}

TEST_F(VectorSetTest, AFullDiskIsAClearErrorAndNothingHalf) {
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  env_.set_space(0);
  std::vector<VectorSet::Row> rows;
  for (int i = 0; i < 200; ++i) rows.push_back({fmt::format("b{}", i), {1, 1}});
  const Status full = set_->put(rows);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::kNoSpace);
  EXPECT_EQ(contents(), (Contents{{"a", {1, 2}}}));
  env_.set_space({});
  ASSERT_TRUE(put("c", {3, 4}));  // goes on by itself
  env_.restart_process();
  ASSERT_TRUE(reopen());
  EXPECT_EQ(contents(), (Contents{{"a", {1, 2}}, {"c", {3, 4}}}));
}

TEST_F(VectorSetTest, AFailedSyncStopsChangesUntilItIsOpenedAgain) {
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  env_.fail_sync(0);
  EXPECT_EQ(put("b", {1, 2}).error().code, Code::kIo);
  const Status after = put("c", {1, 2});
  EXPECT_EQ(after.error().code, Code::kIo);
  EXPECT_THAT(after.error().message, HasSubstr("restart"));
  EXPECT_EQ(contents(), (Contents{{"a", {1, 2}}}));  // still answers
  env_.restart_process();
  ASSERT_TRUE(reopen());
  ASSERT_TRUE(put("c", {1, 2}));
}

/// One of two contents is right: that before the change that was under way, or that after it.
void expect_either(const Contents& found, const Contents& before, const Contents& after,
                   std::string_view what) {
  EXPECT_TRUE(found == before || found == after) << what;
}

TEST_F(VectorSetTest, AnyMomentOfAPowerLossLeavesWhatWasAnswered) {
  options_.log_changes_min = 5;  // so that snapshots are among what is interrupted
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    FaultEnv env(seed);
    ASSERT_TRUE(env.make_dirs("/vectors"));
    ASSERT_TRUE(env.sync_dir("/"));
    VectorQuota quota;
    auto set = VectorSet::create(env, kSetDir, "items", {2, Similarity::kDot}, options_, quota).value();
    std::mt19937_64 random(seed);
    Contents before, after;
    env.die_after(random() % 60);
    for (int i = 0; i < 40; ++i) {
      const auto id = fmt::format("v{}", random() % 12);
      const std::vector<float> vector = {static_cast<float>(random() % 100), 1};
      Status done;
      if (random() % 4 == 0) {
        after.erase(id);
        const auto removed = set->remove(id);
        if (!removed) done = fail(removed.error());
      } else {
        after[id] = vector;
        const VectorSet::Row row{id, vector};
        done = set->put(std::span(&row, 1));
      }
      if (!done) break;
      before = after;
      if (i % 9 == 8) static_cast<void>(set->maintain(nullptr));
    }
    set.reset();
    if (seed % 2 == 0)
      env.power_loss(seed);
    else
      env.restart_process();
    auto again = VectorSet::open(env, kSetDir, "items", options_, quota);
    ASSERT_TRUE(again) << seed << ": " << again.error().text();
    Contents found;
    const auto page = (*again)->page("", 1'000).value();
    for (const auto& row : page.rows) found[row.id] = row.vector;
    expect_either(found, before, after, fmt::format("seed {}", seed));
    // It goes on, and that stays too.
    const VectorSet::Row row{"after", {1, 2}};
    ASSERT_TRUE((*again)->put(std::span(&row, 1))) << seed;
    again->reset();
    env.power_loss(seed + 1);
    ASSERT_TRUE(VectorSet::open(env, kSetDir, "items", options_, quota)) << seed;
  }
}

TEST_F(VectorSetTest, CreationIsWholeOrNotThere) {
  for (std::uint64_t operations = 0; operations < 20; ++operations) {
    FaultEnv env(operations);
    ASSERT_TRUE(env.make_dirs("/vectors"));
    ASSERT_TRUE(env.sync_dir("/"));
    env.die_after(operations);
    VectorQuota quota;
    const bool made =
        VectorSet::create(env, kSetDir, "items", {2, Similarity::kDot}, options_, quota).has_value();
    env.power_loss(operations);
    if (!env.exists(kSetDir)) {
      EXPECT_FALSE(made);
      continue;
    }
    const auto opened = VectorSet::open(env, kSetDir, "items", options_, quota);
    if (made) {
      EXPECT_TRUE(opened);
    } else if (!opened) {
      EXPECT_EQ(opened.error().code, Code::kNotFound) << opened.error().text();
      EXPECT_TRUE(remove_vector_files(env, kSetDir));
    }
  }
}

TEST_F(VectorSetTest, DamageIsRefusedNotForgotten) {
  create();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(fmt::format("v{}", i), {1, 2}));
  const Path log = kSetDir / "000000000001.log";
  const std::string whole = *read_file(env_, log);
  set_.reset();
  for (std::size_t at = 0; at + 50 < whole.size(); at += 13) {
    env_.flip_bits(log, at, 0x04);
    const Status opened = reopen();
    ASSERT_FALSE(opened) << at;
    EXPECT_EQ(opened.error().code, Code::kCorrupt) << at;
    EXPECT_THAT(opened.error().where, HasSubstr("000000000001.log"));
    env_.flip_bits(log, at, 0x04);
  }
  ASSERT_TRUE(reopen());
  EXPECT_THAT(contents(), SizeIs(20));
  set_.reset();
  env_.flip_bits(kSetDir / "000000000001.snapshot", 20, 0x01);
  EXPECT_EQ(reopen().error().code, Code::kCorrupt);
  env_.flip_bits(kSetDir / "000000000001.snapshot", 20, 0x01);
  ASSERT_TRUE(env_.remove(log));
  EXPECT_EQ(reopen().error().code, Code::kCorrupt);
}

TEST_F(VectorSetTest, TheLogIsShortenedIntoASnapshot) {
  options_.log_changes_min = 10;
  create();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(put(fmt::format("v{}", i % 12), {1.F * static_cast<float>(i), 2}));
  const Contents before = contents();
  ASSERT_TRUE(set_->maintain(nullptr));
  EXPECT_THAT(*env_.list_dir(kSetDir), ElementsAre("000000000002.log", "000000000002.snapshot"));
  ASSERT_TRUE(put("more", {7, 7}));
  ASSERT_TRUE(set_->maintain(nullptr));  // little to do: nothing
  EXPECT_THAT(*env_.list_dir(kSetDir), ElementsAre("000000000002.log", "000000000002.snapshot"));
  ASSERT_TRUE(reopen());
  EXPECT_THAT(contents(), SizeIs(before.size() + 1));
  EXPECT_EQ(contents().at("v5"), before.at("v5"));
}

TEST_F(VectorSetTest, WithoutRoomForASnapshotAllGoesOn) {
  options_.log_changes_min = 10;
  create();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(put(fmt::format("v{}", i), {1, 2}));
  env_.set_space(1'024);
  EXPECT_EQ(set_->maintain(nullptr).error().code, Code::kNoSpace);
  env_.set_space({});
  ASSERT_TRUE(put("more", {1, 2}));
  ASSERT_TRUE(reopen());
  EXPECT_THAT(contents(), SizeIs(301));
  ASSERT_TRUE(set_->maintain(nullptr));
  ASSERT_TRUE(reopen());
  EXPECT_THAT(contents(), SizeIs(301));
}

TEST_F(VectorSetTest, GrowsIntoAGraphAndShrinksBack) {
  create(8);
  const VectorRows rows = clustered_rows(1'500, 8);
  ASSERT_TRUE(set_->put(rows_from(rows, 8)));
  EXPECT_EQ(set_->info().index, "exact");
  const auto first = set_->page("", 10).value();
  ASSERT_TRUE(set_->maintain(nullptr));
  const VectorSetInfo info = set_->info();
  EXPECT_EQ(info.index, "hnsw");
  EXPECT_EQ(info.vectors, 1'500u);
  EXPECT_GE(info.quality.recall, 0.9);
  EXPECT_FALSE(info.is_building);
  // Slots are others now, which who was reading pages is told.
  EXPECT_EQ(set_->page(*first.next, 10).error().code, Code::kExists);
  EXPECT_EQ(set_->page("nonsense", 10).error().code, Code::kInvalid);
  EXPECT_THAT(contents(), SizeIs(1'500));
  ASSERT_TRUE(reopen());
  EXPECT_EQ(set_->info().index, "hnsw");
  EXPECT_EQ(set_->info().quality, info.quality);
  for (int i = 0; i < 1'100; ++i) ASSERT_TRUE(*set_->remove(fmt::format("v{}", i)));
  ASSERT_TRUE(set_->maintain(nullptr));
  EXPECT_EQ(set_->info().index, "exact");
  EXPECT_THAT(contents(), SizeIs(400));
}

TEST_F(VectorSetTest, WhatChangesWhileAnIndexIsMadeIsInIt) {
  options_.index.exact_max = 100;
  create(8);
  const VectorRows rows = clustered_rows(3'000, 8), others = clustered_rows(3'000, 8, 9);
  ASSERT_TRUE(set_->put(rows_from(rows, 8)));
  Contents wanted = contents();
  std::jthread maker([&] { EXPECT_TRUE(set_->maintain(nullptr)); });
  while (!set_->info().is_building) std::this_thread::yield();
  std::size_t during = 0;
  for (std::size_t i = 0; i < 600; ++i) {
    const auto row = others.row(i, 8);
    if (set_->info().is_building) ++during;
    if (i % 3 == 0) {
      ASSERT_TRUE(*set_->remove(rows.ids[i]));
      wanted.erase(rows.ids[i]);
    } else {
      const std::string id = i % 3 == 1 ? rows.ids[i] : fmt::format("new{}", i);
      ASSERT_TRUE(put(id, {row.begin(), row.end()}));
      wanted[id] = {row.begin(), row.end()};
    }
    ASSERT_TRUE(set_->search_all(row, 10));
  }
  maker.join();
  EXPECT_GT(during, 0u);
  EXPECT_EQ(set_->info().index, "hnsw");
  EXPECT_EQ(contents(), wanted);
  ASSERT_TRUE(reopen());
  EXPECT_EQ(contents(), wanted);
}

TEST_F(VectorSetTest, AMakingThatIsStoppedLeavesEverything) {
  options_.index.exact_max = 100;
  create(8);
  ASSERT_TRUE(set_->put(rows_from(clustered_rows(500, 8), 8)));
  const std::atomic<bool> stop = true;
  EXPECT_EQ(set_->maintain(&stop).error().code, Code::kCancelled);
  EXPECT_EQ(set_->info().index, "exact");
  EXPECT_FALSE(set_->info().is_building);
  ASSERT_TRUE(set_->maintain(nullptr));
  EXPECT_EQ(set_->info().index, "hnsw");
}

TEST_F(VectorSetTest, WithALowerQuotaThanThereIsOnlyReplacing) {
  create();
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(put(id, {1, 2}));
  quota_.vectors_max = 2;
  EXPECT_TRUE(put("a", {3, 4}));
  EXPECT_EQ(put("d", {3, 4}).error().code, Code::kOverloaded);
  EXPECT_EQ(quota_.vectors, 3u);
}

TEST_F(VectorSetTest, WhatACrashLeftHalfWrittenGoes) {
  create();
  set_.reset();
  ASSERT_TRUE(write_file_atomically(env_, kSetDir / "000000000002.snapshot.tmp", "half"));
  ASSERT_TRUE(reopen());
  EXPECT_THAT(*env_.list_dir(kSetDir), ElementsAre("000000000001.log", "000000000001.snapshot"));
}

TEST_F(VectorSetTest, ADroppedSetTakesNothingAndIsGone) {
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  ASSERT_TRUE(set_->drop());
  ASSERT_TRUE(set_->drop());
  EXPECT_FALSE(env_.exists(kSetDir));
  EXPECT_EQ(put("b", {1, 2}).error().code, Code::kNotFound);
  ASSERT_TRUE(set_->maintain(nullptr));
  EXPECT_FALSE(env_.exists(kSetDir));
}

TEST_F(VectorSetTest, FindSaysWhatIsNotThere) {
  create();
  ASSERT_TRUE(put("a", {1, 2}));
  EXPECT_EQ(*set_->find("a"), (std::vector<float>{1, 2}));
  EXPECT_EQ(set_->find("b").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace millrace
