#include "server/access.h"

#include <algorithm>

#include <arpa/inet.h>
#include <simdjson.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kBasic = "Basic ";
constexpr std::string_view kCookieName = "millrace_token=";
constexpr std::string_view kGorseKeyHeader = "X-API-Key";  // Gorse's clients have this one for everything

/// "shop.example:8080" → "shop.example"; "[::1]:80" → "::1".
std::string_view host_of(std::string_view address) {
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  const std::size_t colon = address.rfind(':');
  return colon == std::string_view::npos || address.find(':') != colon ? address : address.substr(0, colon);
}

bool is_ip_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

/// Compare without telling, by the time it takes, how much of a guess was right.
bool equal_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |=
        static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  return difference == 0;
}

/// The token that /login put into a cookie, decoded; empty when there is none.
std::string cookie_token(const HttpRequest& request) {
  std::string_view cookies = request.header("Cookie");
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    std::string_view one = cookies.substr(0, end);
    cookies = end == std::string_view::npos ? std::string_view() : cookies.substr(end + 1);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(kCookieName)) return url_decode(one.substr(kCookieName.size())).value_or("");
  }
  return {};
}

std::string_view bearer_token(const HttpRequest& request) {
  const std::string_view header = request.header("Authorization");
  return header.starts_with(kBearer) ? header.substr(kBearer.size()) : std::string_view();
}

std::string body_write_key(std::string_view body) {
  thread_local simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  std::string_view key;
  const simdjson::padded_string_view padded(body.data(), body.size(),
                                            body.size() + HttpRequest::kBodyPadding);
  if (parser.iterate(padded).get(document)) return {};
  if (document.find_field_unordered("writeKey").get_string().get(key)) return {};
  return std::string(key);
}

std::string write_key(const HttpRequest& request) {
  if (const std::string_view key = request.header("X-Write-Key"); !key.empty())
    return std::string(key.substr(0, key.find(':')));
  const std::string_view header = request.header("Authorization");
  if (!header.starts_with(kBasic)) {
    const std::string_view key = request.header(kGorseKeyHeader);
    return key.empty() ? body_write_key(request.body()) : std::string(key);
  }
  const Result<std::string> pair = base64_decode(header.substr(kBasic.size()));
  return pair ? pair->substr(0, pair->find(':')) : std::string();
}

}  // namespace

bool is_loopback_address(std::string_view address) {
  const std::string host(host_of(address));
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && is_ip_address(host));
}

Status AccessPolicy::check_host(const HttpRequest& request) const {
  if (request.over_unix_socket()) return {};
  const std::string host(host_of(request.header("Host")));
  if (host.empty() || host == "localhost" || is_ip_address(host)) return {};
  if (std::find(options_.hosts.begin(), options_.hosts.end(), host) != options_.hosts.end()) return {};
  return fail(Code::kDenied, "this server does not answer for the host '" + host +
                                 "'; add it to server.hosts in millrace.yaml if it should");
}

Status AccessPolicy::check_origin(const HttpRequest& request) const {
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return {};
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end != std::string_view::npos && origin.substr(scheme_end + 3) == request.header("Host"))
    return {};
  return fail(Code::kDenied, "pages of other sites may not call this route");
}

/// Either will do: a page may hold on to an old token, and yet have been logged in again.
bool AccessPolicy::token_matches(const HttpRequest& request) const {
  return is_token(bearer_token(request)) || is_token(cookie_token(request)) ||
         is_token(request.header(kGorseKeyHeader));
}

bool AccessPolicy::is_token(std::string_view given) const {
  if (given.empty()) return false;
  const bool admin = !options_.admin_token.empty() && equal_secret(given, options_.admin_token);
  return admin || (!options_.token.empty() && equal_secret(given, options_.token));
}

Status AccessPolicy::check_credentials(const HttpRequest& request, Access access) const {
  if (access == Access::kPublic || token_matches(request)) return {};
  if (access == Access::kAdmin)
    return fail(
        Code::kDenied,
        "this call needs the token in server.json of the data directory (the millrace commands send it)");
  if (access == Access::kCollect && !options_.write_keys.empty()) {
    if (const Result<std::string> source = source_of(request); !source) return fail(source.error());
    return {};
  }
  if (options_.token.empty()) return {};
  return fail(Code::kDenied, "send the token of the configuration (auth.token) as 'Authorization: Bearer …'");
}

Result<std::string> AccessPolicy::source_of(const HttpRequest& request) const {
  if (options_.write_keys.empty()) return "web";
  if (const auto found = options_.write_keys.find(write_key(request)); found != options_.write_keys.end())
    return found->second;
  if (token_matches(request)) return "web";
  return fail(Code::kDenied,
              "unknown write key; the known ones are under collect.write_keys in millrace.yaml");
}

}  // namespace millrace
