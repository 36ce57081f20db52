#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace millrace {

/// Who may call a route.
enum class Access : std::uint8_t {
  kPublic,   ///< anyone: health and the dashboard's static files
  kCollect,  ///< producers: a write key or the token, where such are configured
  kRead,     ///< people and services: the token, where one is configured
  kAdmin,    ///< commands of this machine: always the token of DATA/server.json
};

struct AccessOptions {
  /// `auth.token` of the configuration; needed to listen beyond loopback. Empty: none.
  std::string token;

  /// Made anew at each start and written to DATA/server.json, which only its owner can read.
  std::string admin_token;

  /// Write key → name of the source that uses it. Empty: any key, source "web".
  std::map<std::string, std::string> write_keys;

  /// Names beside loopback and IP addresses that may stand in `Host`.
  std::vector<std::string> hosts;
};

/// Decides whether a request may be served. Immutable; any thread.
class AccessPolicy {
 public:
  explicit AccessPolicy(AccessOptions options) : options_(std::move(options)) {}

  /// Refuse a `Host` that is neither loopback, an IP address, nor configured: a web page elsewhere whose
  /// name was made to point here (DNS rebinding) would otherwise read our answers. Errors: kDenied.
  Status check_host(const HttpRequest& request) const;

  /// Refuse what another site's page sends to a route that is not open to other sites. Errors: kDenied.
  Status check_origin(const HttpRequest& request) const;

  /// Check the credentials for `access`. Errors: kDenied.
  Status check_credentials(const HttpRequest& request, Access access) const;

  /// Return the source that belongs to the write key of a collect request: from `Authorization: Basic
  /// base64(key:)`, `X-Write-Key`, `X-API-Key`, or `writeKey` in the body. Errors: kDenied for an unknown
  /// key.
  Result<std::string> source_of(const HttpRequest& request) const;

  /// Return whether reading needs a token.
  bool wants_token() const { return !options_.token.empty(); }

  /// Return whether `given` is the configured token, or that of DATA/server.json.
  bool is_token(std::string_view given) const;

 private:
  bool token_matches(const HttpRequest& request) const;

  AccessOptions options_;
};

/// Return whether `address` ("127.0.0.1:8080", "[::1]:0", "localhost:80") is on this machine only.
bool is_loopback_address(std::string_view address);

}  // namespace millrace
