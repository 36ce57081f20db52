#include "app/worker_slot.h"

#include <algorithm>
#include <csignal>

#include "base/logging.h"

namespace millrace {
namespace {

constexpr std::size_t kBeatBytesMax = 4096;

}  // namespace

WorkerSlot::WorkerSlot(int number, ChildOptions command, WorkerSlotOptions options)
    : number_(number),
      command_(std::move(command)),
      options_(options),
      lines_(kBeatBytesMax),
      backoff_(options.backoff_min) {}

void WorkerSlot::turn(bool wanted, DurationUs now) {
  if (child_) {
    listen(now);
    if (!wanted && !stop_at_) {
      stop_at_ = now + options_.grace;
      child_->signal(SIGTERM);
    }
    check(now);
  }
  if (!child_ && wanted && now >= start_at_) start(now);
}

/// Its program is a group of its own, which dies with it, but not what that has started.
void WorkerSlot::kill_all() {
  if (beat_.command > 1) ::kill(-beat_.command, SIGKILL);
  child_->kill();
}

void WorkerSlot::start(DurationUs now) {
  heard_at_ = now;
  has_spoken_ = false;
  stop_at_.reset();
  lines_ = LineReader(kBeatBytesMax);
  auto child = ChildProcess::start(command_);
  if (!child) return take_end(child.error().text(), now);
  child_.emplace(*std::move(child));
}

void WorkerSlot::listen(DurationUs now) {
  const Status read = lines_.read(child_->output());
  while (const auto line = lines_.next()) {
    auto beat = WorkerBeat::parse(*line);
    if (!beat) {
      log_warning("keeper", beat.error().message, {field("worker", number_)});
      continue;
    }
    beat_ = *std::move(beat);
    has_spoken_ = true;
    heard_at_ = now;
  }
  if (!read && read.error().code == Code::kInvalid) child_->kill();
}

void WorkerSlot::check(DurationUs now) {
  if (now - heard_at_ > options_.stall) {
    log_warning("keeper", "a worker does not answer and is replaced",
                {field("worker", number_), field("pid", pid())});
    kill_all();
  } else if (stop_at_ && now > *stop_at_) {
    log_warning("keeper", "a worker did not finish in time; what it holds comes again",
                {field("worker", number_), field("pid", pid())});
    kill_all();
  }
  const auto ended = child_->wait(0);
  if (!ended) return;
  listen(now);  // its last words
  if (beat_.command > 1) ::kill(-beat_.command, SIGKILL);
  take_end(*ended, now);
}

void WorkerSlot::take_end(const std::string& how, DurationUs now) {
  const bool did_something = beat_.done + beat_.failed > 0;
  earlier_.done += beat_.done;
  earlier_.failed += beat_.failed;
  beat_ = {};
  child_.reset();
  if (stop_at_) {
    stop_at_.reset();
    return;
  }
  ++replaced_;
  if (did_something) backoff_ = options_.backoff_min;
  start_at_ = now + backoff_;
  log_warning("keeper", "a worker ended; another takes its place",
              {field("worker", number_), field("how", how), field("in_ms", backoff_ / kMillisecondUs)});
  backoff_ = std::min(options_.backoff_max, backoff_ * 2);
}

}  // namespace millrace
