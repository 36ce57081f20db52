#include <algorithm>

#include <fmt/format.h>

#include "app/follow_config.h"
#include "app/sources_config.h"
#include "base/text.h"
#include "net/http.h"
#include "net/tls_client.h"
#include "server/access.h"
#include "source/http_page.h"

namespace millrace {
namespace {

using Kind = HttpPaging::Kind;

/// Where the file says what the API alone shall see.
using PrivatePlaces = std::vector<YamlValue>;

constexpr std::size_t kSecretBytesMin = 16;  // a shorter one is a page's size or a word

/// Return whether what a header or a parameter says is to be kept from others, as its name or its length
/// tells.
bool may_be_secret(const std::string& name, const std::string& value) {
  constexpr std::string_view kEnds[] = {"key",       "token", "secret",        "password",
                                        "signature", "auth",  "authorization", "cookie"};
  const auto ends = [lower = to_lower(name)](std::string_view word) { return lower.ends_with(word); };
  return value.size() >= kSecretBytesMin || std::ranges::any_of(kEnds, ends);
}

/// Have `value` never printed, neither as it is nor as it stands in a URL.
void keep_secret(const std::string& value, HttpSource& source) {
  if (value.empty()) return;
  source.secrets.push_back(value);
  if (auto encoded = url_encode(value); encoded != value) source.secrets.push_back(std::move(encoded));
}

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c < ' ' || c == '\x7F'; });
}

void add_parameter(std::string& target, const std::string& name, const std::string& value) {
  target += target.contains('?') ? '&' : '?';
  target += url_encode(name) + '=' + url_encode(value);
}

/// Look for secrets in the query of the URL itself.
void read_query(const YamlValue& where, HttpSource& source, PrivatePlaces& places) {
  const auto& target = source.url.target;
  if (!target.contains('?')) return;
  const auto before = source.secrets.size();
  const auto text = target.substr(target.find('?') + 1);
  if (const auto query = QueryParameters::parse(text)) {
    for (const auto& [name, value] : query->items())
      if (may_be_secret(name, value)) keep_secret(value, source);
  } else {
    keep_secret(text, source);
  }
  if (source.secrets.size() > before) places.push_back(where);
}

void read_url(const YamlMap& map, HttpSource& source, PrivatePlaces& places) {
  std::string text;
  map.required("url", text);
  if (text.empty()) return;
  auto url = HttpUrl::parse(text);
  if (!url) return map.find("url")->error(url.error().message);
  source.url = *std::move(url);
  read_query(*map.find("url"), source, places);
  for (const auto& [name, value] : map.map("parameters").entries()) {
    std::string parameter;
    value.read(parameter);
    add_parameter(source.url.target, name, parameter);
    if (!may_be_secret(name, parameter)) continue;
    keep_secret(parameter, source);
    places.push_back(value);
  }
}

void add_header(const YamlValue& where, const std::string& name, const std::string& value,
                HttpSource& source) {
  const auto fits = [](char c) { return c > ' ' && c < '\x7F' && c != ':'; };
  if (!is_one_line(value) || name.empty() || !std::ranges::all_of(name, fits))
    return where.error("a header has a name without blanks, and one line as its value");
  source.headers.push_back({name, value});
}

/// Read `auth`: bearer, or header and value, or user and password.
void read_auth(const YamlMap& map, HttpSource& source, PrivatePlaces& places) {
  const auto at = map.find("auth");
  if (!at) return;
  places.push_back(*at);
  const YamlMap auth = at->map();
  std::string bearer, header, value, user, password;
  const int ways = int{auth.optional("bearer", bearer)} + int{auth.optional("header", header)} +
                   int{auth.optional("user", user)};
  auth.optional("value", value);
  auth.optional("password", password);
  if (ways != 1) return at->error("takes one of: bearer; header and value; user and password");
  if (!header.empty()) add_header(*at, header, value, source);
  if (!bearer.empty()) add_header(*at, "Authorization", "Bearer " + bearer, source);
  if (!user.empty()) {
    const std::string basic = base64_encode(user + ":" + password);
    add_header(*at, "Authorization", "Basic " + basic, source);
    keep_secret(basic, source);
  }
  const std::string& secret = !bearer.empty() ? bearer : !header.empty() ? value : password;
  if (secret.empty()) return at->error("the secret is empty");
  keep_secret(secret, source);
}

bool is_private_header(std::string_view name) {
  return !same_header_name(name, "Accept") && !same_header_name(name, "User-Agent");
}

