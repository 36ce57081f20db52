#include "net/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

namespace millrace {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kBufferBytes = 4 * 1024;
constexpr std::size_t kBufferBytesForBody = 64 * 1024;

/// Unsent answers at which a client that pipelines must read before more of its requests are handled.
constexpr std::size_t kOutboxPauseBytes = 64 * 1024;

constexpr std::size_t kLingerBytesMax = 64 * 1024 * 1024;
constexpr DurationUs kLinger = 5 * kSecondUs;

}  // namespace

Session::Session(IoThread& io, std::uint32_t slot, NewConnection connection)
    : io_(io),
      slot_(slot),
      socket_(io.context().get_executor()),
      remote_ip_(std::move(connection.remote_ip)),
      over_unix_socket_(remote_ip_.empty()),
      parser_(io.shared().parser_limits) {
  const auto family = local_address(connection.fd.get()).family();
  error_code error;
  if (!socket_.assign(asio::generic::stream_protocol(family, 0), connection.fd.get(), error))
    connection.fd.release();
}

Session::~Session() {
  if (stream_) stream_->close();
}

void Session::start() {
  if (!socket_.is_open()) return close();
  if (!over_unix_socket_) set_no_delay(socket_.native_handle());
  set_deadline(io_.shared().options.idle_timeout);
  want_read();
}

// Parse, handle and send for as long as there is something to do without waiting.
void Session::pump() {
  if (pumping_) return;
  pumping_ = true;
  bool more = true;
  while (more && phase_ == Phase::kReading && !write_blocked_) {
    while (more && phase_ == Phase::kReading && outbox_.unsent() < kOutboxPauseBytes) more = parse_one();
    flush();
  }
  flush();
  pumping_ = false;
  want_read();
}

// Returns whether another request may follow in the buffer.
bool Session::parse_one() {
  begin_ += parser_.feed(unread());
  switch (parser_.step()) {
    case RequestParser::Step::kFailed:
      refuse(parser_.failure());
      return false;
    case RequestParser::Step::kDone:
      break;
    case RequestParser::Step::kBody:
      if (parser_.expects_continue() && unread().empty() && !std::exchange(continue_sent_, true))
        outbox_.bytes().append(kContinue);
      [[fallthrough]];
    case RequestParser::Step::kHead:
      if (input_ended_) phase_ = Phase::kClosing;
      return false;
  }
  clear_deadline();
  auto request = parser_.take();
  if (request)
    handle(*std::move(request));
  else
    answer_with(request.error(), may_keep_alive());
  return begin_ < end_;
}

void Session::handle(HttpRequest request) {
  request.set_peer(remote_ip_, over_unix_socket_);
  phase_ = Phase::kHandling;
  ticket_ = io_.next_ticket(slot_);
  io_.call_handler(ticket_, std::move(request));
}

void Session::refuse(const HttpResponse& response) {
  io_.shared().malformed_total.fetch_add(1, std::memory_order_relaxed);
  append_response(outbox_.bytes(), response, form(false));
  phase_ = Phase::kLingering;
  begin_ = end_ = 0;
  set_deadline(kLinger);
}

void Session::answer(const HttpResponse& response) {
  if (phase_ != Phase::kHandling) return;
  answer_with(response, may_keep_alive());
  pump();
}

void Session::answer_with(const HttpResponse& response, bool keep_alive) {
  append_response(outbox_.bytes(), response, form(keep_alive));
  finish_answer(keep_alive);
}

void Session::finish_answer(bool keep_alive) {
  ticket_ = 0;
  parser_.reset();
  continue_sent_ = false;
  if (!keep_alive) return end_after_answer();
  phase_ = Phase::kReading;
  request_begun_ = begin_ < end_;
  const auto& options = io_.shared().options;
  set_deadline(request_begun_ ? options.request_timeout : options.idle_timeout);
}

// Closing a socket that holds unread bytes would reset the connection, and the client might never see its
// answer.
void Session::end_after_answer() {
  phase_ = begin_ < end_ && !input_ended_ ? Phase::kLingering : Phase::kClosing;
  begin_ = end_ = 0;
  set_deadline(kLinger);
}

void Session::start_stream(const HttpResponse& head, std::shared_ptr<StreamState> stream) {
  if (phase_ != Phase::kHandling) return stream->close();
  phase_ = Phase::kStreaming;
  stream_ = std::move(stream);
  append_stream_head(outbox_.bytes(), head, form(stream_keeps_alive()));
  if (io_.draining()) stream_->end();
  stream_ready();
  want_read();
}

void Session::stream_ready() {
  if (phase_ != Phase::kStreaming) return;
  const auto taken = stream_->take();
  if (taken.cut) {
    io_.shared().slow_streams_total.fetch_add(1, std::memory_order_relaxed);
    return close();
  }
  if (!taken.bytes.empty() && !parser_.is_head()) {
    if (parser_.is_http_1_0())
      outbox_.bytes().append(taken.bytes);
    else
      append_chunk(outbox_.bytes(), taken.bytes);
  }
  if (taken.ended) return finish_stream();
  flush();
  if (stream_) stream_->set_in_flight(outbox_.unsent());
}

void Session::finish_stream() {
  const bool keep_alive = stream_keeps_alive();
  if (!parser_.is_http_1_0() && !parser_.is_head()) outbox_.bytes().append(kLastChunk);
  std::exchange(stream_, nullptr)->close();
  finish_answer(keep_alive);
  pump();
}

void Session::drain() {
  if (phase_ == Phase::kReading && !request_begun_ && outbox_.empty()) return close();
  if (phase_ == Phase::kStreaming) {
    stream_->end();
    stream_ready();
  }
}

