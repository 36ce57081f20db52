#include "net/http_client.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>

#include "net/message_writer.h"
#include "net/response_parser.h"
#include "net/socket.h"

namespace millrace {
namespace {

constexpr std::size_t kLineBytesMax = 16'000'000;

DurationUs now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Cuts what comes into lines.
class LineCutter {
 public:
  explicit LineCutter(const std::function<bool(std::string_view)>& on_line) : on_line_(on_line) {}

  /// Returns false to stop.
  bool add(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      if (end == std::string_view::npos) {
        rest_.append(bytes);
        return rest_.size() <= kLineBytesMax;
      }
      rest_.append(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      if (!emit()) return false;
    }
    return true;
  }

  /// A last line need not have an end.
  void finish() {
    if (!rest_.empty()) emit();
  }

 private:
  bool emit() {
    if (rest_.ends_with('\r')) rest_.pop_back();
    const auto line = std::exchange(rest_, {});
    return on_line_(line);
  }

  const std::function<bool(std::string_view)>& on_line_;
  std::string rest_;
};

class BlockingClient : public HttpClient {
 public:
  explicit BlockingClient(HttpClientOptions options)
      : options_(std::move(options)), parser_(options_.response_bytes_max), buffer_(64 * 1024) {}

  Status open() {
    MILLRACE_ASSIGN(address_, resolve_address(options_.address));
    host_ = address_.family() == AF_UNIX ? "localhost" : options_.address;
    return reconnect();
  }

  Result<HttpResponse> request(std::string_view method, std::string_view target, std::string_view body,
                               const Headers& headers) override;
  Result<HttpResponse> request_lines(std::string_view method, std::string_view target, std::string_view body,
                                     const Headers& headers,
                                     const std::function<bool(std::string_view)>& on_line) override;

 private:
  using OnBody = std::function<bool(std::string_view)>;

  Status reconnect();
  Result<HttpResponse> exchange(bool to_head, const std::string& bytes, const OnBody& on_body);
  Status send_all(std::string_view bytes);
  Status receive();
  Status receive_some();
  std::string write_request(std::string_view method, std::string_view target, std::string_view body,
                            const Headers& headers) const;
  Result<DurationUs> time_left() const;

  HttpClientOptions options_;
  SocketAddress address_;
  std::string host_;
  UniqueFd fd_;
  ResponseParser parser_;
  std::vector<char> buffer_;
  std::size_t unread_ = 0;  ///< bytes at the start of buffer_ that the parser did not take yet
  DurationUs deadline_ = 0;
  bool deadline_moves_ = false;  ///< it is for the next byte, not for the whole answer
};

Status BlockingClient::reconnect() {
  MILLRACE_ASSIGN(fd_, connect_to(address_, options_.address, options_.connect_timeout));
  unread_ = 0;
  return {};
}

Result<DurationUs> BlockingClient::time_left() const {
  const auto left = deadline_ - now_us();
  if (left <= 0) return fail(Code::kDeadline, fmt::format("{} did not answer in time", options_.address));
  return left;
}

Status BlockingClient::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      MILLRACE_ASSIGN(const auto left, time_left());
      MILLRACE_TRY(wait_for_socket(fd_.get(), true, left));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // the server may have refused the body and said why: read on
    } else if (errno != EINTR) {
      return fail(Code::kIo, "sending failed: " + std::generic_category().message(errno));
    }
  }
  return {};
}

Status BlockingClient::receive_some() {
  if (unread_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  MILLRACE_ASSIGN(const auto left, time_left());
  MILLRACE_TRY(wait_for_socket(fd_.get(), false, left));
  const auto n = ::recv(fd_.get(), buffer_.data() + unread_, buffer_.size() - unread_, 0);
  if (n == 0) return parser_.feed_end();
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return fail(Code::kIo, "receiving failed: " + std::generic_category().message(errno));
  if (deadline_moves_) deadline_ = now_us() + options_.request_timeout;
  unread_ += static_cast<std::size_t>(n);
  MILLRACE_ASSIGN(const auto used, parser_.feed({buffer_.data(), unread_}));
  std::copy(buffer_.data() + used, buffer_.data() + unread_, buffer_.data());
  unread_ -= used;
  return {};
}

Status BlockingClient::receive() {
  while (!parser_.done()) MILLRACE_TRY(receive_some());
  return {};
}

Result<HttpResponse> BlockingClient::exchange(bool to_head, const std::string& bytes, const OnBody& on_body) {
  const bool reused = fd_.valid();
  if (!reused) MILLRACE_TRY(reconnect());
  deadline_ = now_us() + options_.request_timeout;
  parser_.reset(to_head);
  if (on_body) parser_.stream_body(on_body);
  auto status = send_all(bytes);
  if (status) status = receive();
  if (!status) {
    fd_.reset();
    // An idle connection may have been closed by the server: no byte of an answer came, so ask again, once.
    if (reused && status.error().code == Code::kIo && !parser_.begun())
      return exchange(to_head, bytes, on_body);
    return fail(std::move(status).error());
  }
  if (!parser_.keep_alive()) fd_.reset();
  return parser_.take();
}

std::string BlockingClient::write_request(std::string_view method, std::string_view target,
                                          std::string_view body, const Headers& headers) const {
  auto all = options_.headers;
  all.insert(all.end(), headers.begin(), headers.end());
  std::string bytes;
  append_request(bytes, method, target, host_, "application/json", all, body);
  return bytes;
}

Result<HttpResponse> BlockingClient::request(std::string_view method, std::string_view target,
                                             std::string_view body, const Headers& headers) {
  deadline_moves_ = false;
  return exchange(method == "HEAD", write_request(method, target, body, headers), nullptr);
}

Result<HttpResponse> BlockingClient::request_lines(std::string_view method, std::string_view target,
                                                   std::string_view body, const Headers& headers,
                                                   const std::function<bool(std::string_view)>& on_line) {
  deadline_moves_ = true;
  LineCutter cutter(on_line);
  auto response = exchange(false, write_request(method, target, body, headers),
                           [&](std::string_view bytes) { return cutter.add(bytes); });
  if (response) cutter.finish();
  if (!response && response.error().code == Code::kCancelled) return HttpResponse{};
  return response;
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::connect(HttpClientOptions options) {
  auto client = std::make_unique<BlockingClient>(std::move(options));
  MILLRACE_TRY(client->open());
  return client;
}

}  // namespace millrace
