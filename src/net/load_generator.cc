#include "net/load_generator.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

DurationUs us_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count();
}

/// Collects the answers; all but `wait` runs on the client's thread.
class Tally {
 public:
  void answered(Clock::time_point intended, const Result<HttpResponse>& answer) {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    if (!answer) {
      ++result_.errors[std::string(code_name(answer.error().code))];
    } else {
      result_.latency.record(us_between(intended, now));
      last_answer_ = now;
      if (answer->status >= 200 && answer->status < 300)
        ++result_.succeeded;
      else
        ++result_.errors[fmt::format("status_{}", answer->status)];
    }
    --due_;
    if (due_ == 0) all_in_.notify_all();
  }

  void expect_one() {
    const std::lock_guard lock(mutex_);
    ++due_;
    ++result_.sent;
  }

  void refused(Code code) {
    const std::lock_guard lock(mutex_);
    --due_;
    ++result_.errors[std::string(code_name(code))];
  }

  /// Wait for every answer still due. Each comes, if only as a time-out.
  LoadResult wait(Clock::time_point start) {
    std::unique_lock lock(mutex_);
    all_in_.wait(lock, [&] { return due_ == 0; });
    const auto elapsed = us_between(start, std::max(last_answer_, start));
    if (elapsed > 0)
      result_.achieved_per_second =
          static_cast<double>(result_.succeeded) * kSecondUs / static_cast<double>(elapsed);
    return std::move(result_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_in_;
  std::uint64_t due_ = 0;
  Clock::time_point last_answer_;
  LoadResult result_;
};

}  // namespace

std::uint64_t LoadResult::error_count() const {
  std::uint64_t count = 0;
  for (const auto& [kind, n] : errors) count += n;
  return count;
}

Result<LoadResult> generate_load(const LoadOptions& options,
                                 const std::function<ClientRequest(std::uint64_t)>& make_request) {
  AsyncHttpClientOptions client_options;
  client_options.address = options.address;
  client_options.connections = options.connections;
  client_options.queue_requests_max = options.outstanding_max;
  client_options.request_timeout = options.request_timeout;
  client_options.open_all_first = true;
  Tally tally;  // outlives the client, which calls it
  MILLRACE_ASSIGN(const auto client, AsyncHttpClient::open(std::move(client_options)));

  const auto total =
      static_cast<std::uint64_t>(options.rate_per_second * static_cast<double>(options.duration) / kSecondUs);
  const std::chrono::duration<double> gap(1 / options.rate_per_second);
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < total; ++i) {
    const auto intended = start + std::chrono::duration_cast<Clock::duration>(gap * static_cast<double>(i));
    auto request = make_request(i);
    std::this_thread::sleep_until(intended);  // returns at once when we are late
    tally.expect_one();
    auto status = client->send(std::move(request), [&tally, intended](Result<HttpResponse> answer) {
      tally.answered(intended, answer);
    });
    if (!status) tally.refused(status.error().code);
  }
  return tally.wait(start);
}

}  // namespace millrace