void read_headers(const YamlMap& map, HttpSource& source, PrivatePlaces& places) {
  for (const auto& [name, value] : map.map("headers").entries()) {
    std::string text;
    value.read(text);
    add_header(value, name, text, source);
    if (!is_private_header(name)) continue;
    places.push_back(value);
    if (may_be_secret(name, text)) keep_secret(text, source);
    if (same_header_name(name, "Authorization")) keep_secret(text.substr(text.rfind(' ') + 1), source);
  }
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(source.headers,
                               [&](const Header& header) { return same_header_name(header.name, name); });
  };
  if (!has("Accept")) source.headers.push_back({"Accept", "application/json"});
  if (!has("User-Agent")) source.headers.push_back({"User-Agent", "millrace"});
}

void read_paging(const YamlMap& map, HttpSource& source) {
  const auto at = map.find("paging");
  if (!at) return;
  const YamlMap entry = at->map();
  HttpPaging& paging = source.paging;
  std::string cursor, link;
  const bool has_cursor = entry.optional("cursor", cursor);
  const bool has_link = entry.optional("link", link);
  const bool has_page = entry.optional("page", paging.parameter);
  const bool has_offset = entry.optional("offset", paging.parameter);
  if (int{has_cursor} + int{has_link} + int{has_page} + int{has_offset} != 1)
    at->error("takes one of: cursor and parameter; link; page; offset");
  paging.kind = has_cursor ? Kind::kCursor : has_link ? Kind::kLink : has_page ? Kind::kPage : Kind::kOffset;
  if (has_cursor) entry.required("parameter", paging.parameter);
  paging.next = has_cursor ? json_pointer(cursor) : link == "header" ? "" : json_pointer(link);
  paging.first = has_page ? 1 : 0;
  if (has_page || has_offset) entry.optional("first", paging.first, std::uint64_t{0}, std::uint64_t{1} << 32);
  std::string more;
  if (entry.optional("more", more)) paging.more = json_pointer(more);
  if (entry.optional("size_parameter", paging.size_parameter))
    entry.required("size", paging.size, std::uint64_t{1}, std::uint64_t{1'000'000});
}

void read_since(const YamlMap& map, HttpSource& source) {
  const auto at = map.find("since");
  if (!at) return;
  const YamlMap entry = at->map();
  HttpSince since;
  std::string field;
  entry.required("field", field);
  entry.required("parameter", since.parameter);
  entry.optional("start", since.start);
  entry.optional_duration("overlap", since.overlap, 0, kDayUs);
  since.field = json_pointer(field);
  source.since = std::move(since);
}

void read_limits(const YamlMap& map, HttpLimits& limits) {
  map.optional_bytes("page_bytes", limits.page_bytes, 1 << 10, 64 << 20);
  map.optional("requests_per_second", limits.requests_per_second, 0.0, 1000.0);
  map.optional_duration("timeout", limits.timeout, 100 * kMillisecondUs, kHourUs);
  map.optional("pages_max", limits.pages_max, std::uint64_t{1}, std::uint64_t{10'000'000});
}

/// Credentials are for the API alone to see.
void check_privacy(const YamlMap& map, HttpSource& source, const PrivatePlaces& places) {
  bool allow_plain = false;
  map.optional("allow_plain", allow_plain);
  if (map.optional("ca_file", source.ca_file))
    if (const auto trust = TlsTrust::load(source.ca_file); !trust)
      map.find("ca_file")->error(trust.error().message);
  if (source.url.tls || allow_plain || is_loopback_address(source.url.address)) return;
  for (const auto& place : places)
    place.error(
        "would go over the network for all to read: use https, or say allow_plain: true on a network you "
        "trust");
}

}  // namespace

HttpSource read_http_source(Env& env, const Path& project, const std::string& name, const YamlMap& map) {
  HttpSource source;
  source.name = name;
  PrivatePlaces places;
  read_url(map, source, places);
  read_auth(map, source, places);
  read_headers(map, source, places);
  check_privacy(map, source, places);
  std::string items;
  map.optional("items", items);
  source.items = json_pointer(items);
  read_paging(map, source);
  read_since(map, source);
  map.optional("whole", source.whole);
  map.optional_duration("every", source.every, 100 * kMillisecondUs, 30 * kDayUs);
  map.optional_duration("outage_after", source.outage_after, 0, kDayUs);
  read_limits(map.map("limits"), source.limits);
  auto shape = read_followed_shape(env, project, map, "jsonl", "the list");
  source.codec = shape.codec;
  source.mapping = std::move(shape.mapping);
  source.source = shape.source.empty() ? name : std::move(shape.source);
  const bool is_state = source.mapping && source.mapping->produce != Produce::kEvents;
  if (source.whole && (source.since || !is_state))
    map.find("whole")->error(
        "is for items and users, without since: events that are read again would count again");
  return source;
}

}  // namespace millrace
