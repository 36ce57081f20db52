#include "lake/object_store_conformance_testing.h"

#include <atomic>
#include <thread>

#include <fmt/format.h>

namespace millrace {

// The programs of other layers link these helpers too, and run none of them.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectStoreConformance);

ObjectStoreHarness::~ObjectStoreHarness() = default;

ObjectStoreConformance::ObjectStoreConformance() : harness_(GetParam()()) {}
ObjectStoreConformance::~ObjectStoreConformance() = default;

void ObjectStoreConformance::put(std::string_view key, std::string_view bytes) {
  const Status done = store().put(key, bytes);
  ASSERT_TRUE(done) << done.error().text();
}

std::string ObjectStoreConformance::get(std::string_view key) {
  const auto bytes = store().get(key);
  return bytes ? *bytes : "error: " + std::string(code_name(bytes.error().code));
}

std::vector<std::string> ObjectStoreConformance::keys(std::string_view prefix) {
  const auto found = store().list(prefix);
  EXPECT_TRUE(found) << found.error().text();
  std::vector<std::string> keys;
  for (const auto& object : found.value_or(std::vector<ObjectInfo>())) keys.push_back(object.key);
  return keys;
}

using Keys = std::vector<std::string>;

TEST_P(ObjectStoreConformance, KeepsWhatWasPut) {
  const std::string bytes("a\0\nb\xFF", 5);
  put("zone/year=2026/0-1-2.jsonl.zst", bytes);
  put("empty", "");
  reopen();
  EXPECT_EQ(get("zone/year=2026/0-1-2.jsonl.zst"), bytes);
  EXPECT_EQ(get("empty"), "");
}

TEST_P(ObjectStoreConformance, ReplacesAnObjectWhole) {
  put("a/b", "a long first version");
  put("a/b", "short");
  EXPECT_EQ(get("a/b"), "short");
  EXPECT_EQ(store().list("a/").value(), (std::vector<ObjectInfo>{{"a/b", 5}}));
}

TEST_P(ObjectStoreConformance, GetsARange) {
  put("range", "0123456789");
  EXPECT_EQ(store().get("range", 3, 4).value(), "3456");
  EXPECT_EQ(store().get("range", 8, 10).value(), "89");
  EXPECT_EQ(store().get("range", 10, 1).value(), "");
  EXPECT_EQ(store().get("range", 99, 1).value(), "");
  EXPECT_EQ(store().get("range", 4).value(), "456789");
}

TEST_P(ObjectStoreConformance, ListsByPrefixInOrder) {
  for (const char* key : {"b/2", "b/1", "a/z/deep/er", "b.meta/1", "ba/3"}) put(key, key);
  EXPECT_EQ(keys(""), (Keys{"a/z/deep/er", "b.meta/1", "b/1", "b/2", "ba/3"}));
  EXPECT_EQ(keys("b"), (Keys{"b.meta/1", "b/1", "b/2", "ba/3"}));
  EXPECT_EQ(keys("b/"), (Keys{"b/1", "b/2"}));
  EXPECT_EQ(keys("a/z/de"), (Keys{"a/z/deep/er"}));
  EXPECT_EQ(keys("nothing"), Keys{});
  EXPECT_EQ(keys("a/z/deep/er/more"), Keys{});
}

TEST_P(ObjectStoreConformance, RemovesForGood) {
  put("a/1", "x");
  put("a/2", "y");
  EXPECT_TRUE(store().remove("a/1"));
  EXPECT_TRUE(store().remove("a/1")) << "removing what is not there is fine";
  EXPECT_TRUE(store().remove("never/was"));
  reopen();
  EXPECT_EQ(get("a/1"), "error: not_found");
  EXPECT_EQ(keys(""), Keys{"a/2"});
}

TEST_P(ObjectStoreConformance, SaysWhatIsMissing) {
  const auto bytes = store().get("no/such/object");
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, Code::kNotFound);
  EXPECT_NE(bytes.error().text().find("no/such/object"), std::string::npos);
}

TEST_P(ObjectStoreConformance, RefusesKeysThatAreNone) {
  for (const char* key :
       {"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.hidden", "a b", "a\\b", "ä"}) {
    const Status done = store().put(key, "x");
    ASSERT_FALSE(done) << key;
    EXPECT_EQ(done.error().code, Code::kInvalid) << key;
    EXPECT_FALSE(store().get(key)) << key;
    EXPECT_FALSE(store().remove(key)) << key;
  }
  EXPECT_FALSE(store().put(std::string(ObjectStore::kKeyBytesMax + 1, 'k'), "x"));
  EXPECT_EQ(keys(""), Keys{});
}

TEST_P(ObjectStoreConformance, ReadersSeeWholeObjectsWhileTheyAreReplaced) {
  const auto version = [](int n) { return std::string(50'000, static_cast<char>('a' + n % 26)); };
  put("busy", version(0));
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    while (!done) {
      const auto bytes = store().get("busy");
      if (!bytes || bytes->size() != 50'000 || bytes->find_first_not_of((*bytes)[0]) != std::string::npos)
        ++torn;
    }
  });
  for (int n = 1; n <= 40; ++n) put("busy", version(n));
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

TEST_P(ObjectStoreConformance, TakesPutsFromManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) put(fmt::format("t{}/{}", t, i), fmt::format("{}-{}", t, i));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keys("").size(), 40u);
  EXPECT_EQ(get("t3/7"), "3-7");
}

}  // namespace millrace
