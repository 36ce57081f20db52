#include "base/parallel.h"

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(ParallelFor, TakesEachPlaceOnceWhateverTheSlices) {
  for (const std::size_t count : {0u, 1u, 7u, 64u, 1'000u}) {
    for (const std::size_t grain : {1u, 3u, 64u, 5'000u}) {
      std::vector<std::atomic<int>> taken(count);
      parallel_for(count, grain, 4, [&](std::size_t begin, std::size_t end) {
        EXPECT_EQ(begin % grain, 0u);
        EXPECT_LE(end - begin, grain);
        for (std::size_t i = begin; i < end; ++i) ++taken[i];
      });
      for (const auto& times : taken) EXPECT_EQ(times, 1);
    }
  }
}

TEST(ParallelFor, UsesTheThreadsItMayAndTheCallersOwn) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> met = 0;
  parallel_for(3, 1, 3, [&](std::size_t, std::size_t) {
    for (++met; met < 3;) std::this_thread::yield();  // until three are here at once
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen.contains(std::this_thread::get_id()));
}

TEST(ParallelFor, TakesNoMoreOnceItShallStop) {
  std::atomic<bool> stop = false;
  std::atomic<int> slices = 0;
  parallel_for(1'000, 1, 2, [&](std::size_t, std::size_t) { stop = ++slices >= 10; }, &stop);
  EXPECT_GE(slices, 10);
  EXPECT_LE(slices, 11) << "one more may have been begun";
}

}  // namespace
}  // namespace millrace
