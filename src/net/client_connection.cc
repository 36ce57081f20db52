#include "net/client_connection.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "net/message_writer.h"

namespace millrace {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kBufferBytes = 4 * 1024;
constexpr std::size_t kBufferBytesForTls = 16 * 1024;  // about one record of TLS

}  // namespace

ClientConnection::ClientConnection(Executor executor, const ConnectionSettings& settings,
                                   ConnectionEvents events)
    : settings_(settings),
      events_(std::move(events)),
      host_(settings.address.family() == AF_UNIX ? "localhost" : settings.as_written),
      socket_(executor),
      parser_(settings.response_bytes_max) {}

void ClientConnection::open() {
  phase_ = Phase::kConnecting;
  ++generation_;
  unparsed_.clear();
  outbox_.clear();
  tls_.reset();
  write_blocked_ = false;
  connect_deadline_ = Clock::now() + std::chrono::microseconds(settings_.connect_timeout);
  auto fd = start_connect(settings_.address, settings_.as_written);
  if (!fd) {
    auto failed = std::move(fd).error();
    asio::post(socket_.get_executor(), [this, failed] { on_opened(fail(failed)); });
    return;
  }
  socket_.assign(asio::generic::stream_protocol(settings_.address.family(), 0), fd->release());
  socket_.async_wait(Socket::wait_write, [this, generation = generation_](const error_code& error) {
    if (!error && generation == generation_)
      on_connected(connect_outcome(socket_.native_handle(), settings_.as_written));
  });
}

void ClientConnection::on_connected(Status outcome) {
  if (phase_ != Phase::kConnecting) return;
  if (outcome && settings_.tls) outcome = begin_tls();
  if (!outcome) return on_opened(std::move(outcome));
  start_read();
  if (!tls_) on_opened({});
}

Status ClientConnection::begin_tls() {
  MILLRACE_ASSIGN(tls_, TlsClientSession::begin(settings_.tls, settings_.host));
  outbox_.bytes().append(tls_->take_output());
  flush();
  return {};
}

/// The connection can be used, or cannot be.
void ClientConnection::on_opened(Status outcome) {
  if (phase_ != Phase::kConnecting) return;
  phase_ = outcome ? Phase::kIdle : Phase::kClosed;
  if (!outcome) {
    ++generation_;
    error_code ignored;
    socket_.close(ignored);
  }
  events_.opened(*this, std::move(outcome));
}

void ClientConnection::send(ClientJob job) {
  phase_ = Phase::kBusy;
  const auto& r = job.request;
  parser_.reset(r.method == "HEAD");
  std::string plain;
  std::string& into = tls_ ? plain : outbox_.bytes();
  append_request(into, r.method, r.target, host_, r.content_type, r.headers, r.body);
  if (tls_) {
    tls_->send(plain);
    outbox_.bytes().append(tls_->take_output());
  }
  job_ = std::move(job);
  flush();
}

void ClientConnection::flush() {
  if (write_blocked_) return;
  switch (outbox_.flush(socket_.native_handle())) {
    case Outbox::Flush::kDone:
      return;
    case Outbox::Flush::kFailed:
      return;  // the read under way will tell, after what the server still had to say
    case Outbox::Flush::kBlocked:
      break;
  }
  write_blocked_ = true;
  socket_.async_wait(Socket::wait_write, [this, generation = generation_](const error_code& error) {
    if (error || generation != generation_) return;
    write_blocked_ = false;
    flush();
  });
}

void ClientConnection::start_read() {
  if (buffer_.empty()) buffer_.resize(tls_ ? kBufferBytesForTls : kBufferBytes);
  socket_.async_read_some(asio::buffer(buffer_),
                          [this, generation = generation_](const error_code& error, std::size_t bytes) {
                            if (generation == generation_) on_read(error, bytes);
                          });
}

void ClientConnection::on_read(const error_code& error, std::size_t bytes) {
  if (error) return on_end(error);
  const std::string_view read(buffer_.data(), bytes);
  return tls_ ? on_tls(read) : parse(read);
}

void ClientConnection::on_end(const error_code& error) {
  // A body without a length ends with the connection; with TLS only when the server itself has said so.
  const bool complete = error == asio::error::eof && (!tls_ || tls_->closed_in_good_order());
  if (phase_ == Phase::kBusy && complete && parser_.feed_end()) return finish();
  close({Code::kIo, "the server closed the connection: " + error.message(), {}});
}

void ClientConnection::on_tls(std::string_view bytes) {
  const Status taken = tls_->receive(bytes);
  outbox_.bytes().append(tls_->take_output());
  flush();
  if (!taken) return close(Error{taken.error()}.with_context(settings_.as_written));
  const std::string plain = tls_->take_plain();
  if (phase_ == Phase::kConnecting && tls_->established()) {
    start_read();
    return on_opened({});
  }
  plain.empty() ? start_read() : parse(plain);
}

void ClientConnection::parse(std::string_view bytes) {
  if (phase_ != Phase::kBusy) return close({Code::kCorrupt, "the server sent what was not asked for", {}});
  if (!unparsed_.empty()) bytes = unparsed_.append(bytes);
  const auto used = parser_.feed(bytes);
  if (!used) return close(used.error());
  unparsed_ = std::string(bytes.substr(*used));
  if (parser_.done()) return finish();
  start_read();
}

void ClientConnection::finish() {
  const bool keep = parser_.keep_alive() && outbox_.empty() && unparsed_.empty();
  auto job = *std::exchange(job_, std::nullopt);
  auto answer = parser_.take();
  phase_ = Phase::kIdle;
  if (keep)
    start_read();
  else
    close({});
  events_.answered(*this, std::move(job), std::move(answer));
}

void ClientConnection::check_deadline(Clock::time_point now) {
  if (phase_ == Phase::kBusy && job_->deadline <= now)
    close({Code::kDeadline, settings_.as_written + " did not answer in time", {}});
  else if (phase_ == Phase::kConnecting && connect_deadline_ <= now)
    on_opened(fail(Code::kDeadline, "cannot connect to " + settings_.as_written + " in time"));
}

void ClientConnection::close(const Error& why) {
  const auto before = std::exchange(phase_, Phase::kClosed);
  if (before == Phase::kClosed) return;
  ++generation_;
  error_code ignored;
  socket_.close(ignored);
  outbox_.clear();
  if (before == Phase::kConnecting) return events_.opened(*this, fail(why));
  events_.lost(*this);
  if (job_) events_.answered(*this, *std::exchange(job_, std::nullopt), fail(why));
}

}  // namespace millrace
