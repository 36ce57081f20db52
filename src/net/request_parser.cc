#include "net/request_parser.h"

#include <algorithm>
#include <optional>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/verb.hpp>
#include <fmt/format.h>

#include "net/gzip.h"

namespace millrace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

/// What is known of the request so far; outlives Beast's parser, which serves for one request only.
struct RequestParser::Parsed {
  explicit Parsed(const Limits& l) : limits(l) {}

  const Limits& limits;
  HttpRequest request;
  std::string body;
  HttpBodyLimits body_limits;
  HttpResponse failure;
  Step step = Step::kHead;
  bool begun = false;  ///< the first byte of this request has come; empty lines before it are skipped
  int hosts = 0;
  bool expects_continue = false;
  bool is_head = false;
  int version = 11;  ///< 10 or 11
  std::size_t head_bytes = 0;

  void refuse(int status, std::string_view code, std::string_view message) {
    failure = HttpResponse::error(status, code, message);
    step = Step::kFailed;
  }
};

/// Beast's parser with its callbacks led into Parsed. A callback that refuses sets `ec`, which ends `put`.
class RequestParser::Core : public http::basic_parser<true> {
 public:
  explicit Core(Parsed& parsed) : state_(parsed) {
    header_limit(static_cast<std::uint32_t>(parsed.limits.header_bytes_max));
    body_limit(boost::none);  // on_body_init_impl knows better: by path
    eager(true);
  }

 private:
  void refuse(int status, std::string_view code, std::string_view message, error_code& ec) {
    state_.refuse(status, code, message);
    ec = http::error::bad_value;
  }

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target, int version,
                       error_code& ec) override {
    const auto status =
        state_.request.set_start({method.data(), method.size()}, {target.data(), target.size()});
    if (!status) refuse(400, "invalid", status.error().text(), ec);
    state_.is_head = method == "HEAD";
    state_.version = version;
    count_head_bytes(method.size() + target.size(), ec);
  }

  // Beast holds its limit against what is not parsed yet only, which a client that sends line by line never
  // meets.
  void count_head_bytes(std::size_t bytes, error_code& ec) {
    constexpr std::size_t kSeparators = 4;
    state_.head_bytes += bytes + kSeparators;
    if (state_.head_bytes > state_.limits.header_bytes_max) refuse_head(ec);
  }

  void refuse_head(error_code& ec) {
    const auto limit = state_.limits.header_bytes_max;
    refuse(431, "header_too_large", fmt::format("the header is larger than {} bytes", limit), ec);
  }

  void on_response_impl(int, beast::string_view, int, error_code&) override {}

  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     error_code& ec) override {
    count_head_bytes(name.size() + value.size(), ec);
    if (ec || state_.step == Step::kBody) return;  // a trailer: nobody here needs them, and they could forge
    if (state_.request.header_count() == kFieldsMax)
      return refuse(431, "header_too_large", fmt::format("more than {} header fields", kFieldsMax), ec);
    state_.request.add_header({name.data(), name.size()}, {value.data(), value.size()});
    if (field == http::field::host) ++state_.hosts;
    if (field == http::field::transfer_encoding && !beast::iequals(value, "chunked"))
      return refuse(400, "malformed", "the only Transfer-Encoding understood is chunked", ec);
    if (field == http::field::expect) state_.expects_continue = beast::iequals(value, "100-continue");
  }

  void on_header_impl(error_code& ec) override {
    if (state_.hosts > 1 || (state_.hosts == 0 && state_.version >= 11))
      return refuse(400, "invalid", "a request needs exactly one Host header", ec);
    state_.body_limits = state_.limits.body(state_.request.method(), state_.request.path());
    state_.step = Step::kBody;
    const auto length = content_length();  // none when chunked
    if (!length) return;
    if (*length > state_.body_limits.wire_bytes_max) return refuse_body(ec);
    // A client may announce much and send nothing, so a large body takes its memory as it comes.
    constexpr std::uint64_t kReserveMax = 64 * 1024;
    state_.body.reserve(std::min(*length, kReserveMax) + HttpRequest::kBodyPadding);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(beast::string_view bytes, error_code& ec) override {
    if (state_.body.size() + bytes.size() > state_.body_limits.wire_bytes_max) {
      refuse_body(ec);
      return 0;
    }
    state_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  void on_chunk_header_impl(std::uint64_t size, beast::string_view, error_code& ec) override {
    if (size > state_.body_limits.wire_bytes_max) refuse_body(ec);
  }

  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, error_code& ec) override {
    return on_body_impl(bytes, ec);
  }

  void on_finish_impl(error_code&) override { state_.step = Step::kDone; }

  void refuse_body(error_code& ec) {
    const auto limit = state_.body_limits.wire_bytes_max;
    refuse(413, "body_too_large", fmt::format("the body is larger than {} bytes; send less at a time", limit),
           ec);
  }

  Parsed& state_;
};

