#include "net/file_limit.h"

#include <sys/resource.h>

namespace millrace {

std::size_t raise_open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlimit wanted{limit.rlim_max, limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &wanted) == 0 ? wanted.rlim_cur : limit.rlim_cur;
}

}  // namespace millrace
