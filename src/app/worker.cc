#include "app/worker.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/command.h"
#include "base/logging.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kBeatPause = 500 * kMillisecondUs;
constexpr DurationUs kTurn = 100 * kMillisecondUs;
constexpr DurationUs kPullWait = kSecondUs;
constexpr DurationUs kSettlePause = 200 * kMillisecondUs;
constexpr DurationUs kBatchTarget = kSecondUs;
constexpr DurationUs kPauseMin = 200 * kMillisecondUs;  // before a program that ended is started again
constexpr DurationUs kPauseMax = 30 * kSecondUs;
constexpr DurationUs kWellAfter = 10 * kSecondUs;  // of a program that was started again
constexpr DurationUs kRetryPause = 500 * kMillisecondUs;
constexpr DurationUs kCommandEnd = 5 * kSecondUs;
constexpr DurationUs kLeaseMax = 600 * kSecondUs;
constexpr int kSettleTries = 20;  // at the end, with kRetryPause between them

DurationUs now() {
  return Env::system().steady_now();
}

Json ack_ids(const std::deque<Json>& pulled) {
  Json ids = Json::array();
  for (const Json& one : pulled) ids.push_back(one["ack_id"]);
  return ids;
}

std::vector<std::pair<std::string, std::string>> environment_of(const WorkerOptions& options) {
  return {{"MILLRACE_SUBSCRIPTION", options.subscription},
          {"MILLRACE_WORKER", std::to_string(options.number)}};
}

}  // namespace

std::string WorkerBeat::text() const {
  return Json{{"done", done},     {"failed", failed},   {"held", held},
              {"health", health}, {"command", command}, {"ready", ready}}
      .dump();
}

Result<WorkerBeat> WorkerBeat::parse(std::string_view line) {
  const Json read = Json::parse(line, nullptr, false);
  if (!read.is_object() || !read.value("health", Json()).is_string())
    return fail(Code::kCorrupt, fmt::format("'{}' is no heartbeat", line.substr(0, 80)));
  WorkerBeat beat;
  for (const auto& [name, count] :
       {std::pair{"done", &beat.done}, {"failed", &beat.failed}, {"held", &beat.held}}) {
    const Json value = read.value(name, Json());
    if (!value.is_number_unsigned()) return fail(Code::kCorrupt, fmt::format("a heartbeat needs '{}'", name));
    *count = value.get<std::uint64_t>();
  }
  if (!read.value("command", Json()).is_number_integer() || !read.value("ready", Json()).is_boolean())
    return fail(Code::kCorrupt, "a heartbeat needs 'command' and 'ready'");
  beat.command = read["command"].get<int>();
  beat.ready = read["ready"].get<bool>();
  beat.health = read["health"].get<std::string>();
  return beat;
}

Worker::Worker(WorkerOptions options)
    : options_(std::move(options)),
      address_("/v1/subscriptions/" + url_encode(options_.subscription)),
      // It says that it lives between two requests, so none may take as long as it may be silent.
      server_(options_.server, std::max(kPullWait + kSecondUs, options_.stall / 3)),
      pause_(kPauseMin) {}

Worker::~Worker() = default;

Result<std::unique_ptr<Worker>> Worker::open(WorkerOptions options) {
  std::unique_ptr<Worker> worker(new Worker(std::move(options)));
  MILLRACE_TRY(worker->open_all());
  return worker;
}

Status Worker::open_all() {
  // A keeper that is stopped must not stop its workers too: what does not fit into the pipe is dropped.
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
  MILLRACE_TRY(start_sink());
  turned_at_ = now();
  HttpServerOptions http;
  http.listen = {"127.0.0.1:0"};
  http.threads = 1;
  MILLRACE_ASSIGN(health_,
                  HttpServer::open(std::move(http), [this](HttpRequest&& request, Responder responder) {
                    if (request.path() == "/healthz") return answer_health(responder);
                    responder.send(HttpResponse::error(404, "not_found", "there is /healthz"));
                  }));
  return {};
}

