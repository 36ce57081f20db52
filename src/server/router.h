#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http_server.h"
#include "server/access.h"

namespace millrace {

/// One request with the right to answer it. Shared between the io thread and whoever answers.
class Exchange {
 public:
  Exchange(HttpRequest&& asked, Responder responder, bool cors)
      : request(std::move(asked)), responder_(std::move(responder)), cors_(cors) {}

  HttpRequest request;
  std::vector<std::string> path_values;  ///< what `{name}` stood for, decoded, in the pattern's order

  /// Answer, once; from any thread.
  void send(HttpResponse response) const;
  void send_error(const Error& error) const { send(HttpResponse::from_error(error)); }

  /// Answer bit by bit, see Responder::start_stream.
  std::shared_ptr<ResponseStream> start_stream(std::string content_type) const;

 private:
  Responder responder_;
  bool cors_;
};

/// Runs on an io thread and must not block.
using RouteHandler = std::function<void(const std::shared_ptr<Exchange>&)>;

struct RouteRule {
  Access access = Access::kRead;
  bool cors = false;  ///< pages of any site may call it (collect and recommendations)
};

/// Finds the handler of a request and guards it: Host, other sites' pages, credentials.
/// Routes are added before the server opens; after that it is immutable and any thread may call it.
class Router {
 public:
  explicit Router(AccessPolicy access) : access_(std::move(access)) {}

  /// Serve `method` on `pattern`, in which a segment `{name}` stands for any one segment, and `{name...}`
  /// at the end for all the rest.
  void add(std::string_view method, std::string_view pattern, RouteRule rule, RouteHandler handler);

  /// Return what is served, as "GET /v1/items/{}", in order: variables without their names.
  std::vector<std::string> served() const;

  /// Serve whatever no route matches (the dashboard's pages).
  void set_fallback(RouteHandler handler) { fallback_ = std::move(handler); }

  /// Return the 404 for a path, with the address that was probably meant.
  HttpResponse nothing_at(std::string_view path) const;

  /// Answer one request: the HttpHandler of the server.
  void handle(HttpRequest&& request, Responder responder) const;

  const AccessPolicy& access() const { return access_; }

 private:
  struct Method {
    RouteRule rule;
    RouteHandler handler;
  };
  struct Route {
    std::vector<std::string> pattern;
    std::map<std::string, Method, std::less<>> methods;
  };

  const Route* find(std::string_view path, std::vector<std::string>& values) const;
  std::string nearest_address(std::string_view path) const;
  HttpResponse wrong_method(const Route& route, std::string_view method) const;
  void answer_options(const Route& route, const HttpRequest& request, const Responder& responder) const;

  AccessPolicy access_;
  std::unordered_map<std::string, std::size_t> exact_;  ///< patterns without `{}` → index in routes_
  std::vector<Route> routes_;
  RouteHandler fallback_;
};

}  // namespace millrace
