#include "vector/vector_sets.h"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VectorSetsTest : public testing::Test {
 protected:
  VectorSetsTest() {
    EXPECT_TRUE(env_.make_dirs("/data"));
    open();
  }
  void open() {
    sets_.reset();
    sets_ = VectorSets::open(env_, "/data/vectors", options_).value();
  }
  Status put(std::string_view set, const std::string& id) {
    MILLRACE_ASSIGN(const auto found, sets_->find(set));
    const VectorSet::Row row{id, {1, 2}};
    return found->put(std::span(&row, 1));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const VectorSetInfo& info : sets_->list()) names.push_back(info.name);
    return names;
  }

  FaultEnv env_;
  VectorSets::Options options_ = {.set = {}, .vectors_max = 10, .sets_max = 3};
  std::unique_ptr<VectorSets> sets_;
};

TEST_F(VectorSetsTest, SetsAreMadeFoundListedAndDropped) {
  ASSERT_TRUE(sets_->create("users", {2, Similarity::kDot}));
  ASSERT_TRUE(sets_->create("items", {2, Similarity::kCosine}));
  ASSERT_TRUE(sets_->create("items", {2, Similarity::kCosine}));
  EXPECT_EQ(sets_->create("items", {3, Similarity::kCosine}).error().code, Code::kExists);
  EXPECT_EQ(sets_->create("Items!", {3, Similarity::kCosine}).error().code, Code::kInvalid);
  EXPECT_EQ(sets_->create("other", {0, Similarity::kCosine}).error().code, Code::kInvalid);
  ASSERT_TRUE(put("items", "a"));
  EXPECT_THAT(names(), ElementsAre("items", "users"));
  open();
  EXPECT_THAT(names(), ElementsAre("items", "users"));
  EXPECT_EQ(sets_->list().front().vectors, 1u);
  EXPECT_EQ(sets_->list().front().shape, (VectorShape{2, Similarity::kCosine}));
  EXPECT_EQ(sets_->vectors(), 1u);
  EXPECT_THAT(sets_->find("itms").error().message, HasSubstr("did you mean items?"));
  EXPECT_THAT(sets_->find("xyz").error().message, HasSubstr("GET /v1/vectors"));
  ASSERT_TRUE(sets_->drop("items"));
  EXPECT_EQ(sets_->drop("items").error().code, Code::kNotFound);
  // The keeper may still be looking at it.
  for (int i = 0; i < 10'000 && sets_->vectors() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(sets_->vectors(), 0u);
  open();
  EXPECT_THAT(names(), ElementsAre("users"));
  // The name can be taken anew, by another shape.
  ASSERT_TRUE(sets_->create("items", {5, Similarity::kDot}));
}

TEST_F(VectorSetsTest, AreBoundedAllTogether) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(sets_->create(name, {2, Similarity::kDot}));
  EXPECT_EQ(sets_->create("d", {2, Similarity::kDot}).error().code, Code::kOverloaded);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(i % 2 == 0 ? "a" : "b", std::to_string(i)));
  EXPECT_EQ(put("c", "one more").error().code, Code::kOverloaded);
  open();
  EXPECT_EQ(put("c", "one more").error().code, Code::kOverloaded);
  ASSERT_TRUE(sets_->drop("a"));
  EXPECT_TRUE(put("c", "one more"));
}

TEST_F(VectorSetsTest, ADamagedSetKeepsNobodyElseFromWork) {
  ASSERT_TRUE(sets_->create("bad", {2, Similarity::kDot}));
  ASSERT_TRUE(sets_->create("good", {2, Similarity::kDot}));
  ASSERT_TRUE(put("good", "a"));
  sets_.reset();
  env_.flip_bits("/data/vectors/bad/000000000001.snapshot", 12, 0x80);
  open();
  EXPECT_THAT(names(), ElementsAre("bad", "good"));
  EXPECT_THAT(sets_->list().front().problem, HasSubstr("000000000001.snapshot"));
  EXPECT_EQ(sets_->find("bad").error().code, Code::kCorrupt);
  EXPECT_EQ(sets_->create("bad", {2, Similarity::kDot}).error().code, Code::kCorrupt);
  EXPECT_TRUE(put("good", "b"));
  ASSERT_TRUE(sets_->drop("bad"));
  EXPECT_TRUE(sets_->create("bad", {2, Similarity::kDot}));
  open();
  EXPECT_TRUE(sets_->find("bad"));
}

TEST_F(VectorSetsTest, LeavesOfAHalfMadeSetGoAndStrayFilesStay) {
  sets_.reset();
  ASSERT_TRUE(env_.make_dirs("/data/vectors/half"));
  ASSERT_TRUE(write_file_atomically(env_, "/data/vectors/half/000000000001.log", "x"));
  ASSERT_TRUE(write_file_atomically(env_, "/data/vectors/Notes.txt", "mine"));
  ASSERT_TRUE(env_.make_dirs("/data/vectors/own"));
  ASSERT_TRUE(write_file_atomically(env_, "/data/vectors/own/notes.txt", "mine"));
  open();
  EXPECT_FALSE(env_.exists("/data/vectors/half"));
  EXPECT_TRUE(env_.exists("/data/vectors/own/notes.txt"));
  EXPECT_TRUE(env_.exists("/data/vectors/Notes.txt"));
}

TEST_F(VectorSetsTest, LooksAfterItsSetsByItself) {
  options_.set.index.exact_max = 4;
  options_.pause = kMillisecondUs;
  open();
  ASSERT_TRUE(sets_->create("items", {2, Similarity::kDot}));
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(put("items", std::to_string(i)));
  while (sets_->list().front().index != "hnsw") std::this_thread::yield();
  EXPECT_EQ(sets_->list().front().vectors, 9u);
}

TEST_F(VectorSetsTest, RestsAfterAFailure) {
  options_.set.index.exact_max = 4;
  options_.pause = kHourUs;
  open();
  ASSERT_TRUE(sets_->create("items", {2, Similarity::kDot}));
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(put("items", std::to_string(i)));
  env_.set_space(0);
  sets_->maintain_all();  // the graph is made, its snapshot is not
  EXPECT_EQ(sets_->list().front().index, "hnsw");
  env_.set_space({});
  const std::uint64_t operations = env_.operations();
  sets_->maintain_all();
  EXPECT_EQ(env_.operations(), operations);  // not at once again
  env_.advance(kHourUs);
  sets_->maintain_all();
  EXPECT_TRUE(env_.exists("/data/vectors/items/000000000002.snapshot"));
  EXPECT_TRUE(put("items", "a"));
}

}  // namespace
}  // namespace millrace
