#include "net/http_server.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/io_thread.h"
#include "net/listener.h"
#include "net/message_writer.h"
#include "net/session.h"
#include "net/socket.h"

namespace millrace {
namespace {

/// One listener for an address, on the first io thread, which deals the connections out in turn. (A listener
/// a thread with SO_REUSEPORT would let a second server share the port unseen.)
class Server : public HttpServer {
 public:
  Server(HttpServerOptions options, HttpHandler handler);
  ~Server() override { stop(0); }

  Status listen();
  void start();

  const std::vector<std::string>& addresses() const override { return addresses_; }
  std::uint16_t port() const override { return port_; }
  void stop(DurationUs grace) override;
  HttpServerStats stats() const override;

 private:
  Status listen_on_address(const std::string& address);
  void hand_out(NewConnection connection);
  void thread_finished();

  ServerShared shared_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t threads_running_ = 0;  ///< guarded by mutex_
  std::mutex stop_mutex_;
  bool stopped_ = false;  ///< guarded by stop_mutex_
  bool unix_socket_made_ = false;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;  ///< of the first thread
  std::size_t next_thread_ = 0;                       ///< the first thread's
  std::vector<std::string> addresses_;
  std::uint16_t port_ = 0;
};

Server::Server(HttpServerOptions options, HttpHandler handler) {
  shared_.options = std::move(options);
  shared_.handler = std::move(handler);
  const auto& o = shared_.options;
  shared_.parser_limits.header_bytes_max = o.header_bytes_max;
  shared_.parser_limits.body = o.body_limits_for;
  if (!shared_.parser_limits.body)
    shared_.parser_limits.body = [limits = o.body_limits](std::string_view, std::string_view) {
      return limits;
    };
  for (int i = 0; i < std::max(o.threads, 1); ++i)
    threads_.push_back(std::make_unique<IoThread>(shared_, i, [this] { thread_finished(); }));
}

Status Server::listen() {
  for (const auto& address : shared_.options.listen) MILLRACE_TRY(listen_on_address(address));
  if (shared_.options.unix_socket.empty()) return {};
  MILLRACE_TRY(listen_on_address("unix:" + shared_.options.unix_socket));
  unix_socket_made_ = true;
  return {};
}

Status Server::listen_on_address(const std::string& address) {
  MILLRACE_ASSIGN(const auto resolved, resolve_address(address));
  MILLRACE_ASSIGN(auto fd, listen_on(resolved, address));
  if (const auto local = local_address(fd.get()); local.family() != AF_UNIX) {
    if (addresses_.empty()) port_ = local.port();
    addresses_.push_back(local.text());
  }
  listeners_.push_back(std::make_unique<Listener>(*threads_.front(), std::move(fd),
                                                  [this](NewConnection c) { hand_out(std::move(c)); }));
  return {};
}

void Server::start() {
  for (auto& listener : listeners_) listener->start();
  threads_running_ = threads_.size();
  for (auto& thread : threads_) thread->start();
}

void Server::hand_out(NewConnection connection) {
  if (shared_.connections_open.load(std::memory_order_relaxed) >= shared_.options.connections_max) {
    shared_.connections_refused.fetch_add(1, std::memory_order_relaxed);
    auto full = HttpResponse::error(503, "overloaded", "too many connections; try again later");
    full.headers.push_back({"Retry-After", "1"});
    Outbox outbox;
    append_response(outbox.bytes(), full, {.keep_alive = false});
    outbox.flush(connection.fd.get());
    return;
  }
  shared_.connections_open.fetch_add(1, std::memory_order_relaxed);
  shared_.connections_total.fetch_add(1, std::memory_order_relaxed);
  threads_[next_thread_]->adopt(std::move(connection));
  next_thread_ = (next_thread_ + 1) % threads_.size();
}

void Server::thread_finished() {
  const std::lock_guard lock(mutex_);
  --threads_running_;
  finished_.notify_all();
}

void Server::stop(DurationUs grace) {
  const std::lock_guard only_one(stop_mutex_);
  boost::asio::post(threads_.front()->context(), [this] {
    for (auto& listener : listeners_) listener->close();
  });
  for (auto& thread : threads_) thread->drain();
  {
    std::unique_lock lock(mutex_);
    finished_.wait_for(lock, std::chrono::microseconds(grace), [&] { return threads_running_ == 0; });
  }
  for (auto& thread : threads_) thread->close_all();
  for (auto& thread : threads_) thread->join();
  if (!std::exchange(stopped_, true) && unix_socket_made_) ::unlink(shared_.options.unix_socket.c_str());
}

HttpServerStats Server::stats() const {
  HttpServerStats stats;
  stats.connections_open = shared_.connections_open.load();
  stats.connections_total = shared_.connections_total.load();
  stats.connections_refused = shared_.connections_refused.load();
  for (const auto& thread : threads_) stats.requests_total += thread->requests_total();
  stats.malformed_total = shared_.malformed_total.load();
  stats.timeouts_total = shared_.timeouts_total.load();
  stats.slow_streams_total = shared_.slow_streams_total.load();
  return stats;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::open(HttpServerOptions options, HttpHandler handler) {
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  MILLRACE_TRY(server->listen());
  server->start();
  return server;
}

}  // namespace millrace
