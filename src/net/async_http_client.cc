#include "net/async_http_client.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>

#include "net/client_connection.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

/// Connections being opened at one time, so that ten thousand do not overrun the server's backlog.
constexpr std::size_t kConnectingMax = 256;

class Pool : public AsyncHttpClient {
 public:
  Pool(AsyncHttpClientOptions options, ConnectionSettings settings);
  ~Pool() override;

  /// Start the thread; wait until every connection is open when that is asked for.
  Status start();

  Status send(ClientRequest request, Done done) override;
  std::size_t outstanding() const override { return outstanding_.load(); }
  std::size_t connections_open() const override { return open_.load(); }

 private:
  using Clock = ClientConnection::Clock;
  using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, ClientConnection::Executor>;

  void run();
  void take_inbox();
  void serve_waiting();
  void open_another();
  void open_all();
  void on_opened(ClientConnection& connection, Status outcome);
  void on_answer(ClientConnection& connection, ClientJob job, Result<HttpResponse> answer);
  void on_lost(ClientConnection& connection);
  void finish(ClientJob& job, Result<HttpResponse> answer);
  void report_opened(Status outcome);
  void sweep();
  void arm_sweep();
  void cancel_all();

  const AsyncHttpClientOptions options_;
  const ConnectionSettings settings_;
  std::atomic<std::size_t> outstanding_ = 0;
  std::atomic<std::size_t> open_ = 0;

  std::mutex inbox_mutex_;
  std::vector<ClientJob> inbox_;  ///< guarded by inbox_mutex_

  // The rest belongs to the thread.
  asio::io_context context_{1};
  asio::executor_work_guard<ClientConnection::Executor> work_{context_.get_executor()};
  Timer timer_{context_.get_executor()};
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::deque<ClientConnection*> idle_;     ///< some may have been lost since
  std::vector<ClientConnection*> closed_;  ///< to open when needed
  std::size_t connecting_ = 0;
  std::deque<ClientJob> waiting_;
  std::promise<Status> all_open_;
  bool opening_all_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

Pool::Pool(AsyncHttpClientOptions options, ConnectionSettings settings)
    : options_(std::move(options)), settings_(std::move(settings)) {
  const ConnectionEvents events{
      [this](ClientConnection& c, Status outcome) { on_opened(c, std::move(outcome)); },
      [this](ClientConnection& c, ClientJob job, Result<HttpResponse> answer) {
        on_answer(c, std::move(job), std::move(answer));
      },
      [this](ClientConnection& c) { on_lost(c); }};
  for (std::size_t i = 0; i < std::max<std::size_t>(options_.connections, 1); ++i) {
    connections_.push_back(std::make_unique<ClientConnection>(context_.get_executor(), settings_, events));
    closed_.push_back(connections_.back().get());
  }
}

Pool::~Pool() {
  asio::post(context_, [this] { cancel_all(); });
  if (thread_.joinable()) thread_.join();
}

Status Pool::start() {
  opening_all_ = options_.open_all_first;
  auto opened = all_open_.get_future();
  thread_ = std::thread([this] { run(); });
  return options_.open_all_first ? opened.get() : Status{};
}

void Pool::run() {
  pthread_setname_np(pthread_self(), "http-client");
  if (options_.open_all_first) open_all();
  arm_sweep();
  context_.run();
}

Status Pool::send(ClientRequest request, Done done) {
  if (outstanding_.fetch_add(1) >= options_.queue_requests_max) {
    outstanding_.fetch_sub(1);
    return fail(Code::kOverloaded, "too many requests are waiting for an answer");
  }
  const auto deadline = Clock::now() + std::chrono::microseconds(options_.request_timeout);
  const std::lock_guard lock(inbox_mutex_);
  inbox_.push_back({std::move(request), std::move(done), deadline});
  if (inbox_.size() == 1) asio::post(context_, [this] { take_inbox(); });
  return {};
}

void Pool::take_inbox() {
  std::vector<ClientJob> jobs;
  {
    const std::lock_guard lock(inbox_mutex_);
    jobs = std::exchange(inbox_, {});
  }
  for (auto& job : jobs) waiting_.push_back(std::move(job));
  if (stopping_) return cancel_all();
  serve_waiting();
}

void Pool::serve_waiting() {
  while (!waiting_.empty() && !idle_.empty()) {
    auto& connection = *idle_.front();
    idle_.pop_front();
    if (!connection.idle()) continue;
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    connection.send(std::move(job));
  }
  while (connecting_ < waiting_.size() && connecting_ < kConnectingMax && !closed_.empty()) open_another();
}

void Pool::open_all() {
  while (connecting_ < kConnectingMax && !closed_.empty()) open_another();
}

void Pool::open_another() {
  auto& connection = *closed_.back();
  closed_.pop_back();
  ++connecting_;
  connection.open();
}

void Pool::on_opened(ClientConnection& connection, Status outcome) {
  --connecting_;
  if (stopping_) return;
  if (outcome) {
    ++open_;
    idle_.push_back(&connection);
  } else {
    closed_.push_back(&connection);
    if (opening_all_) return report_opened(std::move(outcome));
    if (!waiting_.empty()) {
      auto job = std::move(waiting_.front());
      waiting_.pop_front();
      finish(job, fail(std::move(outcome).error()));
    }
  }
  if (opening_all_) {
    open_all();
    if (open_.load() == connections_.size()) report_opened({});
  }
  serve_waiting();
}

void Pool::report_opened(Status outcome) {
  opening_all_ = false;
  all_open_.set_value(std::move(outcome));
}

void Pool::on_answer(ClientConnection& connection, ClientJob job, Result<HttpResponse> answer) {
  if (connection.idle()) idle_.push_back(&connection);
  finish(job, std::move(answer));
  if (!stopping_) serve_waiting();
}

void Pool::on_lost(ClientConnection& connection) {
  --open_;
  closed_.push_back(&connection);
}

void Pool::finish(ClientJob& job, Result<HttpResponse> answer) {
  --outstanding_;
  job.done(std::move(answer));
}

void Pool::arm_sweep() {
  timer_.expires_after(std::chrono::milliseconds(20));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) sweep();
  });
}

