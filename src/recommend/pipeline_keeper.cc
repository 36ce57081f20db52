#include "recommend/pipeline_keeper.h"

#include <algorithm>

#include <pthread.h>

#include "base/logging.h"
#include "base/thread.h"

namespace millrace {
namespace {

constexpr int kNiceness = 10;
constexpr std::string_view kFiles = "models";

bool same_files(const std::vector<PipelineSpec>& a, const std::vector<PipelineSpec>& b) {
  return std::ranges::equal(a, b, [](const PipelineSpec& x, const PipelineSpec& y) {
    return x.name == y.name && x.text == y.text;
  });
}

}  // namespace

PipelineKeeper::~PipelineKeeper() {
  stop();
}

void PipelineKeeper::note_problem(const std::string& about, const std::string& what) {
  const std::lock_guard lock(problems_mutex_);
  std::string& known = problems_[about];
  if (known == what) return;
  known = what;
  log_warning("recommend", "goes on with what it had", {field("about", about), field("why", what)});
}

void PipelineKeeper::forget_problem(const std::string& about) {
  const std::lock_guard lock(problems_mutex_);
  problems_.erase(about);
}

std::map<std::string, std::string> PipelineKeeper::problems() const {
  const std::lock_guard lock(problems_mutex_);
  return problems_;
}

/// Prepare what was deployed since; drop what was retired.
bool PipelineKeeper::update_models() {
  auto now = tools_.registry.all_current();
  if (now == deployed_) return false;
  std::vector<std::shared_ptr<const ModelSource>> sources;
  for (const auto& model : now) {
    const auto had = std::ranges::find_if(
        sources_, [&](const auto& source) { return source->model().name == model->name; });
    if (had != sources_.end() && &(*had)->model() == model.get()) {
      sources.push_back(*had);
      continue;
    }
    auto made = ModelSource::make(
        model, {.threads = tools_.threads, .stop = &stopping_, .env = &tools_.env, .graphs = tools_.graphs});
    if (made) {
      log_info("recommend", "a model takes part in answers",
               {field("model", model->name + "@" + model->version), field("how", (*made)->description())});
      forget_problem(model->name);
      sources.push_back(*std::move(made));
    } else if (!stopping_) {
      note_problem(model->name, made.error().text());
      if (had != sources_.end()) sources.push_back(*had);
    }
  }
  sources_ = std::move(sources);
  deployed_ = std::move(now);
  return true;
}

bool PipelineKeeper::update_specs() {
  auto specs = tools_.specs();
  if (specs)
    if (const Status fits = check_placements(*specs); !fits) specs = std::unexpected(fits.error());
  if (!specs) {
    note_problem(std::string(kFiles), specs.error().text());
    return false;
  }
  forget_problem(std::string(kFiles));
  if (same_files(*specs, specs_)) return false;
  specs_ = *std::move(specs);
  return true;
}

void PipelineKeeper::look() {
  const std::lock_guard one_at_a_time(look_mutex_);
  bool changed = update_specs() || !made_;
  changed |= update_models();
  if (tools_.rankers)
    if (Rankers rankers = tools_.rankers(); rankers != rankers_) {
      rankers_ = std::move(rankers);
      changed = true;
    }
  if (!changed || stopping_) return;
  made_ = true;
  tools_.recommender.set_pipelines(
      std::make_shared<const PipelineSet>(tools_.recommender.model(), specs_, sources_, rankers_));
}

void PipelineKeeper::start() {
  thread_ = std::thread([this] { run(); });
}

void PipelineKeeper::run() {
  pthread_setname_np(pthread_self(), "pipelines");
  yield_to_others(kNiceness);
  while (!stopping_) {
    look();
    std::unique_lock lock(wait_mutex_);
    wake_.wait_for(lock, std::chrono::microseconds(tools_.interval), [this] { return stopping_.load(); });
  }
}

void PipelineKeeper::stop() {
  {
    const std::lock_guard lock(wait_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace millrace