void Session::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  ticket_ = 0;
  if (stream_) std::exchange(stream_, nullptr)->close();
  error_code ignored;
  socket_.close(ignored);
  ++operations_;
  asio::post(io_.context(), [this] { operation_done(); });
}

void Session::check_deadlines(TimePoint now) {
  if (phase_ == Phase::kClosed || (now < deadline_ && now < write_deadline_)) return;
  if (phase_ == Phase::kReading && request_begun_ && now < write_deadline_) {
    io_.shared().timeouts_total.fetch_add(1, std::memory_order_relaxed);
    refuse(HttpResponse::error(408, "timeout", "the request did not arrive in time"));
    return pump();
  }
  if (phase_ != Phase::kLingering && phase_ != Phase::kClosing)
    io_.shared().timeouts_total.fetch_add(1, std::memory_order_relaxed);
  close();
}

void Session::flush() {
  if (write_blocked_ || phase_ == Phase::kClosed) return;
  switch (outbox_.flush(socket_.native_handle())) {
    case Outbox::Flush::kDone:
      return on_flushed();
    case Outbox::Flush::kBlocked:
      return wait_writable();
    case Outbox::Flush::kFailed:
      return close();
  }
}

void Session::on_flushed() {
  write_deadline_ = TimePoint::max();
  if (phase_ == Phase::kClosing) return close();
  if (phase_ == Phase::kLingering && !std::exchange(output_shut_, true)) {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
}

void Session::wait_writable() {
  write_blocked_ = true;
  write_deadline_ = IoThread::Clock::now() + std::chrono::microseconds(io_.shared().options.write_timeout);
  ++operations_;
  socket_.async_wait(Socket::wait_write, [this](const error_code& error) {
    on_writable(error);
    operation_done();
  });
}

void Session::on_writable(const error_code& error) {
  write_blocked_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return close();
  flush();
  if (stream_) return stream_->set_in_flight(outbox_.unsent());
  if (!write_blocked_) pump();
}

void Session::want_read() {
  if (read_under_way_ || input_ended_ || phase_ == Phase::kClosing || phase_ == Phase::kClosed) return;
  if (make_room()) return start_read();
  if (phase_ != Phase::kReading || write_blocked_) return;
  refuse(HttpResponse::error(400, "malformed", "a line of the request is too long"));
  flush();
  want_read();
}

std::size_t Session::buffer_bytes_wanted() const {
  if (phase_ == Phase::kLingering) return kBufferBytesForBody;
  if (phase_ != Phase::kReading || !request_begun_) return kBufferBytes;
  const bool large_body =
      parser_.step() == RequestParser::Step::kBody && parser_.body_bytes_left() > kBufferBytes;
  if (large_body) return kBufferBytesForBody;
  const bool long_line = end_ - begin_ >= kBufferBytes;
  return long_line ? io_.shared().options.header_bytes_max + kBufferBytes : kBufferBytes;
}

// Returns whether there is room to read into, after moving what is unread to the front of a buffer of the
// right size.
bool Session::make_room() {
  const auto unread_bytes = end_ - begin_;
  const auto wanted = std::max(buffer_bytes_wanted(), unread_bytes);
  if (wanted != capacity_) {
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    std::copy_n(buffer_.get() + begin_, unread_bytes, larger.get());
    buffer_ = std::move(larger);
    capacity_ = wanted;
  } else if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, unread_bytes);
  }
  begin_ = 0;
  end_ = unread_bytes;
  return end_ < capacity_;
}

void Session::start_read() {
  read_under_way_ = true;
  ++operations_;
  socket_.async_read_some(asio::buffer(buffer_.get() + end_, capacity_ - end_),
                          [this](const error_code& error, std::size_t bytes) {
                            on_read(error, bytes);
                            operation_done();
                          });
}

void Session::on_read(const error_code& error, std::size_t bytes) {
  read_under_way_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return on_end_of_input(error);
  on_bytes(bytes);
}

void Session::on_bytes(std::size_t bytes) {
  if (phase_ == Phase::kLingering) {
    lingered_bytes_ += bytes;
    if (lingered_bytes_ > kLingerBytesMax) return close();
    return want_read();
  }
  end_ += bytes;
  if (phase_ == Phase::kReading && !std::exchange(request_begun_, true))
    set_deadline(io_.shared().options.request_timeout);
  pump();
}

void Session::on_end_of_input(const error_code& error) {
  input_ended_ = true;
  const bool gone = error != asio::error::eof || phase_ == Phase::kStreaming || phase_ == Phase::kLingering;
  if (gone || (phase_ == Phase::kReading && outbox_.empty())) close();
}

void Session::operation_done() {
  if (--operations_ == 0 && phase_ == Phase::kClosed) io_.remove(slot_);
}

AnswerForm Session::form(bool keep_alive) const {
  return {.keep_alive = keep_alive, .http_1_0 = parser_.is_http_1_0(), .head_only = parser_.is_head()};
}

bool Session::may_keep_alive() const {
  const bool more_may_come = !input_ended_ || begin_ < end_;
  return more_may_come && parser_.keep_alive() && !io_.draining();
}

// HTTP/1.0 has no chunks: only the end of the connection shows the end of the stream.
bool Session::stream_keeps_alive() const {
  return may_keep_alive() && !parser_.is_http_1_0();
}

void Session::set_deadline(DurationUs from_now) {
  deadline_ = IoThread::Clock::now() + std::chrono::microseconds(from_now);
}

}  // namespace millrace
