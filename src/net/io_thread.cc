#include "net/io_thread.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "net/session.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

thread_local IoThread* current_thread = nullptr;

// A ticket names a session by its slot, and one of its requests by a serial number.
constexpr int kSlotBits = 24;
constexpr std::uint64_t kSlotMask = (1u << kSlotBits) - 1;

/// A quarter of the shortest time-out, so that none is exceeded by more than that.
IoThread::Clock::duration sweep_period(const HttpServerOptions& options) {
  const auto shortest = std::min({options.request_timeout, options.idle_timeout, options.write_timeout});
  return std::chrono::microseconds(std::clamp(shortest / 4, 5 * kMillisecondUs, kSecondUs));
}

}  // namespace

IoThread::IoThread(ServerShared& shared, int index, std::function<void()> on_finished)
    : shared_(shared),
      index_(index),
      on_finished_(std::move(on_finished)),
      context_(1),
      work_(context_.get_executor()),
      sweep_timer_(context_.get_executor()),
      sweep_period_(sweep_period(shared.options)),
      mailbox_(std::make_shared<Mailbox>(*this, shared.options.stream_buffer_bytes_max)) {}

IoThread::~IoThread() {
  close_all();
  join();
}

IoThread* IoThread::current() {
  return current_thread;
}

void IoThread::start() {
  thread_ = std::thread([this] { run(); });
}

void IoThread::run() {
  pthread_setname_np(pthread_self(), fmt::format("http-{}", index_).c_str());
  current_thread = this;
  arm_sweep();
  context_.run();
  mailbox_->close();
  current_thread = nullptr;
  on_finished_();
}

void IoThread::join() {
  if (thread_.joinable()) thread_.join();
}

void IoThread::wake() {
  asio::post(context_, [this] { deliver_all(); });
}

void IoThread::adopt(NewConnection connection) {
  asio::post(context_, [this, c = std::move(connection)]() mutable { add_session(std::move(c)); });
}

void IoThread::add_session(NewConnection connection) {
  if (draining_) {
    shared_.connections_open.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(sessions_.size()));
    sessions_.emplace_back();
  }
  const auto slot = free_slots_.back();
  free_slots_.pop_back();
  ++session_count_;
  sessions_[slot] = std::make_unique<Session>(*this, slot, std::move(connection));
  sessions_[slot]->start();
}

void IoThread::remove(std::uint32_t slot) {
  sessions_[slot].reset();
  free_slots_.push_back(slot);
  --session_count_;
  shared_.connections_open.fetch_sub(1, std::memory_order_relaxed);
  end_if_empty();
}

void IoThread::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (auto& session : sessions_)
      if (session) session->drain();
    end_if_empty();
  });
}

void IoThread::close_all() {
  asio::post(context_, [this] {
    draining_ = true;
    for (auto& session : sessions_)
      if (session) session->close();
    end_if_empty();
  });
}

void IoThread::end_if_empty() {
  if (!draining_ || session_count_ != 0) return;
  work_.reset();
  sweep_timer_.cancel();
}

std::uint64_t IoThread::next_ticket(std::uint32_t slot) {
  return (++serial_ << kSlotBits) | slot;
}

Session* IoThread::session_of(std::uint64_t ticket) {
  const auto slot = ticket & kSlotMask;
  auto* session = slot < sessions_.size() ? sessions_[slot].get() : nullptr;
  return session && session->ticket() == ticket ? session : nullptr;
}

void IoThread::call_handler(std::uint64_t ticket, HttpRequest&& request) {
  requests_total_.store(requests_total_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  ticket_in_handler_ = ticket;
  try {
    shared_.handler(std::move(request), Responder(mailbox_, ticket));
  } catch (const std::exception& e) {
    log_error("http", "a handler threw", {field("what", e.what())});  // its responder was dropped: 500
  }
  ticket_in_handler_ = 0;
}

bool IoThread::deliver_at_once(Mailbox::Delivery& delivery) {
  if (delivery.ticket != ticket_in_handler_) return false;
  deliver(delivery);
  return true;
}

void IoThread::deliver_all() {
  for (auto& delivery : mailbox_->take_all()) deliver(delivery);
}

void IoThread::deliver(Mailbox::Delivery& delivery) {
  auto* session = session_of(delivery.ticket);
  if (!session) {
    if (delivery.stream) delivery.stream->close();
    return;
  }
  switch (delivery.kind) {
    case Mailbox::Delivery::Kind::kResponse:
      return session->answer(delivery.response);
    case Mailbox::Delivery::Kind::kStreamStart:
      return session->start_stream(delivery.response, delivery.stream);
    case Mailbox::Delivery::Kind::kStreamReady:
      return session->stream_ready();
  }
}

void IoThread::arm_sweep() {
  sweep_timer_.expires_after(sweep_period_);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) sweep();
  });
}

void IoThread::sweep() {
  const auto now = Clock::now();
  for (auto& session : sessions_)
    if (session) session->check_deadlines(now);
  if (!draining_ || session_count_ != 0) arm_sweep();
}

}  // namespace millrace
