#include "vector/vector_sets.h"

#include <chrono>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/text.h"
#include "base/thread.h"

namespace millrace {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr int kVectorNiceness = 10;

prometheus::Gauge& stored_gauge() {
  static auto& gauge = metrics::gauge("millrace_vectors", "Vectors in all sets together");
  return gauge;
}

}  // namespace

VectorSets::VectorSets(Env& env, Path dir, const Options& options)
    : env_(env), dir_(std::move(dir)), options_(options) {
  quota_.vectors_max = options.vectors_max;
}

Result<std::unique_ptr<VectorSets>> VectorSets::open(Env& env, const Path& dir, const Options& options) {
  MILLRACE_TRY(env.make_dirs(dir));
  MILLRACE_TRY(env.sync_dir(dir.parent_path()));
  std::unique_ptr<VectorSets> sets(new VectorSets(env, dir, options));
  MILLRACE_TRY(sets->load_all());
  sets->thread_ = std::thread([all = sets.get()] { all->run(); });
  return sets;
}

Status VectorSets::load_all() {
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir_));
  for (const std::string& name : names) {
    if (!is_snake_case(name, kNameBytesMax)) continue;  // not ours
    auto set = VectorSet::open(env_, dir_ / name, name, options_.set, quota_);
    if (set) {
      sets_[name].set = *std::move(set);
    } else if (set.error().code == Code::kNotFound) {
      MILLRACE_TRY(remove_vector_files(env_, dir_ / name));  // half made, or half dropped
    } else {
      log_error("vectors", "cannot read a set; the others go on. Restore its folder from a copy, or drop it",
                {field("set", name), field("why", set.error().text())});
      sets_[name].problem = set.error();
    }
  }
  stored_gauge().Set(static_cast<double>(quota_.vectors));
  return {};
}

VectorSets::~VectorSets() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status VectorSets::create(std::string_view name, const VectorShape& shape) {
  if (!is_snake_case(name, kNameBytesMax))
    return fail(Code::kInvalid,
                fmt::format("a set's name is of lower-case letters, digits and _, a letter first, at "
                            "most {}: not '{}'",
                            kNameBytesMax, without_controls(name.substr(0, kShownBytesMax))));
  MILLRACE_TRY(shape.check());
  const std::lock_guard making(making_);
  {
    const std::lock_guard lock(mutex_);
    const auto found = sets_.find(name);
    if (found == sets_.end() && sets_.size() >= options_.sets_max)
      return fail(Code::kOverloaded,
                  fmt::format("there are {} sets, as many as may be; drop one", sets_.size()));
    if (found != sets_.end() && !found->second.set) return fail(found->second.problem);
    if (found != sets_.end() && found->second.set->shape() == shape) return {};
    if (found != sets_.end())
      return fail(Code::kExists,
                  fmt::format("the set {} is there, with {} dimensions and similarity {}; drop it first, "
                              "or take another name",
                              name, found->second.set->shape().dimensions,
                              similarity_name(found->second.set->shape().similarity)));
  }
  MILLRACE_ASSIGN(auto set,
                  VectorSet::create(env_, dir_ / name, std::string(name), shape, options_.set, quota_));
  const std::lock_guard lock(mutex_);
  sets_[std::string(name)].set = std::move(set);
  return {};
}

Status VectorSets::drop(std::string_view name) {
  const std::lock_guard making(making_);
  std::shared_ptr<VectorSet> set;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sets_.find(name);
    if (found == sets_.end())
      return fail(Code::kNotFound, fmt::format("there is no set of vectors '{}'", name));
    set = found->second.set;
  }
  MILLRACE_TRY(set ? set->drop() : remove_vector_files(env_, dir_ / name));
  const std::lock_guard lock(mutex_);
  sets_.erase(sets_.find(name));
  return {};
}

Result<std::shared_ptr<VectorSet>> VectorSets::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(name);
  if (found != sets_.end() && found->second.set) return found->second.set;
  if (found != sets_.end()) return fail(found->second.problem);
  std::vector<std::string> known;
  for (const auto& [one, entry] : sets_) known.push_back(one);
  const std::string nearest = nearest_name(name, known);
  return fail(
      Code::kNotFound,
      fmt::format("there is no set of vectors '{}'; {}", without_controls(name.substr(0, kShownBytesMax)),
                  nearest.empty() ? "GET /v1/vectors lists them" : "did you mean " + nearest + "?"));
}

std::vector<VectorSetInfo> VectorSets::list() const {
  std::vector<std::shared_ptr<VectorSet>> sets;
  std::vector<VectorSetInfo> infos;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : sets_) {
      sets.push_back(entry.set);
      infos.emplace_back().name = name;
      if (!entry.set) infos.back().problem = entry.problem.text();
    }
  }
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (sets[i]) infos[i] = sets[i]->info();
  return infos;
}

void VectorSets::maintain_all() {
  const std::lock_guard maintaining(maintaining_);
  std::vector<std::pair<std::string, std::shared_ptr<VectorSet>>> due;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : sets_)
      if (entry.set && env_.steady_now() >= entry.rest_until) due.emplace_back(name, entry.set);
  }
  for (const auto& [name, set] : due) {
    const Status done = set->maintain(&stopping_);
    if (done || done.error().code == Code::kCancelled) continue;
    log_warning("vectors", "could not make an index anew, or shorten its log; all goes on as it is",
                {field("set", name), field("why", done.error().text())});
    const std::lock_guard lock(mutex_);
    if (const auto found = sets_.find(name); found != sets_.end())
      found->second.rest_until = env_.steady_now() + options_.pause_after_failure;
  }
  stored_gauge().Set(static_cast<double>(quota_.vectors));
}

void VectorSets::run() {
  pthread_setname_np(pthread_self(), "vectors");
  yield_to_others(kVectorNiceness);
  while (!stopping_) {
    maintain_all();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::microseconds(options_.pause), [this] { return stopping_.load(); });
  }
}

}  // namespace millrace
