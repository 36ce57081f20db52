#include "recommend/ranker_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pthread.h>

#include "base/logging.h"
#include "base/thread.h"
#include "base/time.h"

namespace millrace {
namespace {

constexpr int kRankersNiceness = 10;
constexpr DurationUs kLookEvery = kMinuteUs;

}  // namespace

void RankerKeeper::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void RankerKeeper::stop() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

void RankerKeeper::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "rankers");
  yield_to_others(kRankersNiceness);
  std::unique_lock lock(mutex_);
  // Not at once: a start has better things to do.
  while (!woken_.wait_for(lock, stop, std::chrono::microseconds(kLookEvery), [] { return false; })) {
    if (stop.stop_requested()) return;
    look();
  }
}

void RankerKeeper::look() {
  const auto specs = tools_.specs();
  if (!specs) return;  // whoever keeps the pipelines says so
  for (const PipelineSpec& spec : *specs)
    if (spec.learned && spec.train_every > 0 && due(spec)) {
      tried_[spec.name] = tools_.env.steady_now();
      train(spec);
    }
}

bool RankerKeeper::due(const PipelineSpec& spec) const {
  const auto tried = tried_.find(spec.name);
  if (tried != tried_.end() && tools_.env.steady_now() - tried->second < kTryEvery) return false;
  const nlohmann::json kept = tools_.store.versions(spec.name);
  if (!kept.is_object()) return true;
  if (kept.value("retired", false)) return false;
  const auto& versions = kept.at("versions");
  if (versions.empty()) return true;
  const auto made = parse_time(versions.front().value("time", ""));
  return !made || tools_.env.now() - *made >= spec.train_every;
}

void RankerKeeper::train(const PipelineSpec& spec) {
  const auto trained = [&]() -> Result<TrainedRanker> {
    MILLRACE_ASSIGN(const auto lists, tools_.served(spec.name));
    if (lists.size() < kServedListsMin) return TrainedRanker{.lists = lists.size()};
    MILLRACE_ASSIGN(TrainedRanker made, train_ranker(lists));
    MILLRACE_ASSIGN(made.ranker.version, tools_.store.add(spec.name, made, made.better()));
    return made;
  }();
  if (!trained) {
    if (std::exchange(problems_[spec.name], trained.error().text()) != problems_[spec.name])
      log_warning("recommend", "a ranker could not be trained",
                  {field("pipeline", spec.name), field("why", trained.error().text())});
    return;
  }
  problems_.erase(spec.name);
  if (trained->ranker.version.empty()) return;  // people have not chosen often enough
  log_info("recommend",
           trained->better() ? "a trained ranker is used" : "a trained ranker is not better for sure",
           {field("pipeline", spec.name), field("version", trained->ranker.version),
            field("answers", trained->lists), field("mrr", trained->ranked.mean),
            field("mrr_as_served", trained->served.mean)});
}

}  // namespace millrace
