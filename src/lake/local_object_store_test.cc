#include "lake/local_object_store.h"

#include <cstdlib>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/fault_env_testing.h"
#include "lake/object_store_conformance_testing.h"

namespace millrace {
namespace {

template <class Base>
class Harness : public Base {
 public:
  Harness() { open(); }
  ObjectStore& store() override { return *store_; }
  void reopen() override {
    store_.reset();
    open();
  }

 private:
  void open() {
    auto opened = LocalObjectStore::open(this->env(), this->dir() / "lake");
    if (!opened) throw std::runtime_error(opened.error().text());
    store_ = *std::move(opened);
  }
  std::unique_ptr<LocalObjectStore> store_;
};

/// A directory of the machine, removed at the end.
class SystemBase : public ObjectStoreHarness {
 public:
  ~SystemBase() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  Env& env() { return Env::system(); }
  Path dir() { return dir_; }

 private:
  const Path dir_ = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-lake-XXXXXX").string();
    return Path(::mkdtemp(pattern.data()));
  }();
};

class FaultBase : public ObjectStoreHarness {
 public:
  FaultBase() {
    std::ignore = env_.make_dirs("/data");
    std::ignore = env_.sync_dir("/");
  }
  FaultEnv& env() { return env_; }
  Path dir() { return "/data"; }

 private:
  FaultEnv env_;
};

INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreConformance,
                         ::testing::Values([] { return std::make_unique<Harness<SystemBase>>(); }));
INSTANTIATE_TEST_SUITE_P(LocalInMemory, ObjectStoreConformance,
                         ::testing::Values([] { return std::make_unique<Harness<FaultBase>>(); }));

std::unique_ptr<LocalObjectStore> open(Env& env) {
  auto store = LocalObjectStore::open(env, "/data/lake");
  EXPECT_TRUE(store) << store.error().text();
  return *std::move(store);
}

/// Put, replace and remove at random, lose power at a random moment; then what was answered must hold. Return
/// what is wrong.
std::string lose_power_at_random(std::uint64_t seed, bool ignore_sync) {
  FaultEnv env(seed);
  std::mt19937_64 random(seed);
  std::ignore = env.make_dirs("/data");
  std::ignore = env.sync_dir("/");
  auto store = open(env);
  std::map<std::string, std::string> known;  ///< what each key holds; "" for nothing
  std::map<std::string, std::string> tried;  ///< what it may hold as well
  env.set_ignore_sync(ignore_sync, ignore_sync);
  env.die_after(random() % 200);
  for (int i = 0; i < 25; ++i) {
    const std::string key = fmt::format("d{}/k{}", random() % 3, random() % 4);
    const std::string bytes =
        random() % 4 == 0 ? "" : std::string(1 + random() % 3'000, static_cast<char>('a' + i));
    tried[key] = bytes;
    const Status done = bytes.empty() ? store->remove(key) : store->put(key, bytes);
    if (!done) break;
    known[key] = bytes;
    tried.erase(key);
  }
  store.reset();
  env.power_loss(random());
  env.set_ignore_sync(false, false);
  store = open(env);
  for (const auto& [key, bytes] : known) {
    const std::string found = store->get(key).value_or("");
    if (found != bytes && !(tried.contains(key) && tried[key] == found)) return key + " is another one";
  }
  for (const auto& [key, bytes] : tried) {
    const std::string found = store->get(key).value_or("");
    if (found != bytes && found != known[key]) return key + " is torn";
  }
  const auto temporaries = env.list_dir("/data/lake/.tmp");
  return temporaries && temporaries->empty() ? "" : "temporary files stay";
}

TEST(LocalObjectStore, KeepsWhatItAnsweredThroughALossOfPower) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed)
    EXPECT_EQ(lose_power_at_random(seed, false), "") << "seed " << seed;
}

TEST(LocalObjectStore, AStoreThatDoesNotSyncIsFound) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) found += lose_power_at_random(seed, true).empty() ? 0 : 1;
  EXPECT_GT(found, 40);
}

TEST(LocalObjectStore, AFullDiskLeavesTheOldObjectAndRecovers) {
  FaultEnv env;
  auto store = open(env);
  ASSERT_TRUE(store->put("a", "old"));
  env.set_space(512);
  const Status done = store->put("a", std::string(5'000, 'n'));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kNoSpace);
  EXPECT_EQ(store->get("a").value(), "old");
  EXPECT_TRUE(env.list_dir("/data/lake/.tmp")->empty()) << "what was half written takes room";
  env.set_space(std::nullopt);
  EXPECT_TRUE(store->put("a", "new"));
  EXPECT_EQ(store->get("a").value(), "new");
}

TEST(LocalObjectStore, ClearsWhatAProcessThatWasKilledWasWritingFoldersToo) {
  FaultEnv env;
  open(env);
  ASSERT_TRUE(env.make_dirs("/data/lake/.tmp/training/customer=1"));
  ASSERT_TRUE(env.open("/data/lake/.tmp/training/customer=1/part.parquet", OpenMode::kCreate));
  ASSERT_TRUE(env.open("/data/lake/.tmp/training/part.parquet", OpenMode::kCreate));
  open(env);
  EXPECT_TRUE(env.list_dir("/data/lake/.tmp")->empty());
}

TEST(LocalObjectStore, AFailedSyncIsAnError) {
  FaultEnv env;
  auto store = open(env);
  env.fail_sync(0);
  EXPECT_EQ(store->put("a", "x").error().code, Code::kIo);
  EXPECT_TRUE(store->put("a", "x"));
}

}  // namespace
}  // namespace millrace
