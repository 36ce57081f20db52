#include "base/memory.h"

#ifdef MILLRACE_JEMALLOC
#include <string>

#include <jemalloc/jemalloc.h>

// Read by jemalloc before main: a thread of its own gives freed pages back, soon, so that what a burst or a
// scan needed does not stay ours.
extern "C" {
const char* malloc_conf =  // NOLINT: the name is jemalloc's
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4";
}
#endif

namespace millrace {

void return_freed_memory() {
#ifdef MILLRACE_JEMALLOC
  const std::string purge = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0);
#endif
}

}  // namespace millrace
