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
  unread_ = 0;
  outbox_.clear();
  write_blocked_ = false;
  connect_deadline_ = Clock::now() + std::chrono::microseconds(settings_.connect_timeout);
  auto fd = start_connect(settings_.address, settings_.as_written);
  if (!fd) {
    auto failed = std::move(fd).error();
    asio::post(socket_.get_executor(), [this, failed] { on_connected(fail(failed)); });
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
  if (outcome) {
    phase_ = Phase::kIdle;
    start_read();
  } else {
    phase_ = Phase::kClosed;
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
  append_request(outbox_.bytes(), r.method, r.target, host_, r.content_type, r.headers, r.body);
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
  if (buffer_.empty()) buffer_.resize(kBufferBytes);
  if (unread_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  socket_.async_read_some(asio::buffer(buffer_.data() + unread_, buffer_.size() - unread_),
                          [this, generation = generation_](const error_code& error, std::size_t bytes) {
                            if (generation == generation_) on_read(error, bytes);
                          });
}

void ClientConnection::on_read(const error_code& error, std::size_t bytes) {
  if (error) {
    if (phase_ == Phase::kBusy && error == asio::error::eof && parser_.feed_end()) return finish();
    return close({Code::kIo, "the server closed the connection: " + error.message(), {}});
  }
  unread_ += bytes;
  parse();
}

void ClientConnection::parse() {
  if (phase_ != Phase::kBusy) return close({Code::kCorrupt, "the server sent what was not asked for", {}});
  const auto used = parser_.feed({buffer_.data(), unread_});
  if (!used) return close(used.error());
  std::copy(buffer_.data() + *used, buffer_.data() + unread_, buffer_.data());
  unread_ -= *used;
  if (parser_.done()) return finish();
  start_read();
}

void ClientConnection::finish() {
  const bool keep = parser_.keep_alive() && outbox_.empty() && unread_ == 0;
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
    on_connected(fail(Code::kDeadline, "cannot connect to " + settings_.as_written + " in time"));
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
