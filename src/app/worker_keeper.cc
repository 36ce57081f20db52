#include "app/worker_keeper.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/command.h"
#include "base/logging.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kKeeperTurn = 100 * kMillisecondUs;
constexpr DurationUs kLookPause = kSecondUs;
constexpr DurationUs kServerTimeout = 2 * kSecondUs;
constexpr DurationUs kRateSpan = 5 * kSecondUs;
constexpr DurationUs kTellPause = 10 * kSecondUs;
constexpr DurationUs kRedrawPause = 500 * kMillisecondUs;
constexpr DurationUs kSilenceMax = 10 * kSecondUs;  // of the keeper, before its /healthz says so

DurationUs steady_now() {
  return Env::system().steady_now();
}

std::string address_of(const KeeperOptions& options) {
  return "/v1/subscriptions/" + url_encode(options.subscription);
}

WorkerLoad load_of(const Json& described) {
  WorkerLoad load;
  load.backlog = described["backlog"].get<std::uint64_t>();
  const auto outstanding = described["outstanding"].get<std::uint64_t>();
  load.waiting = load.backlog - std::min(load.backlog, outstanding);
  const Json& age = described["oldest_unacknowledged_s"];
  if (age.is_number()) load.oldest_age = static_cast<DurationUs>(age.get<double>() * kSecondUs);
  return load;
}

std::string_view state_of(const WorkerSlot& slot) {
  if (slot.is_stopping()) return "stopping";
  if (!slot.is_answering()) return "starting";
  return slot.is_ready() ? "ok" : "its program ended";
}

}  // namespace

WorkerKeeper::WorkerKeeper(KeeperOptions options, ServiceNotify notify)
    : options_(std::move(options)),
      notify_(std::move(notify)),
      server_(options_.server, kServerTimeout),
      scaler_(options_.scaler) {
  for (int number = 1; number <= options_.scaler.workers_max; ++number) {
    ChildOptions command = options_.worker;
    // Before the words of the user's own command.
    command.command.insert(command.command.begin() + 2, fmt::format("--worker={}", number));
    slots_.emplace_back(number, std::move(command), options_.slot);
  }
}

WorkerKeeper::~WorkerKeeper() = default;

Result<std::unique_ptr<WorkerKeeper>> WorkerKeeper::open(KeeperOptions options, ServiceNotify notify) {
  std::unique_ptr<WorkerKeeper> keeper(new WorkerKeeper(std::move(options), std::move(notify)));
  MILLRACE_TRY(keeper->open_all());
  return keeper;
}

Status WorkerKeeper::open_all() {
  MILLRACE_ASSIGN(const Json described, server_.ask("GET", address_of(options_), {}));
  if (described["settings"].contains("push"))
    return fail(Code::kInvalid,
                fmt::format("subscription {} pushes its messages; workers are for one that is pulled",
                            options_.subscription));
  publish(steady_now());
  HttpServerOptions http;
  http.listen = {options_.health};
  http.threads = 1;
  MILLRACE_ASSIGN(health_,
                  HttpServer::open(std::move(http), [this](HttpRequest&& request, Responder responder) {
                    if (request.path() == "/healthz") return answer_health(responder);
                    responder.send(HttpResponse::error(404, "not_found", "there is /healthz"));
                  }));
  return {};
}

void WorkerKeeper::run() {
  fmt::print("keeping {} to {} workers of subscription {}; health at http://{}/healthz\n",
             options_.scaler.workers_min, options_.scaler.workers_max, options_.subscription,
             health_->addresses().front());
  std::fflush(stdout);
  notify_.ready();
  do {
    const DurationUs now = steady_now();
    if (now - looked_at_ >= kLookPause || looked_at_ == 0) look(now);
    turn(scaler_.wanted(), now);
  } while (!StopSignals::wait(kKeeperTurn));
  stop();
}

void WorkerKeeper::look(DurationUs now) {
  looked_at_ = now;
  const auto described = server_.ask("GET", address_of(options_), {});
  if (described.has_value() != server_answers_) {
    server_answers_ = described.has_value();
    if (server_answers_) {
      log_info("keeper", "the server answers again");
    } else {
      log_warning("keeper", "the server does not answer; the workers stay as they are",
                  {field("why", described.error().message)});
    }
  }
  if (!described) return;
  load_ = load_of(*described);
  load_.busy = static_cast<int>(
      std::ranges::count_if(slots_, [](const WorkerSlot& slot) { return slot.beat().held > 0; }));
  const int before = scaler_.wanted();
  const int wanted = scaler_.want(load_, now);
  if (wanted != before)
    log_info("keeper", "scales",
             {field("from", before), field("to", wanted), field("backlog", load_.backlog),
              field("oldest_s", load_.oldest_age / kSecondUs)});
}

