#include "source/http_fetcher.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "net/socket.h"
#include "net/tls_client.h"
#include "source/http_page.h"

namespace millrace {
namespace {

constexpr int kRedirectsMax = 3;
constexpr std::size_t kSaidBytesMax = 200;
constexpr DurationUs kConnectTimeout = 10 * kSecondUs;

/// An answer on its way from the client's thread.
struct Awaited {
  std::mutex mutex;
  std::condition_variable_any came;
  std::optional<Result<HttpResponse>> answer;  ///< guarded by mutex
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Code code_of(int status) {
  if (status == 429 || status == 503) return Code::kOverloaded;
  if (status == 401 || status == 403) return Code::kDenied;
  return status >= 500 ? Code::kIo : Code::kInvalid;
}

/// Return what to do about an answer, or "".
std::string_view remedy_of(int status) {
  switch (status) {
    case 401:
      return "the API does not take the credentials: check auth";
    case 403:
      return "the credentials are known, but may not read this: ask for the right";
    case 404:
      return "there is nothing there: check url";
    case 429:
      return "it has been asked too often: lower limits.requests_per_second, or raise every";
    default:
      return status >= 500 ? "the API itself has failed"
                           : "the API does not take the request: check parameters and paging";
  }
}

std::string said_by(const HttpResponse& answer, const HttpSource& source) {
  const auto text = beginning_of(answer.body, kSaidBytesMax, source);
  return text.empty() ? "" : fmt::format(" (it says: {})", text);
}

}  // namespace

bool sleep_until_stop(DurationUs time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, std::chrono::microseconds(time), [] { return false; });
  return !stop.stop_requested();
}

std::optional<DurationUs> HttpFetcher::asked_to_wait() const {
  if (!not_before_) return std::nullopt;
  return std::max<DurationUs>(*not_before_ - env_.steady_now(), 0);
}

Status HttpFetcher::connect(const std::stop_token& stop) {
  if (client_) return {};
  AsyncHttpClientOptions options;
  options.address = source_.url.address;
  MILLRACE_ASSIGN(options.resolved, resolve_address(options.address, stop));
  if (source_.url.tls) {
    MILLRACE_ASSIGN(options.tls, TlsTrust::load(source_.ca_file));
  }
  options.connections = 1;
  options.queue_requests_max = 2;
  options.request_timeout = source_.limits.timeout;
  options.connect_timeout = std::min(source_.limits.timeout, kConnectTimeout);
  options.response_bytes_max = source_.limits.page_bytes;
  MILLRACE_ASSIGN(client_, AsyncHttpClient::open(std::move(options)));
  return {};
}

Status HttpFetcher::wait_for_turn(const std::stop_token& stop) {
  const DurationUs now = env_.steady_now();
  const DurationUs from = std::max(next_request_, not_before_.value_or(now));
  if (from > now && !sleep_until_stop(from - now, stop)) return fail(Code::kCancelled, "stopped");
  not_before_.reset();
  const double rate = source_.limits.requests_per_second;
  if (rate > 0) next_request_ = env_.steady_now() + static_cast<DurationUs>(1e6 / rate);
  return {};
}

Result<HttpResponse> HttpFetcher::ask(const std::string& target, const std::stop_token& stop) {
  MILLRACE_TRY(wait_for_turn(stop));
  MILLRACE_TRY(connect(stop));
  ClientRequest request;
  request.target = target;
  request.headers = source_.headers;
  const auto awaited = std::make_shared<Awaited>();
  MILLRACE_TRY(client_->send(std::move(request), [awaited](Result<HttpResponse> answer) {
    const std::lock_guard lock(awaited->mutex);
    awaited->answer = std::move(answer);
    awaited->came.notify_all();
  }));
  std::unique_lock lock(awaited->mutex);
  awaited->came.wait(lock, stop, [&] { return awaited->answer.has_value(); });
  if (!awaited->answer) {
    lock.unlock();
    client_.reset();
    return fail(Code::kCancelled, "stopped");
  }
  return *std::move(awaited->answer);
}

Status HttpFetcher::check(const HttpResponse& answer) {
  if (answer.status == 200) return {};
  if (answer.status == 429 || answer.status == 503) {
    if (const auto wait = retry_after(answer.header("Retry-After"), env_.now()))
      not_before_ = env_.steady_now() + *wait;
  }
  return fail(code_of(answer.status),
              fmt::format("{} answered {}: {} (source {} of millrace.yaml){}", source_.url.without_query(),
                          answer.status, remedy_of(answer.status), source_.name, said_by(answer, source_)));
}

Result<HttpResponse> HttpFetcher::get(const std::string& target, const std::stop_token& stop) {
  HttpUrl url = source_.url;
  url.target = target;
  status_ = 0;
  for (int redirects = 0;; ++redirects) {
    auto answer = ask(url.target, stop);
    if (!answer) {
      auto error = std::move(answer).error();
      client_.reset();  // the name may mean another address by now
      if (error.code == Code::kOutOfRange)
        error.message += "; ask for smaller pages (paging.size), or raise limits.page_bytes";
      return fail(std::move(error).with_context(source_.url.without_query()));
    }
    status_ = answer->status;
    if (!is_redirect(answer->status)) {
      MILLRACE_TRY(check(*answer));
      return answer;
    }
    MILLRACE_ASSIGN(const HttpUrl to, url.resolve(answer->header("Location")));
    if (!to.same_origin(url))
      return fail(Code::kDenied,
                  fmt::format("{} leads on to {}, another host: not followed, since it would be sent the "
                              "credentials; name it as url of the source {} if it is right",
                              url.without_query(), to.without_query(), source_.name));
    if (redirects == kRedirectsMax)
      return fail(Code::kInvalid, fmt::format("{} leads on and on", url.without_query()));
    url = to;
  }
}

}  // namespace millrace