void Pool::sweep() {
  const auto now = Clock::now();
  for (auto& connection : connections_) connection->check_deadline(now);
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    finish(job, fail(Code::kDeadline, "no connection became free in time"));
  }
  if (!stopping_) arm_sweep();
}

void Pool::cancel_all() {
  stopping_ = true;
  const Error cancelled{Code::kCancelled, "the client was closed", {}};
  for (auto& connection : connections_) connection->close(cancelled);
  while (!waiting_.empty()) {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    finish(job, fail(cancelled));
  }
  timer_.cancel();
  work_.reset();
}

/// "example.com:443" → "example.com", "[::1]:443" → "::1".
std::string host_of(std::string_view address) {
  if (address.starts_with('[')) return std::string(address.substr(1, address.find(']') - 1));
  return std::string(address.substr(0, address.rfind(':')));
}

}  // namespace

Result<std::unique_ptr<AsyncHttpClient>> AsyncHttpClient::open(AsyncHttpClientOptions options) {
  if (!options.resolved) {
    MILLRACE_ASSIGN(options.resolved, resolve_address(options.address));
  }
  const ConnectionSettings settings{.address = *options.resolved,
                                    .as_written = options.address,
                                    .tls = options.tls,
                                    .host = host_of(options.address),
                                    .connect_timeout = options.connect_timeout,
                                    .response_bytes_max = options.response_bytes_max};
  auto pool = std::make_unique<Pool>(std::move(options), settings);
  MILLRACE_TRY(pool->start());
  return pool;
}

}  // namespace millrace
