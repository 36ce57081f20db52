#pragma once

#include <cstddef>

#include "base/result.h"
#include "bench/server_process.h"
#include "net/load_generator.h"

namespace millrace::bench {

/// Put `items` items p0, p1, … into the catalogue and let people u0, u1, … look at five of them each; wait
/// until all is loaded. Errors: kIo for what the server refuses; kDeadline.
Status fill_shop(const ServerProcess& server, std::size_t items, std::size_t people);

/// Ask for ten recommendations for one of `people` after the other, open loop. Errors: kIo when a request
/// fails.
Result<LoadResult> ask_shop(const ServerProcess& server, std::size_t people, double rate_per_second,
                            std::size_t connections, DurationUs duration);

}  // namespace millrace::bench
