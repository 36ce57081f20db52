#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "net/http_server.h"
#include "net/mailbox.h"
#include "net/request_parser.h"
#include "net/socket.h"

namespace millrace {

class Session;

/// What all io threads of a server share. Everything but the counters is constant.
struct ServerShared {
  HttpServerOptions options;
  HttpHandler handler;
  RequestParser::Limits parser_limits;
  std::atomic<std::uint64_t> connections_open = 0;
  std::atomic<std::uint64_t> connections_total = 0;
  std::atomic<std::uint64_t> connections_refused = 0;
  std::atomic<std::uint64_t> malformed_total = 0;
  std::atomic<std::uint64_t> timeouts_total = 0;
  std::atomic<std::uint64_t> slow_streams_total = 0;
};

/// A connection just accepted.
struct NewConnection {
  UniqueFd fd;
  std::string remote_ip;  ///< "" over the Unix socket
};

/// A thread that serves its share of the connections, with one timer for all of their time-outs.
/// Threads: methods on its own thread only, unless they say otherwise.
class IoThread {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Clock = std::chrono::steady_clock;

  /// `on_finished` runs at the end of the thread.
  IoThread(ServerShared& shared, int index, std::function<void()> on_finished);
  ~IoThread();

  /// Return the io thread that runs the caller, or null. Any thread.
  static IoThread* current();

  void start();                          ///< any thread, once
  void adopt(NewConnection connection);  ///< any thread
  void drain();                          ///< any thread: end once no request is under way
  void close_all();                      ///< any thread: end now
  void join();                           ///< any thread but its own
  void wake();                           ///< any thread: deliver what the mailbox holds

  std::uint64_t requests_total() const { return requests_total_.load(std::memory_order_relaxed); }

  boost::asio::io_context& context() { return context_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  ServerShared& shared() { return shared_; }
  bool draining() const { return draining_; }

  /// Make the ticket for the next request of the session in `slot`.
  std::uint64_t next_ticket(std::uint32_t slot);

  /// Give a request to the handler; `ticket` is already the session's.
  void call_handler(std::uint64_t ticket, HttpRequest&& request);

  /// Deliver when it answers the request whose handler runs right now.
  bool deliver_at_once(Mailbox::Delivery& delivery);

  /// Destroy a session that is closed and has no operation under way.
  void remove(std::uint32_t slot);

 private:
  void run();
  void add_session(NewConnection connection);
  void deliver(Mailbox::Delivery& delivery);
  void deliver_all();
  void arm_sweep();
  void sweep();
  void end_if_empty();
  Session* session_of(std::uint64_t ticket);

  ServerShared& shared_;
  const int index_;
  std::function<void()> on_finished_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<Executor> work_;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> sweep_timer_;
  Clock::duration sweep_period_;
  std::shared_ptr<Mailbox> mailbox_;
  std::vector<std::unique_ptr<Session>> sessions_;  ///< by slot; null where free
  std::vector<std::uint32_t> free_slots_;
  std::size_t session_count_ = 0;
  std::uint64_t serial_ = 0;
  std::uint64_t ticket_in_handler_ = 0;
  std::atomic<std::uint64_t> requests_total_ = 0;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace millrace
