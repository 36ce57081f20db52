#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace {

/// One header field. Names compare without regard to case.
struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

/// Return whether two header names are the same, ignoring the case of ASCII letters.
bool same_header_name(std::string_view a, std::string_view b);

/// Decode `%41` (and, when `plus_is_space`, `+` as in forms and query strings).
/// Errors: kInvalid for a `%` without two hexadecimal digits, and for %00.
Result<std::string> url_decode(std::string_view text, bool plus_is_space = false);

/// Encode all but RFC 3986's unreserved characters (letters, digits, `-._~`).
std::string url_encode(std::string_view text);

/// Split "/v1/items/a%2Fb" into its decoded segments {"v1", "items", "a/b"}; empty ones are kept, except
/// that one slash at the end adds none. Errors: those of `url_decode`, and a path that does not begin with
/// "/".
Result<std::vector<std::string>> split_path(std::string_view path);

/// The decoded parameters of a query string, in their order.
class QueryParameters {
 public:
  /// Decode "a=1&b=x+y". A name without `=` has the value "". Errors: kInvalid, naming the parameter;
  /// more than kParametersMax of them.
  static Result<QueryParameters> parse(std::string_view query);

  static constexpr std::size_t kParametersMax = 256;

  /// Return the first value of `name`, or null. It lives as long as this object.
  const std::string* find(std::string_view name) const;

  /// Return the first value of `name`, or `otherwise` when there is none.
  std::string_view get(std::string_view name, std::string_view otherwise = {}) const;

  /// Return every value of `name`, for parameters that may be repeated.
  std::vector<std::string_view> all(std::string_view name) const;

  /// Read a whole number. Errors: kInvalid, naming the parameter and the range allowed, when it is not
  /// a number or outside [min, max]; a missing one is `otherwise`.
  Result<std::int64_t> integer(std::string_view name, std::int64_t otherwise, std::int64_t min,
                               std::int64_t max) const;

  /// Read 1, true, yes, or "" (`?explain`) as true; 0, false, no as false; a missing one is `otherwise`.
  /// Errors: kInvalid.
  Result<bool> boolean(std::string_view name, bool otherwise) const;

  /// Return the first name that is not among `known`, so that a route can refuse a misspelt parameter.
  std::optional<std::string_view> unknown(const std::vector<std::string_view>& known) const;

  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// One request as a handler gets it: whole, its body unzipped. Owns its bytes, so it may outlive the
/// connection and cross threads; the views it returns live until it is changed, moved or destroyed.
class HttpRequest {
 public:
  /// Readable zero bytes after `body()`, enough for simdjson to parse in place.
  static constexpr std::size_t kBodyPadding = 64;

  HttpRequest() : body_(kBodyPadding, '\0') {}

  /// Make one by hand, as tests and calls inside the process do.
  /// Errors: kInvalid when `target` is neither a path nor an absolute URL, or its query does not decode.
  static Result<HttpRequest> make(std::string_view method, std::string_view target,
                                  const Headers& headers = {}, std::string_view body = {});

  std::string_view method() const { return view(method_); }

  /// The request target as it was sent: "/v1/items/7?n=3".
  std::string_view target() const { return view(target_); }

  /// The target's path as it was sent, without the query, not decoded; see `split_path`.
  std::string_view path() const { return view(path_); }

  const QueryParameters& query() const { return query_; }

  /// Return the value of the first field of that name, or "".
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;

  std::size_t header_count() const { return fields_.size(); }
  std::pair<std::string_view, std::string_view> header_at(std::size_t index) const;

  /// The body, without transfer coding and without gzip, with `kBodyPadding` readable bytes after it.
  std::string_view body() const { return std::string_view(body_).substr(0, body_.size() - kBodyPadding); }

  /// The peer's address without port ("203.0.113.7", "::1"); "" over the Unix socket.
  const std::string& remote_ip() const { return remote_ip_; }
  bool over_unix_socket() const { return over_unix_socket_; }

  // What follows builds a request; the server and `make` use it, handlers do not need it.

  /// Errors: as `make`.
  Status set_start(std::string_view method, std::string_view target);
  void add_header(std::string_view name, std::string_view value);
  /// Take `body` over; adds the padding.
  void set_body(std::string body);
  void set_peer(std::string_view ip, bool over_unix_socket);

 private:
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  struct Field {
    Span name;
    Span value;
  };

  std::string_view view(Span span) const { return std::string_view(head_).substr(span.begin, span.size); }
  Span keep(std::string_view text);

  std::string head_;  ///< method, target, names and values, one after the other
  Span method_, target_, path_;
  std::vector<Field> fields_;
  QueryParameters query_;
  std::string body_;  ///< ends with the padding
  std::string remote_ip_;
  bool over_unix_socket_ = false;
};

/// An answer: made by handlers, and returned by the clients.
/// The server adds Date, Content-Length and Connection itself; do not put them into `headers`.
struct HttpResponse {
  int status = 200;
  std::string content_type;  ///< no header when empty
  std::string body;
  Headers headers;

  /// Return the value of the first field of that name, or "".
  std::string_view header(std::string_view name) const;

  static HttpResponse json(int status, std::string body);
  static HttpResponse text(int status, std::string body);

  /// {"code": code, "message": message}, the one shape of every error; invalid UTF-8 is replaced.
  static HttpResponse error(int status, std::string_view code, std::string_view message);

  /// Choose the status by the error's code: invalid 400, denied 403, not_found 404, exists 409, out_of_range
  /// 416, overloaded 429 and no_space 503 (both with Retry-After: 1), deadline 504, cancelled 503, else 500.
  static HttpResponse from_error(const Error& error);
};

/// Return the HTTP status for a failure, as `HttpResponse::from_error` uses it.
int http_status(Code code);

/// Return "Not Found" for 404; "Unknown" for what is not registered.
std::string_view reason_phrase(int status);

}  // namespace millrace
