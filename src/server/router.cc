#include "server/router.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kMethodsHeader = "Allow";
constexpr std::size_t kComparedBytesMax = 64;

bool is_variable(std::string_view segment) {
  return segment.starts_with('{');
}
bool is_rest(std::string_view segment) {
  return segment.ends_with("...}");
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& segments,
             std::vector<std::string>& values) {
  values.clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_rest(pattern[i])) {
      std::string rest;
      for (std::size_t k = i; k < segments.size(); ++k) rest += (k == i ? "" : "/") + segments[k];
      values.push_back(std::move(rest));
      return segments.size() > i;
    }
    if (i >= segments.size()) return false;
    if (is_variable(pattern[i])) {
      if (segments[i].empty()) return false;
      values.push_back(segments[i]);
    } else if (pattern[i] != segments[i]) {
      return false;
    }
  }
  return pattern.size() == segments.size();
}

/// Write `pattern` as an address, with what `segments` has where the pattern is open: "/v1/items/7".
std::string address_of(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  std::string address;
  for (std::size_t i = 0; i < pattern.size(); ++i)
    address += "/" + (is_variable(pattern[i]) && i < segments.size() ? segments[i] : pattern[i]);
  return address;
}

void allow_all_origins(HttpResponse& response) {
  response.headers.push_back({"Access-Control-Allow-Origin", "*"});
}

}  // namespace

void Exchange::send(HttpResponse response) const {
  if (cors_) allow_all_origins(response);
  responder_.send(std::move(response));
}

std::shared_ptr<ResponseStream> Exchange::start_stream(std::string content_type) const {
  HttpResponse head;
  head.headers.push_back({"Cache-Control", "no-store"});
  if (cors_) allow_all_origins(head);
  return responder_.start_stream(std::move(content_type), std::move(head.headers));
}

void Router::add(std::string_view method, std::string_view pattern, RouteRule rule, RouteHandler handler) {
  const auto segments = split_path(pattern);
  assert(segments);
  std::size_t at = routes_.size();
  for (std::size_t i = 0; i < routes_.size(); ++i)
    if (routes_[i].pattern == *segments) at = i;
  if (at == routes_.size()) routes_.push_back({*segments, {}});
  routes_[at].methods[std::string(method)] = {rule, std::move(handler)};
  if (pattern.find('{') == std::string_view::npos) exact_[std::string(pattern)] = at;
}

std::vector<std::string> Router::served() const {
  std::vector<std::string> all;
  for (const Route& route : routes_) {
    std::string path;
    for (const std::string& segment : route.pattern) path += "/" + (is_variable(segment) ? "{}" : segment);
    for (const auto& entry : route.methods) all.push_back(entry.first + " " + path);
  }
  std::ranges::sort(all);
  return all;
}

const Router::Route* Router::find(std::string_view path, std::vector<std::string>& values) const {
  if (const auto found = exact_.find(std::string(path)); found != exact_.end())
    return &routes_[found->second];
  const auto segments = split_path(path);
  if (!segments) return nullptr;
  for (const Route& route : routes_)
    if (matches(route.pattern, *segments, values)) return &route;
  return nullptr;
}

/// Return the address of a route that `path` was probably meant to be, or "".
std::string Router::nearest_address(std::string_view path) const {
  // Comparing takes the product of the lengths, and this is an io thread.
  if (path.size() > kComparedBytesMax) return "";
  const auto segments = split_path(path);
  if (!segments) return "";
  std::vector<std::string> known;
  for (const Route& route : routes_) known.push_back(address_of(route.pattern, *segments));
  return nearest_name(address_of(*segments, {}), known);
}

HttpResponse Router::nothing_at(std::string_view path) const {
  const std::string nearest = nearest_address(path);
  return HttpResponse::error(404, "not_found",
                             nearest.empty()
                                 ? "there is nothing at this address; /openapi.json lists all there are"
                                 : "there is nothing at this address; did you mean " + nearest + "?");
}

HttpResponse Router::wrong_method(const Route& route, std::string_view method) const {
  std::string allowed;
  for (const auto& entry : route.methods) allowed += (allowed.empty() ? "" : ", ") + entry.first;
  HttpResponse response = HttpResponse::error(
      405, "invalid", fmt::format("this address does not take {}; it takes {}", method, allowed));
  response.headers.push_back({std::string(kMethodsHeader), "OPTIONS, " + allowed});
  return response;
}

void Router::answer_options(const Route& route, const HttpRequest& request,
                            const Responder& responder) const {
  HttpResponse response;
  std::string methods = "OPTIONS";
  bool cors = false;
  for (const auto& [name, method] : route.methods) {
    methods += ", " + name;
    cors = cors || method.rule.cors;
  }
  response.headers.push_back({std::string(kMethodsHeader), methods});
  if (cors) {
    allow_all_origins(response);
    response.headers.push_back({"Access-Control-Allow-Methods", methods});
    const std::string_view wanted = request.header("Access-Control-Request-Headers");
    if (!wanted.empty()) response.headers.push_back({"Access-Control-Allow-Headers", std::string(wanted)});
    response.headers.push_back({"Access-Control-Max-Age", "86400"});
    // CloudEvents' webhook handshake (HTTP 1.1 Web Hooks for Event Delivery, §4).
    const std::string_view origin = request.header("WebHook-Request-Origin");
    if (!origin.empty()) {
      response.headers.push_back({"WebHook-Allowed-Origin", std::string(origin)});
      response.headers.push_back({"WebHook-Allowed-Rate", "*"});
    }
  }
  responder.send(std::move(response));
}

void Router::handle(HttpRequest&& request, Responder responder) const {
  if (Status host = access_.check_host(request); !host) {
    responder.send(HttpResponse::from_error(host.error()));
    return;
  }
  std::vector<std::string> values;
  const Route* route = find(request.path(), values);
  if (!route) {
    auto exchange = std::make_shared<Exchange>(std::move(request), std::move(responder), false);
    if (fallback_) return fallback_(exchange);
    return exchange->send(nothing_at(exchange->request.path()));
  }
  auto method = route->methods.find(request.method());
  if (method == route->methods.end() && request.method() == "HEAD") method = route->methods.find("GET");
  if (method == route->methods.end()) {
    if (request.method() == "OPTIONS") return answer_options(*route, request, responder);
    return responder.send(wrong_method(*route, request.method()));
  }
  const auto& [rule, handler] = method->second;
  auto exchange = std::make_shared<Exchange>(std::move(request), std::move(responder), rule.cors);
  exchange->path_values = std::move(values);
  if (!rule.cors)
    if (Status origin = access_.check_origin(exchange->request); !origin)
      return exchange->send_error(origin.error());
  if (Status allowed = access_.check_credentials(exchange->request, rule.access); !allowed) {
    HttpResponse response = HttpResponse::error(401, "denied", allowed.error().message);
    response.headers.push_back({"WWW-Authenticate", "Bearer"});
    return exchange->send(std::move(response));
  }
  handler(exchange);
}

}  // namespace millrace
