#include "server/push_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/text.h"
#include "net/async_http_client.h"
#include "net/tls_client.h"

namespace millrace {
namespace {

constexpr DurationUs kConnectTimeout = 5 * kSecondUs;
constexpr DurationUs kOpenAgain = 10 * kSecondUs;
constexpr std::size_t kAnswerBytesMax = 64 << 10;  // nobody reads it

/// The answers that Pub/Sub takes for an acknowledgement.
bool acknowledges(int status) {
  return status == 102 || (status >= 200 && status <= 202) || status == 204;
}

std::optional<DurationUs> retry_after_of(const HttpResponse& answer) {
  const std::string_view text = answer.header("Retry-After");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || seconds < 0 || seconds > 86'400) return {};
  return seconds * kSecondUs;
}

PushOutcome outcome_of(const Result<HttpResponse>& answer) {
  using Kind = PushOutcome::Kind;
  if (answer && acknowledges(answer->status)) return {Kind::kAcknowledged, ""};
  if (answer)
    return {Kind::kRefused, fmt::format("the endpoint answered {}", answer->status), retry_after_of(*answer)};
  const Code code = answer.error().code;
  const bool never_left = code == Code::kNotFound || code == Code::kDenied || code == Code::kCancelled ||
                          code == Code::kOverloaded;
  return {never_left ? Kind::kUnreachable : Kind::kRefused, answer.error().text()};
}

/// Pushes to one endpoint. Its client is opened on a thread of its own, since asking for the address of a
/// name may take its time; pushes fail as unreachable until then.
class HttpPushSender : public PushSender {
 public:
  HttpPushSender(PushTarget target, PushUrl url, AsyncHttpClientOptions options, Env& env)
      : target_(std::move(target)),
        url_(std::move(url)),
        options_(std::move(options)),
        env_(env),
        opener_([this](const std::stop_token& stop) { open(stop); }) {}

  void send(std::string_view id, PushBody body, Done done) override {
    ClientRequest request{.method = "POST",
                          .target = url_.target,
                          .body = std::move(body.text),
                          .content_type = std::move(body.content_type),
                          .headers = {}};
    if (!target_.authorization.empty()) request.headers.push_back({"Authorization", target_.authorization});
    sign(id, request);
    std::string why = "connecting";
    {
      const std::lock_guard lock(mutex_);
      if (client_) {
        const Status sent = client_->send(
            std::move(request), [done](const Result<HttpResponse>& answer) { done(outcome_of(answer)); });
        if (sent) return;
        why = sent.error().text();
      } else if (!problem_.empty()) {
        why = problem_;
      }
    }
    done({PushOutcome::Kind::kUnreachable, std::move(why)});
  }

 private:
  void sign(std::string_view id, ClientRequest& request) const {
    if (target_.secret.empty()) return;
    const std::int64_t seconds = env_.now() / kSecondUs;
    request.headers.push_back({"webhook-id", std::string(id)});
    request.headers.push_back({"webhook-timestamp", std::to_string(seconds)});
    request.headers.push_back(
        {"webhook-signature", push_signature(target_.secret, id, seconds, request.body)});
  }

  void open(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "push-open");
    while (!stop.stop_requested()) {
      auto client = AsyncHttpClient::open(options_);
      std::unique_lock lock(mutex_);
      if (client) {
        client_ = *std::move(client);
        return;
      }
      problem_ = client.error().text();
      woken_.wait_for(lock, stop, std::chrono::microseconds(kOpenAgain), [] { return false; });
    }
  }

  const PushTarget target_;
  const PushUrl url_;
  const AsyncHttpClientOptions options_;
  Env& env_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::unique_ptr<AsyncHttpClient> client_;  ///< guarded by mutex_
  std::string problem_;                      ///< guarded by mutex_; why there is no client
  std::jthread opener_;                      ///< last: uses the others
};

}  // namespace

Result<PushUrl> PushUrl::parse(std::string_view url) {
  auto parsed = HttpUrl::parse(url);
  // With "..", what lies below a path could lie above it after all.
  if (!parsed || parsed->target.contains("..") || parsed->target.contains("%2") ||
      !url.contains(parsed->target))  // a query right behind the host
    return fail(Code::kInvalid,
                "a push target is http(s)://HOST:PORT/PATH, not '" + std::string(url.substr(0, 200)) + "'");
  return PushUrl{*std::move(parsed)};
}

bool PushUrl::is_below(const PushUrl& other) const {
  if (!same_origin(other) || !target.starts_with(other.target)) return false;
  return target.size() == other.target.size() || other.target.ends_with('/') ||
         target[other.target.size()] == '/' || target[other.target.size()] == '?';
}

std::string push_signature(std::string_view secret, std::string_view id, std::int64_t seconds,
                           std::string_view body) {
  constexpr std::string_view kPrefix = "whsec_";
  std::string key(secret);
  if (secret.starts_with(kPrefix))
    if (auto decoded = base64_decode(secret.substr(kPrefix.size()))) key = *std::move(decoded);
  const std::string text = fmt::format("{}.{}.{}", id, seconds, body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return "v1," + base64_encode({reinterpret_cast<const char*>(digest.data()), size});
}

Result<PushTarget> HttpPushTargets::find(std::string_view url) const {
  MILLRACE_ASSIGN(const PushUrl wanted, PushUrl::parse(url));
  for (const PushTarget& target : allowed_)
    if (const auto known = PushUrl::parse(target.url); known && wanted.is_below(*known)) return target;
  return fail(Code::kDenied,
              fmt::format("pushing to {0} is not allowed; whoever runs the server adds it, or what it "
                          "lies below, to millrace.yaml:  subscriptions: {{push_targets: [\"{0}\"]}}",
                          url));
}

Status HttpPushTargets::check(std::string_view url) const {
  if (auto found = find(url); !found) return fail(std::move(found).error());
  return {};
}

Result<std::unique_ptr<PushSender>> HttpPushTargets::open(std::string_view url, DurationUs timeout,
                                                          std::size_t at_once_max) {
  MILLRACE_ASSIGN(PushTarget target, find(url));
  MILLRACE_ASSIGN(PushUrl parsed, PushUrl::parse(url));
  AsyncHttpClientOptions options;
  options.address = parsed.address;
  if (parsed.tls) {
    MILLRACE_ASSIGN(options.tls, TlsTrust::load(target.ca_file));
  }
  options.connections = at_once_max;
  options.queue_requests_max = 2 * at_once_max;
  options.request_timeout = timeout;
  options.connect_timeout = std::min(timeout, kConnectTimeout);
  options.response_bytes_max = kAnswerBytesMax;
  return std::make_unique<HttpPushSender>(std::move(target), std::move(parsed), std::move(options), env_);
}

}  // namespace millrace
