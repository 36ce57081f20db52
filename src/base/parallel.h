#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace millrace {

/// Return how many threads work that is spread over the machine should use: its processors.
int default_threads();

/// Call `work(begin, end)` for slices of 0..count, each of `grain` (the last may be shorter), on up to
/// `threads` threads, of which the calling one is the first. Which thread takes a slice is not determined, so
/// work whose sums depend on the order keeps one sum a slice. Stops taking slices once `*stop` is true; null:
/// never. Returns when all that was begun is done. What `work` throws ends the program. Needs grain > 0.
void parallel_for(std::size_t count, std::size_t grain, int threads,
                  const std::function<void(std::size_t begin, std::size_t end)>& work,
                  const std::atomic<bool>* stop = nullptr);

}  // namespace millrace
