#include "net/http_url.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::size_t kShownBytesMax = 200;

std::string without_last_segment(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  return path.substr(0, path.rfind('/') + 1);
}

}  // namespace

Result<HttpUrl> HttpUrl::parse(std::string_view url) {
  const auto bad = [&] {
    std::string message = "a URL is http(s)://HOST:PORT/PATH, ";
    if (url.contains('@')) {
      message += "without a user and password";  // which it may hold
    } else {
      message += "not '" + std::string(url.substr(0, std::min(url.find('?'), kShownBytesMax))) + "'";
    }
    return fail(Code::kInvalid, std::move(message));
  };
  const bool tls = url.starts_with(kHttps);
  if (!tls && !url.starts_with(kHttp)) return bad();
  std::string_view rest = url.substr(tls ? kHttps.size() : kHttp.size());
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  HttpUrl parsed{std::string(rest.substr(0, end)), std::string(rest.substr(end)), tls};
  if (!parsed.target.starts_with('/')) parsed.target.insert(0, 1, '/');
  const auto is_plain = [](char c) { return c > ' ' && c < '\x7F' && c != '#'; };
  if (parsed.address.empty() || parsed.address.contains('@') ||
      !std::ranges::all_of(parsed.address + parsed.target, is_plain))
    return bad();
  std::ranges::transform(parsed.address, parsed.address.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::size_t host_end = parsed.address.starts_with('[') ? parsed.address.find(']') : 0;
  if (parsed.address.find(':', host_end == std::string::npos ? 0 : host_end) == std::string::npos)
    parsed.address += tls ? ":443" : ":80";
  return parsed;
}

Result<HttpUrl> HttpUrl::resolve(std::string_view reference) const {
  const std::string scheme = tls ? "https:" : "http:";
  if (reference.starts_with("//")) return parse(scheme + std::string(reference));
  if (reference.starts_with(kHttp) || reference.starts_with(kHttps)) return parse(reference);
  std::string path(reference);
  if (reference.empty() || reference.starts_with('?')) {
    path = target.substr(0, target.find('?')) + path;
  } else if (!reference.starts_with('/')) {
    path = without_last_segment(target) + path;
  }
  return parse(scheme + "//" + address + path);
}

std::string HttpUrl::without_query() const {
  return (tls ? "https://" : "http://") + address + target.substr(0, target.find('?'));
}

}  // namespace millrace
