#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/env.h"
#include "base/result.h"
#include "net/http_client.h"

namespace millrace {

/// Where a server is: beside a data directory here, or at an address.
struct ServerPlace {
  Path data;            ///< its server.json says where; when `address` is ""
  std::string address;  ///< HOST:PORT
  std::string token;    ///< for `address`; "" where none is needed
};

/// A connection to a server that may go and come back: each request connects anew when it has to, and finds a
/// server that was started again at its new address. Starts no server itself. Threads: one at a time.
class ServerLink {
 public:
  /// `timeout` holds for a connection and for the answer to a request.
  ServerLink(ServerPlace place, DurationUs timeout) : place_(std::move(place)), timeout_(timeout) {}

  /// Send a request, with `body` as JSON unless it is null, and return the JSON answered. Errors, with the
  /// server's words: kInvalid, kDenied, kNotFound when it refuses; kIo, kDeadline when it is not there, is
  /// too busy or failed, so that the same may work later.
  Result<nlohmann::json> ask(std::string_view method, const std::string& target, const nlohmann::json& body);

 private:
  Status connect();

  const ServerPlace place_;
  const DurationUs timeout_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace millrace