void WorkerKeeper::turn(int wanted, DurationUs now) {
  for (WorkerSlot& slot : slots_) slot.turn(slot.number() <= wanted, now);
  count(now);
  publish(now);
  tell(now);
  notify_.feed(now);
}

int WorkerKeeper::running() const {
  return static_cast<int>(std::ranges::count_if(slots_, &WorkerSlot::is_running));
}

void WorkerKeeper::count(DurationUs now) {
  done_ = failed_ = replaced_ = 0;
  for (const WorkerSlot& slot : slots_) {
    done_ += slot.done();
    failed_ += slot.failed();
    replaced_ += slot.replaced();
  }
  done_over_time_.emplace_back(now, done_);
  while (now - done_over_time_.front().first > kRateSpan) done_over_time_.pop_front();
  const auto& [since, before] = done_over_time_.front();
  if (now > since) rate_ = static_cast<double>(done_ - before) * kSecondUs / static_cast<double>(now - since);
}

std::string WorkerKeeper::summary() const {
  return fmt::format(
      "{} workers, backlog {} (oldest {:.0f} s), {:.0f} messages/s, {} done, {} failed, {} replaced",
      running(), with_thousands(load_.backlog), static_cast<double>(load_.oldest_age) / kSecondUs, rate_,
      with_thousands(done_), with_thousands(failed_), replaced_);
}

void WorkerKeeper::tell(DurationUs now) {
  if (now - told_at_ < (options_.redraw ? kRedrawPause : kTellPause)) return;
  told_at_ = now;
  const std::string text = summary();
  notify_.status(text);
  if (text == std::exchange(told_, text)) return;
  // \033[K: what a longer line left behind.
  fmt::print("{}{}{}", options_.redraw ? "\r" : "", text, options_.redraw ? "\033[K" : "\n");
  std::fflush(stdout);
}

void WorkerKeeper::stop() {
  stopping_ = true;
  notify_.stopping();
  if (options_.redraw) fmt::print("\n");
  fmt::print("stopping: the workers finish what they hold\n");
  std::fflush(stdout);
  while (running() > 0) {
    turn(0, steady_now());
    Env::system().sleep_for(kKeeperTurn);
  }
  fmt::print("stopped: {} done, {} failed\n", with_thousands(done_), with_thousands(failed_));
}

void WorkerKeeper::publish(DurationUs now) {
  Json workers = Json::array();
  int ready = 0;
  for (const WorkerSlot& slot : slots_) {
    if (!slot.is_running()) continue;
    ready += slot.is_ready();
    workers.push_back(
        {{"worker", slot.number()},
         {"pid", slot.pid()},
         {"state", state_of(slot)},
         {"health", slot.beat().health.empty() ? "" : "http://" + slot.beat().health + "/healthz"},
         {"held", slot.beat().held},
         {"done", slot.done()},
         {"failed", slot.failed()}});
  }
  const bool healthy = ready > 0;
  const Json body = {{"status", stopping_ ? "stopping"
                                : healthy ? "ok"
                                          : "no worker works"},
                     {"pid", getpid()},
                     {"subscription", options_.subscription},
                     {"wanted", scaler_.wanted()},
                     {"workers", workers},
                     {"server_answers", server_answers_},
                     {"backlog", load_.backlog},
                     {"oldest_s", static_cast<double>(load_.oldest_age) / kSecondUs},
                     {"messages_per_s", rate_},
                     {"done", done_},
                     {"failed", failed_},
                     {"replaced", replaced_}};
  std::string text = body.dump();
  const std::lock_guard lock(mutex_);
  health_body_ = std::move(text);
  healthy_ = healthy;
  published_at_ = now;
}

void WorkerKeeper::answer_health(const Responder& responder) {
  const std::lock_guard lock(mutex_);
  const bool is_silent = steady_now() - published_at_ > kSilenceMax;
  if (is_silent)
    return responder.send(HttpResponse::error(503, "stalled", "the keeper has not looked after its workers"));
  responder.send(HttpResponse::json(healthy_ ? 200 : 503, health_body_));
}

}  // namespace millrace
