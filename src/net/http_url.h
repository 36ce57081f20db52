#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// An http(s) URL taken apart.
struct HttpUrl {
  std::string address;  ///< "HOST:PORT", in small letters; the scheme's port where none is named
  std::string target;   ///< from the "/" on, with the query
  bool tls = false;     ///< https

  /// Errors: kInvalid, also for one with a user, a fragment, blanks or control characters in it.
  static Result<HttpUrl> parse(std::string_view url);

  /// Return where a reference found there leads (RFC 3986 5.2, but for dots): a whole URL, one without its
  /// scheme, a path, a query alone. Errors: those of `parse`.
  Result<HttpUrl> resolve(std::string_view reference) const;

  /// Return whether both are of the same scheme, host and port.
  bool same_origin(const HttpUrl& other) const { return address == other.address && tls == other.tls; }

  /// Return it without its query, which may hold a secret.
  std::string without_query() const;
};

}  // namespace millrace
