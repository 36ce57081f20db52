#pragma once

#include <cstddef>

#include "base/result.h"
#include "bench/server_process.h"

namespace millrace::bench {

/// Put `items` items p0, p1, … into the catalogue and let people u0, u1, … look at five of them each; wait
/// until all is loaded. Errors: kIo for what the server refuses; kDeadline.
Status fill_shop(const ServerProcess& server, std::size_t items, std::size_t people);

}  // namespace millrace::bench
