#include "base/thread.h"

#include <sys/resource.h>
#include <unistd.h>

namespace millrace {

void yield_to_others(int niceness) {
  // A failure leaves the thread as it was, which is right but for speed.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
}

}  // namespace millrace
