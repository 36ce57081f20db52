#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/env.h"
#include "net/async_http_client.h"
#include "source/http_source.h"

namespace millrace {

/// Asks an API for one answer after the other, no faster than it may. One thread.
class HttpFetcher {
 public:
  /// `source` and `env` must outlive it.
  HttpFetcher(const HttpSource& source, Env& env) : source_(source), env_(env) {}

  /// Ask for `target`, follow redirects within the host, and return the answer of status 200. Waits until
  /// `requests_per_second` and an earlier Retry-After allow it. Nothing is asked twice. Errors: kOverloaded
  /// for 429 and 503; kDenied for 401, 403, a certificate that is not trusted, and a redirect to another
  /// host; kInvalid for any other 4xx; kIo for 5xx and broken connections; kNotFound when nothing listens
  /// there; kDeadline; kOutOfRange for an answer that is too large; kCancelled.
  Result<HttpResponse> get(const std::string& target, const std::stop_token& stop);

  /// Return the status of the last answer; 0 when none came.
  int status() const { return status_; }

  /// Return how long the API asked to wait, from now on; none when its last answer did not say.
  std::optional<DurationUs> asked_to_wait() const;

 private:
  Status connect(const std::stop_token& stop);
  Status wait_for_turn(const std::stop_token& stop);
  Result<HttpResponse> ask(const std::string& target, const std::stop_token& stop);
  Status check(const HttpResponse& answer);

  const HttpSource& source_;
  Env& env_;
  std::unique_ptr<AsyncHttpClient> client_;
  int status_ = 0;
  DurationUs next_request_ = 0;           ///< by the steady clock
  std::optional<DurationUs> not_before_;  ///< likewise; of a Retry-After
};

/// Sleep, but not longer than until `stop`; return false when it was requested.
bool sleep_until_stop(DurationUs time, const std::stop_token& stop);

}  // namespace millrace
