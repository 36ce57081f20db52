#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "net/async_http_client.h"
#include "net/latency_histogram.h"

namespace millrace {

struct LoadOptions {
  std::string address = "127.0.0.1:8080";
  double rate_per_second = 1'000;
  DurationUs duration = 10 * kSecondUs;
  std::size_t connections = 64;  ///< all open before the first request, and used in turn
  DurationUs request_timeout = 30 * kSecondUs;
  std::size_t outstanding_max = 200'000;  ///< beyond it a request counts as an "overloaded" error
};

struct LoadResult {
  std::uint64_t sent = 0;                       ///< intended and handed to a connection or its queue
  std::uint64_t succeeded = 0;                  ///< answered 2xx
  std::map<std::string, std::uint64_t> errors;  ///< by kind: "status_503", "deadline", "io", "overloaded", …
  LatencyHistogram latency;                     ///< µs of every answered request, from its intended send time
  double achieved_per_second =
      0;  ///< 2xx answers by the time from the first intended send to the last answer

  std::uint64_t error_count() const;
};

/// Send request i at start + i / rate, however slow the answers are (open loop), and measure each answer from
/// the time it *should* have been sent: a server that stalls cannot hide it (no coordinated omission).
/// `make_request(i)` is called on the pacing thread. Blocks for the duration plus the answers still due.
/// Errors: those of AsyncHttpClient::open.
Result<LoadResult> generate_load(const LoadOptions& options,
                                 const std::function<ClientRequest(std::uint64_t)>& make_request);

}  // namespace millrace