struct RequestParser::State : Parsed {
  using Parsed::Parsed;
  std::optional<Core> core;
};

namespace {

/// Return how many bytes of line ends stand before a request; old clients send one after a body.
std::size_t count_empty_lines(std::string_view bytes) {
  std::size_t count = 0;
  while (bytes.substr(count).starts_with("\r\n")) count += 2;
  return count;
}

bool asks_for_gzip(std::string_view encoding) {
  return beast::iequals(encoding, "gzip") || beast::iequals(encoding, "x-gzip");
}

}  // namespace

RequestParser::RequestParser(const Limits& limits) : state_(std::make_unique<State>(limits)) {
  reset();
}
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  auto& s = *state_;
  s.core.emplace(s);
  s.request = HttpRequest();
  s.body = {};
  s.step = Step::kHead;
  s.begun = false;
  s.hosts = 0;
  s.expects_continue = false;
  s.is_head = false;
  s.version = 11;
  s.head_bytes = 0;
}

std::size_t RequestParser::feed(std::string_view bytes) {
  auto& s = *state_;
  std::size_t used = s.begun ? 0 : count_empty_lines(bytes);
  if (!s.begun && bytes.substr(used) == "\r") return used;
  while (used < bytes.size() && (s.step == Step::kHead || s.step == Step::kBody)) {
    s.begun = true;
    error_code ec;
    const auto rest = bytes.substr(used);
    const auto taken = s.core->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
    used += taken;
    if (ec == http::error::need_more || (!ec && taken == 0)) break;
    if (!ec || s.step == Step::kFailed) continue;
    if (ec == http::error::header_limit)
      s.refuse(431, "header_too_large",
               fmt::format("the header is larger than {} bytes", s.limits.header_bytes_max));
    else
      s.refuse(400, "malformed", fmt::format("not a valid HTTP/1.1 request: {}", ec.message()));
  }
  return used;
}

RequestParser::Step RequestParser::step() const {
  return state_->step;
}
const HttpResponse& RequestParser::failure() const {
  return state_->failure;
}
bool RequestParser::expects_continue() const {
  return state_->expects_continue && state_->body.empty() && !is_http_1_0();
}

std::size_t RequestParser::body_bytes_left() const {
  const auto left = state_->core->content_length_remaining();
  return left ? *left : 0;
}

bool RequestParser::keep_alive() const {
  return state_->core->is_header_done() && state_->core->keep_alive();
}
bool RequestParser::is_head() const {
  return state_->is_head;
}
bool RequestParser::is_http_1_0() const {
  return state_->core->is_header_done() && state_->version < 11;
}

std::expected<HttpRequest, HttpResponse> RequestParser::take() {
  auto& s = *state_;
  const auto encoding = s.request.header("Content-Encoding");
  const bool named_gzip = asks_for_gzip(encoding);
  if (!named_gzip && !encoding.empty() && !beast::iequals(encoding, "identity"))
    return std::unexpected(
        HttpResponse::error(415, "unsupported_encoding", "Content-Encoding must be gzip or absent"));
  if ((named_gzip && !s.body.empty()) || (s.body_limits.sniff_gzip && looks_gzipped(s.body))) {
    auto unzipped = gunzip(s.body, s.body_limits.unzipped_bytes_max);
    if (!unzipped) {
      const bool too_large = unzipped.error().code == Code::kOutOfRange;
      return std::unexpected(HttpResponse::error(
          too_large ? 413 : 400, too_large ? "body_too_large" : "invalid_gzip", unzipped.error().message));
    }
    s.body = *std::move(unzipped);
  }
  s.request.set_body(std::move(s.body));
  return std::move(s.request);
}

}  // namespace millrace
