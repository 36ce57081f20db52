#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "net/http_url.h"
#include "stream/subscription_push.h"

namespace millrace {

/// A place that pushes may go to; `subscriptions.push_targets` of the configuration.
struct PushTarget {
  std::string url;            ///< http(s)://HOST:PORT/PATH: it and what lies below it
  std::string secret;         ///< pushes are signed with it, unless ""; never printed
  std::string authorization;  ///< sent as that header, unless ""; never printed
  std::string ca_file;        ///< with https: trust the authorities in this PEM file, not those of the system
};

/// A URL that can be pushed to, taken apart.
struct PushUrl : HttpUrl {
  /// Errors: kInvalid, saying what to do.
  static Result<PushUrl> parse(std::string_view url);

  /// Return whether it is at `other` or below it.
  bool is_below(const PushUrl& other) const;
};

/// Sign a push as Standard Webhooks 1.0.0 says (https://www.standardwebhooks.com): "v1," and the base64 of
/// HMAC-SHA256 over "ID.SECONDS.BODY". A secret that begins with "whsec_" is base64 after it.
std::string push_signature(std::string_view secret, std::string_view id, std::int64_t seconds,
                           std::string_view body);

/// Pushes over HTTP, each endpoint with connections and a thread of its own, to the configured places alone.
class HttpPushTargets : public PushTargets {
 public:
  HttpPushTargets(std::vector<PushTarget> allowed, Env& env) : allowed_(std::move(allowed)), env_(env) {}

  Status check(std::string_view url) const override;
  Result<std::unique_ptr<PushSender>> open(std::string_view url, DurationUs timeout,
                                           std::size_t at_once_max) override;

 private:
  Result<PushTarget> find(std::string_view url) const;

  const std::vector<PushTarget> allowed_;
  Env& env_;
};

}  // namespace millrace
