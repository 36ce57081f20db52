#include "net/response_parser.h"

#include <optional>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/verb.hpp>
#include <fmt/format.h>

namespace millrace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

/// What is known of the answer so far; outlives Beast's parser, which serves for one message only.
struct ResponseParser::Parsed {
  std::size_t body_bytes_max = 0;
  HttpResponse response;
  std::function<bool(std::string_view)> on_body;
  std::optional<Error> failure;
  bool to_head = false;
  bool begun = false;
  bool done = false;

  bool streams() const { return on_body && response.status >= 200 && response.status < 300; }
};

/// Beast's parser with its callbacks led into Parsed.
class ResponseParser::Core : public http::basic_parser<false> {
 public:
  explicit Core(Parsed& parsed) : parsed_(parsed) {
    constexpr std::uint32_t kHeaderBytesMax = 64 * 1024;
    header_limit(kHeaderBytesMax);
    body_limit(boost::none);
    eager(true);
    if (parsed.to_head) skip(true);
  }

 private:
  void on_request_impl(http::verb, beast::string_view, beast::string_view, int, error_code&) override {}
  void on_response_impl(int status, beast::string_view, int, error_code&) override {
    parsed_.response.status = status;
  }

  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    auto& response = parsed_.response;
    response.headers.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
    if (field == http::field::content_type) response.content_type.assign(value.data(), value.size());
  }

  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(beast::string_view bytes, error_code& ec) override {
    if (parsed_.streams()) {
      if (!parsed_.on_body({bytes.data(), bytes.size()})) stop(Code::kCancelled, "stopped reading", ec);
    } else if (parsed_.response.body.size() + bytes.size() > parsed_.body_bytes_max) {
      stop(Code::kOutOfRange, fmt::format("the answer is larger than {} bytes", parsed_.body_bytes_max), ec);
    } else {
      parsed_.response.body.append(bytes.data(), bytes.size());
    }
    return bytes.size();
  }

  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, error_code& ec) override {
    return on_body_impl(bytes, ec);
  }
  void on_finish_impl(error_code&) override { parsed_.done = true; }

  void stop(Code code, std::string message, error_code& ec) {
    parsed_.failure = Error{code, std::move(message), {}};
    ec = http::error::bad_value;
  }

  Parsed& parsed_;
};

struct ResponseParser::State : Parsed {
  std::optional<Core> core;
};

ResponseParser::ResponseParser(std::size_t body_bytes_max) : state_(std::make_unique<State>()) {
  state_->body_bytes_max = body_bytes_max;
  reset(false);
}

ResponseParser::~ResponseParser() = default;

void ResponseParser::reset(bool to_head) {
  auto& s = *state_;
  s.response = {};
  s.on_body = nullptr;
  s.failure.reset();
  s.to_head = to_head;
  s.begun = s.done = false;
  s.core.emplace(s);
}

void ResponseParser::stream_body(std::function<bool(std::string_view)> on_body) {
  state_->on_body = std::move(on_body);
}

Result<std::size_t> ResponseParser::feed(std::string_view bytes) {
  auto& s = *state_;
  std::size_t used = 0;
  while (used < bytes.size() && !s.done) {
    s.begun = true;
    error_code ec;
    const auto taken = s.core->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    used += taken;
    if (s.failure) return fail(*s.failure);
    if (ec == http::error::need_more || (!ec && taken == 0)) break;
    if (ec) return fail(Code::kCorrupt, fmt::format("the answer is not valid HTTP: {}", ec.message()));
    if (s.done && s.response.status < 200) {  // "100 Continue": the answer itself follows
      auto on_body = std::move(s.on_body);
      reset(s.to_head);
      s.on_body = std::move(on_body);
    }
  }
  return used;
}

Status ResponseParser::feed_end() {
  auto& s = *state_;
  error_code ec;
  if (s.begun && !s.done) s.core->put_eof(ec);
  if (!s.done) return fail(Code::kIo, "the server closed the connection before its answer was complete");
  return {};
}

bool ResponseParser::done() const {
  return state_->done;
}
bool ResponseParser::begun() const {
  return state_->begun;
}
bool ResponseParser::keep_alive() const {
  return state_->core->is_header_done() && state_->core->keep_alive();
}
HttpResponse ResponseParser::take() {
  return std::move(state_->response);
}

}  // namespace millrace
