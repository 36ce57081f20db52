#include "net/http.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool is_unreserved(char c) {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string_view find_header(const Headers& headers, std::string_view name) {
  for (const auto& header : headers)
    if (same_header_name(header.name, name)) return header.value;
  return {};
}

/// Return the path and query of an absolute URL ("http://host/path?q"), or `target` itself.
std::string_view origin_form(std::string_view target) {
  const auto scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  const auto slash = target.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

}  // namespace

bool same_header_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

Result<std::string> url_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(Code::kInvalid, "a % in a URL needs two hexadecimal digits after it");
      if (high == 0 && low == 0) return fail(Code::kInvalid, "%00 is not allowed in a URL");
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  if (!path.starts_with('/')) return fail(Code::kInvalid, "a path begins with /");
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  std::vector<std::string> segments;
  while (!path.empty()) {
    const auto slash = path.find('/');
    MILLRACE_ASSIGN(auto segment, url_decode(path.substr(0, slash)));
    segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

Result<QueryParameters> QueryParameters::parse(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    if (parameters.items_.size() == kParametersMax)
      return fail(Code::kInvalid, fmt::format("more than {} query parameters", kParametersMax));
    const auto equals = pair.find('=');
    MILLRACE_ASSIGN(auto name, url_decode(pair.substr(0, equals), true));
    auto value = equals == std::string_view::npos ? std::string() : url_decode(pair.substr(equals + 1), true);
    if (!value)
      return fail(Code::kInvalid, fmt::format("query parameter {}: {}", name, value.error().message));
    parameters.items_.emplace_back(std::move(name), *std::move(value));
  }
  return parameters;
}

const std::string* QueryParameters::find(std::string_view name) const {
  for (const auto& [key, value] : items_)
    if (key == name) return &value;
  return nullptr;
}

std::string_view QueryParameters::get(std::string_view name, std::string_view otherwise) const {
  const auto* value = find(name);
  return value ? std::string_view(*value) : otherwise;
}

std::vector<std::string_view> QueryParameters::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : items_)
    if (key == name) values.push_back(value);
  return values;
}

Result<std::int64_t> QueryParameters::integer(std::string_view name, std::int64_t otherwise, std::int64_t min,
                                              std::int64_t max) const {
  const auto* text = find(name);
  if (!text) return otherwise;
  std::int64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || rest != end || number < min || number > max)
    return fail(Code::kInvalid,
                fmt::format("query parameter {} must be a whole number from {} to {}", name, min, max));
  return number;
}

Result<bool> QueryParameters::boolean(std::string_view name, bool otherwise) const {
  const auto* text = find(name);
  if (!text) return otherwise;
  if (*text == "" || *text == "1" || *text == "true" || *text == "yes") return true;
  if (*text == "0" || *text == "false" || *text == "no") return false;
  return fail(Code::kInvalid, fmt::format("query parameter {} must be true or false", name));
}

std::optional<std::string_view> QueryParameters::unknown(const std::vector<std::string_view>& known) const {
  for (const auto& [key, value] : items_)
    if (std::ranges::find(known, key) == known.end()) return key;
  return std::nullopt;
}

Result<HttpRequest> HttpRequest::make(std::string_view method, std::string_view target,
                                      const Headers& headers, std::string_view body) {
  HttpRequest request;
  MILLRACE_TRY(request.set_start(method, target));
  for (const auto& header : headers) request.add_header(header.name, header.value);
  request.set_body(std::string(body));
  return request;
}

HttpRequest::Span HttpRequest::keep(std::string_view text) {
  const Span span{static_cast<std::uint32_t>(head_.size()), static_cast<std::uint32_t>(text.size())};
  head_.append(text);
  return span;
}

Status HttpRequest::set_start(std::string_view method, std::string_view target) {
  head_.reserve(512);
  method_ = keep(method);
  target_ = keep(target);
  const auto origin = origin_form(target);
  if (!origin.starts_with('/') && origin != "*")
    return fail(Code::kInvalid, "the request target must be a path that begins with /");
  const auto mark = origin.find('?');
  const auto path = origin.substr(0, std::min(mark, origin.find('#')));
  path_ = keep(path);
  if (mark == std::string_view::npos) return {};
  MILLRACE_ASSIGN(query_, QueryParameters::parse(origin.substr(mark + 1)));
  return {};
}

void HttpRequest::add_header(std::string_view name, std::string_view value) {
  const auto name_span = keep(name);
  fields_.push_back({name_span, keep(value)});
}

void HttpRequest::set_body(std::string body) {
  body_ = std::move(body);
  body_.append(kBodyPadding, '\0');
}

void HttpRequest::set_peer(std::string_view ip, bool over_unix_socket) {
  remote_ip_ = ip;
  over_unix_socket_ = over_unix_socket;
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& field : fields_)
    if (same_header_name(view(field.name), name)) return view(field.value);
  return {};
}

bool HttpRequest::has_header(std::string_view name) const {
  return std::ranges::any_of(fields_, [&](const Field& f) { return same_header_name(view(f.name), name); });
}

std::pair<std::string_view, std::string_view> HttpRequest::header_at(std::size_t index) const {
  const auto& field = fields_.at(index);
  return {view(field.name), view(field.value)};
}

std::string_view HttpResponse::header(std::string_view name) const {
  return find_header(headers, name);
}

HttpResponse HttpResponse::json(int status, std::string body) {
  return {status, "application/json", std::move(body), {}};
}

HttpResponse HttpResponse::text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), {}};
}

HttpResponse HttpResponse::error(int status, std::string_view code, std::string_view message) {
  const nlohmann::ordered_json shape{{"code", code}, {"message", message}};
  return json(status, shape.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

HttpResponse HttpResponse::from_error(const Error& error) {
  auto response = HttpResponse::error(http_status(error.code), code_name(error.code), error.text());
  if (response.status == 429 || response.status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kExists:
      return 409;
    case Code::kOutOfRange:
      return 416;
    case Code::kDenied:
      return 403;
    case Code::kOverloaded:
      return 429;
    case Code::kNoSpace:
      return 503;
    case Code::kDeadline:
      return 504;
    case Code::kCancelled:
      return 503;
    case Code::kIo:
    case Code::kCorrupt:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 30> kPhrases{{
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {421, "Misdirected Request"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  }};
  for (const auto& [code, phrase] : kPhrases)
    if (code == status) return phrase;
  return "Unknown";
}

}  // namespace millrace
