#include "model/model_keeper.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/thread.h"

namespace millrace {
namespace {

constexpr int kKeeperNiceness = 10;
constexpr DurationUs kFirstRetry = kMinuteUs;
constexpr DurationUs kRetryMax = 6 * kHourUs;

DurationUs retry_after(int failures) {
  DurationUs wait = kFirstRetry;
  for (int i = 1; i < failures && wait < kRetryMax; ++i) wait *= 2;
  return std::min(wait, kRetryMax);
}

/// Return how long after this look a model may have something due.
DurationUs look_again_after(const RetrainSpec& retrain) {
  DurationUs after = ModelKeeper::kLookMax;
  for (const DurationUs interval : {retrain.every, retrain.check_every})
    if (interval > 0) after = std::min(after, interval / 4);
  return std::max(after, ModelKeeper::kLookMin);
}

std::optional<TimeUs> made_at(const nlohmann::json& manifest) {
  if (!manifest.is_object() || !manifest.contains("made") || !manifest["made"].is_string())
    return std::nullopt;
  const auto time = parse_time(manifest["made"].get<std::string>());
  if (!time) return std::nullopt;
  return *time;
}

/// "every 7d", out of the rule's words.
std::string schedule_words(const RetrainSpec& retrain) {
  return to_text(RetrainSpec{.every = retrain.every});
}

}  // namespace

void ModelKeeper::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void ModelKeeper::request_stop() {
  stop_ = true;
  thread_.request_stop();
}

void ModelKeeper::stop() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

void ModelKeeper::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "models");
  yield_to_others(kKeeperNiceness);
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const DurationUs after = look();
    woken_.wait_for(lock, stop, std::chrono::microseconds(after), [] { return false; });
  }
}

DurationUs ModelKeeper::look() {
  tell_ages();
  const auto models = tools_.load();
  note_problems(models);
  if (!models) return kLookMax;
  DurationUs after = kLookMax;
  for (const ModelSpec& spec : models->specs) {
    if (stop_) break;
    after = std::min(after, look_again_after(spec.retrain));
    if (spec.retrain.every > 0 || spec.retrain.check_every > 0) look_at(spec);
  }
  return after;
}

void ModelKeeper::note_problems(const Result<ProjectModels>& models) {
  std::string problem = models ? "" : models.error().text();
  if (models)
    for (const auto& [name, error] : models->problems)
      problem += (problem.empty() ? "" : "\n") + error.text();
  if (std::exchange(load_problem_, problem) != problem && !problem.empty())
    log_warning("model", "models that cannot be read are not trained again; mend their files",
                {field("error", problem)});
}

void ModelKeeper::look_at(const ModelSpec& spec) {
  const std::unique_lock turn(tools_.one_at_a_time, std::try_to_lock);
  if (!turn.owns_lock() || is_retired(spec.name)) return;
  Memory& memory = memories_[spec.name];
  try {
    if (const auto what = due(spec, memory)) train(spec, *what, memory);
  } catch (const std::exception& error) {
    has_failed(spec.name, error.what(), memory);  // of a library, or no memory: the server goes on
  }
}

std::optional<ModelKeeper::Due> ModelKeeper::due(const ModelSpec& spec, Memory& memory) {
  const auto age = age_of_newest(spec.name, memory);
  if (!age) {
    if (const std::string problem = age.error().text(); std::exchange(memory.problem, problem) != problem)
      log_warning("model", "its versions cannot be read, so it is not trained again; look at DATA/models",
                  {field("model", spec.name), field("error", problem)});
    return std::nullopt;
  }
  const bool may_train = tools_.env.steady_now() >= memory.not_before;
  if (spec.retrain.every > 0 && may_train && (!*age || **age >= spec.retrain.every))
    return Due{"schedule", schedule_words(spec.retrain)};
  if (spec.retrain.check_every > 0) return due_by_drift(spec, memory, *age);
  return std::nullopt;
}