Status Worker::start_sink() {
  if (options_.command.empty()) {
    sink_ = std::make_unique<CollectorSink>(options_.server, options_.stall / 3, options_.codec,
                                            options_.subscription);
    return {};
  }
  MILLRACE_ASSIGN(sink_, CommandSink::start({options_.command, environment_of(options_), true}));
  return {};
}

void Worker::answer_health(const Responder& responder) const {
  const bool is_stalled = now() - turned_at_ > options_.stall;
  const bool is_well = !is_stalled && ready_;
  const Json body = {{"status", is_stalled ? "stalled"
                                : is_well  ? "ok"
                                           : "its program ended"},
                     {"worker", options_.number},
                     {"pid", getpid()},
                     {"done", done_count_.load()},
                     {"failed", failed_count_.load()},
                     {"held", held_count_.load()}};
  responder.send(HttpResponse::json(is_well ? 200 : 503, body.dump()));
}

void Worker::beat() {
  turned_at_ = now();
  held_count_ = held_.size();
  if (turned_at_ - beat_at_ < kBeatPause && beat_at_ > 0) return;
  beat_at_ = turned_at_;
  const WorkerBeat beat = {
      done_count_, failed_count_, held_count_, health_->addresses().front(), sink_ ? sink_->group() : 0,
      ready_};
  const std::string line = beat.text() + "\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDOUT_FILENO, line.data(), line.size());
}

bool Worker::is_stopping() {
  if (!stopping_) stopping_ = StopSignals::wait(0);
  return stopping_;
}

Status Worker::run() {
  const auto settings = server_.ask("GET", address_, {});
  if (settings)
    lease_ = static_cast<DurationUs>((*settings)["settings"].value("ack_deadline_s", 10.0) * kSecondUs);
  Status outcome;
  while (outcome && !(held_.empty() && is_stopping())) outcome = turn();
  for (int i = 0; i < kSettleTries && !settle(); ++i) {
    beat();
    Env::system().sleep_for(kRetryPause);
  }
  if (sink_) sink_->finish(kCommandEnd);
  beat_at_ = 0;
  beat();
  return outcome;
}

Status Worker::turn() {
  beat();
  // A program that has just ended is not started again for the rest.
  if (!sink_ && is_stopping()) {
    give_back();
    return {};
  }
  if (!sink_ && !may_start()) {
    Env::system().sleep_for(kTurn);
    if (!held_.empty()) extend();
    return {};
  }
  if (held_.empty() && settle()) return pull();
  if (held_.empty()) {
    Env::system().sleep_for(kRetryPause);
  } else {
    work();
  }
  return {};
}

Status Worker::complain(const Error& error) {
  const bool is_refused = error.code == Code::kInvalid || error.code == Code::kNotFound;
  if (is_refused) return fail(error);
  if (std::exchange(complaint_, error.message) != error.message)
    log_warning("worker", "waits for the server",
                {field("worker", options_.number), field("why", error.message)});
  Env::system().sleep_for(kRetryPause);
  return {};
}

Status Worker::pull() {
  // One that ended by itself must not be taken for a message's fault.
  std::vector<Verdict> none;
  if (const Status lives = sink_->work(0, none); !lives) {
    restart(lives.error());
    return {};
  }
  if (now() - started_at_ > kWellAfter) ready_ = true;
  auto answer =
      server_.ask("POST", address_ + "/pull", {{"max", window_}, {"wait_ms", kPullWait / kMillisecondUs}});
  if (!answer) return complain(answer.error());
  complaint_.clear();
  for (Json& pulled : (*answer)["messages"]) {
    sink_->add(pulled);
    held_.push_back(std::move(pulled));
  }
  batch_since_ = head_since_ = extended_at_ = now();
  return {};
}

void Worker::work() {
  std::vector<Verdict> verdicts;
  const Status worked = sink_->work(kTurn, verdicts);
  take_verdicts(verdicts);
  if (!worked) return held_.empty() ? restart(worked.error()) : blame(worked.error());
  if (held_.empty()) return finish_batch();
  if (now() - head_since_ > options_.message_timeout)
    return blame({Code::kDeadline,
                  fmt::format("no answer to a message within {} s (--message-timeout)",
                              static_cast<double>(options_.message_timeout) / kSecondUs),
                  {}});
  if (now() - settled_at_ > kSettlePause) settle();
  extend();
}

