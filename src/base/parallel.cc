#include "base/parallel.h"

#include <algorithm>
#include <cassert>
#include <thread>
#include <vector>

namespace millrace {

int default_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void parallel_for(std::size_t count, std::size_t grain, int threads,
                  const std::function<void(std::size_t begin, std::size_t end)>& work,
                  const std::atomic<bool>* stop) {
  assert(grain > 0);
  const std::size_t slices = (count + grain - 1) / grain;
  std::atomic<std::size_t> next = 0;
  const auto take = [&]() noexcept {
    while (stop == nullptr || !*stop) {
      const std::size_t slice = next++;
      if (slice >= slices) return;
      work(slice * grain, std::min(count, (slice + 1) * grain));
    }
  };
  std::vector<std::jthread> others;
  const auto wanted = std::min(slices, static_cast<std::size_t>(std::max(threads, 1)));
  for (std::size_t i = 1; i < wanted; ++i) others.emplace_back(take);
  take();
}

}  // namespace millrace