std::optional<ModelKeeper::Due> ModelKeeper::due_by_drift(const ModelSpec& spec, Memory& memory,
                                                          std::optional<DurationUs> age) {
  const DurationUs now = tools_.env.steady_now();
  const auto current = tools_.registry.current(spec.name);
  if (!current) return std::nullopt;
  if (memory.checked_version == current->version && now - memory.checked < spec.retrain.check_every)
    return std::nullopt;
  memory.checked_version = current->version;
  memory.checked = now;
  const auto found = tools_.check(spec, &stop_);
  memory.checked = tools_.env.steady_now();
  if (!found) {
    const std::string problem = found.error().text();
    if (!stop_ && std::exchange(memory.problem, problem) != problem)
      log_warning("model", "cannot be looked at for drift; `millrace model drift NAME` says it again",
                  {field("model", spec.name), field("error", problem)});
    return std::nullopt;
  }
  memory.problem.clear();
  if (!spec.retrain.on_drift || !is_drift(found->verdict) || now < memory.not_before ||
      age.value_or(std::numeric_limits<DurationUs>::max()) < spec.retrain.at_most_every)
    return std::nullopt;
  return Due{"drift", "drift: " + found->words};
}

void ModelKeeper::train(const ModelSpec& spec, const Due& due, Memory& memory) {
  log_info("model", "is trained again", {field("model", spec.name), field("because", due.because)});
  const auto trained = tools_.train(spec, due.by, due.because, &stop_);
  if (trained) {
    memory.failures = 0;
    DurationUs pause = spec.retrain.at_most_every;
    if (spec.retrain.every > 0) pause = std::min(pause, spec.retrain.every);
    memory.not_before = tools_.env.steady_now() + pause;
    log_info("model", "was trained again",
             {field("model", spec.name + "@" + trained->version), field("gate", trained->gate)});
    return;
  }
  if (!stop_) has_failed(spec.name, trained.error().text(), memory);
}

void ModelKeeper::has_failed(const std::string& model, const std::string& problem, Memory& memory) {
  const DurationUs wait = retry_after(++memory.failures);
  memory.not_before = tools_.env.steady_now() + wait;
  log_warning(
      "model", "could not be trained again; what is served stays; `millrace train NAME` says it again",
      {field("model", model), field("error", problem), field("tried_again_after_s", wait / kSecondUs)});
}

/// Return how long ago the newest version was made; nothing where there is none. A version from the future,
/// which a clock that was wrong has left, is as old as we know it.
Result<std::optional<DurationUs>> ModelKeeper::age_of_newest(const std::string& name, Memory& memory) {
  MILLRACE_ASSIGN(const auto newest, tools_.registry.newest(name));
  if (!newest) return std::nullopt;
  if (std::exchange(memory.newest, newest->version) != newest->version)
    memory.newest_since = tools_.env.steady_now();
  const auto made = made_at(newest->manifest);
  const TimeUs now = tools_.env.now();
  if (made && *made <= now) return now - *made;
  return tools_.env.steady_now() - memory.newest_since;
}

bool ModelKeeper::is_retired(const std::string& name) const {
  const auto history = tools_.registry.history(name);
  return history && !history->empty() && history->front()["version"].is_null();
}

void ModelKeeper::tell_ages() {
  const auto tell = [](const std::string& name, double age_s) {
    metrics::gauge("millrace_model_age_seconds",
                   "Time since the version of a model that is deployed was made", {{"model", name}})
        .Set(age_s);
  };
  std::set<std::string> aged;
  for (const auto& model : tools_.registry.all_current())
    if (const auto made = made_at(model->manifest)) {
      aged.insert(model->name);
      tell(model->name, static_cast<double>(tools_.env.now() - *made) / kSecondUs);
    }
  for (const std::string& name : aged_)
    if (!aged.contains(name)) tell(name, std::numeric_limits<double>::quiet_NaN());
  aged_ = std::move(aged);
}

}  // namespace millrace