void Worker::restart(const Error& error) {
  log_error("worker", error.message,
            {field("worker", options_.number), field("again_in_ms", pause_ / kMillisecondUs)});
  sink_.reset();
  ready_ = false;
  start_at_ = now() + pause_;
  pause_ = std::min(kPauseMax, pause_ * 2);
  window_ = 1;
  settle();
}

/// The first message may be what ended the sink, so it is to come again later; the others are not to blame.
void Worker::blame(const Error& error) {
  refused_.push_back(held_.front()["ack_id"]);
  held_.pop_front();
  restart(error);
}

bool Worker::may_start() {
  if (now() < start_at_) return false;
  if (const Status started = start_sink(); !started) {
    restart(started.error());
    return false;
  }
  for (const Json& pulled : held_) sink_->add(pulled);
  batch_since_ = head_since_ = started_at_ = now();
  return true;
}

void Worker::take_verdicts(const std::vector<Verdict>& verdicts) {
  for (const Verdict& verdict : verdicts) {
    (verdict.is_done ? done_ : refused_).push_back(held_.front()["ack_id"]);
    held_.pop_front();
    if (!verdict.is_done)
      log_warning(
          "worker", "a message failed and comes again",
          {field("worker", options_.number), field("ack_id", refused_.back()), field("why", verdict.reason)});
  }
  if (verdicts.empty()) return;
  head_since_ = now();
  ready_ = true;
  pause_ = kPauseMin;
}

void Worker::finish_batch() {
  const DurationUs took = now() - batch_since_;
  if (took > kBatchTarget) window_ = std::max<std::size_t>(1, window_ / 2);
  if (took < kBatchTarget / 2) window_ = std::min(options_.batch_max, window_ * 2);
  settle();
}

void Worker::extend() {
  if (now() - extended_at_ < lease_ / 3) return;
  extended_at_ = now();
  beat();  // each request may take a third of the time that it may be silent
  const Json ids = ack_ids(held_);
  const auto answer =
      server_.ask("POST", address_ + "/extend",
                  {{"ack_ids", ids}, {"deadline_s", std::min(lease_, kLeaseMax) / kSecondUs}});
  if (!answer)
    log_warning("worker", "could not hold its messages longer; they may come to others too",
                {field("worker", options_.number), field("why", answer.error().message)});
}

/// Acknowledge what is done and give back what failed; return whether the server has taken all of it.
bool Worker::settle() {
  settled_at_ = now();
  const std::size_t done = done_.size(), refused = refused_.size();
  if (settle_one("/ack", done_)) done_count_ += done;
  if (settle_one("/nack", refused_)) failed_count_ += refused;
  return done_.empty() && refused_.empty();
}

bool Worker::settle_one(const char* action, std::vector<std::string>& ids) {
  if (ids.empty()) return true;
  beat();
  const auto answer = server_.ask("POST", address_ + action, {{"ack_ids", ids}});
  // Refused for good, as when the subscription is gone: nothing is left to be told.
  const bool told = answer || answer.error().code == Code::kInvalid || answer.error().code == Code::kNotFound;
  if (!told) {
    static_cast<void>(complain(answer.error()));
    return false;
  }
  if (answer && !(*answer)["unknown"].empty())
    log_warning("worker", "messages were handed to others meanwhile, or sought",
                {field("worker", options_.number), field("messages", (*answer)["unknown"].size())});
  ids.clear();
  return true;
}

void Worker::give_back() {
  const Json ids = ack_ids(held_);
  held_.clear();
  // Where this fails their leases run out.
  if (!ids.empty())
    static_cast<void>(server_.ask("POST", address_ + "/nack", {{"ack_ids", ids}, {"delay_ms", 0}}));
}

}  // namespace millrace
