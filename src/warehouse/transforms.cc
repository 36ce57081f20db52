#include "warehouse/transforms.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/logging.h"
#include "warehouse/duck.h"
#include "warehouse/transform_docs.h"
#include "warehouse/transform_run.h"
#include "warehouse/transform_set.h"

namespace millrace {
namespace {

constexpr std::string_view kComponent = "transforms";

/// Ends what runs on connections once a stop is asked for. Again and again, since an interrupt that comes
/// before a statement has begun is lost.
class Interrupter {
 public:
  Interrupter(std::vector<duck::Connection>& connections, const std::stop_token& stop)
      : thread_([this, &connections, stop](const std::stop_token& done) {
          while (!wait(done)) {
            if (!stop.stop_requested()) continue;
            for (auto& connection : connections) connection.interrupt();
          }
        }) {}

 private:
  bool wait(const std::stop_token& done) {
    std::unique_lock lock(mutex_);
    return woken_.wait_for(lock, done, std::chrono::milliseconds(50), [&] { return done.stop_requested(); });
  }

  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< last: uses the others
};

/// Hands the selected transforms to threads, each once those that it reads are through.
class Schedule {
 public:
  Schedule(TransformRunContext& context, const std::set<std::string>& selected,
           const Transforms::OnProgress& progress, const std::stop_token& stop)
      : context_(context), progress_(progress), stop_(stop) {
    for (const auto& one : context.set.in_order())
      if (selected.contains(one.transform.name)) waiting_.push_back(&one);
  }

  /// What each thread does.
  void work(duck::Connection& connection) {
    std::unique_lock lock(mutex_);
    while (const SoundTransform* one = take(lock)) {
      lock.unlock();
      auto outcome = run(*one, connection);
      lock.lock();
      finish(std::move(outcome));
    }
  }

  std::vector<TransformOutcome> outcomes() && { return std::move(outcomes_); }

 private:
  /// Return the next that can begin; nullptr when there is nothing left.
  const SoundTransform* take(std::unique_lock<std::mutex>& lock) {
    for (;;) {
      skip_hopeless();
      if (waiting_.empty()) return nullptr;
      const auto ready = std::ranges::find_if(waiting_, [&](const auto* one) { return !waits(*one); });
      if (ready != waiting_.end()) {
        const auto* one = *ready;
        waiting_.erase(ready);
        unfinished_.insert(one->transform.name);
        return one;
      }
      changed_.wait(lock);
    }
  }

  bool waits(const SoundTransform& one) const {
    return std::ranges::any_of(one.reads.refs, [&](const auto& ref) {
      return unfinished_.contains(ref) ||
             std::ranges::any_of(waiting_, [&](const auto* other) { return other->transform.name == ref; });
    });
  }

  /// Leave out what reads one that failed, and everything once a stop is asked for.
  void skip_hopeless() {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const auto& one = **at;
      const auto bad =
          std::ranges::find_if(one.reads.refs, [&](const auto& ref) { return failed_.contains(ref); });
      std::string why;
      if (stop_.stop_requested()) {
        why = "stopped before it began";
      } else if (bad != one.reads.refs.end()) {
        why = fmt::format("waits for {}, which failed", *bad);
      } else {
        ++at;
        continue;
      }
      at = waiting_.erase(at);
      finish(
          {.name = one.transform.name, .state = TransformOutcome::State::kSkipped, .error = std::move(why)});
    }
  }

  void finish(TransformOutcome outcome) {
    unfinished_.erase(outcome.name);
    if (outcome.state != TransformOutcome::State::kDone) failed_.insert(outcome.name);
    outcomes_.push_back(std::move(outcome));
    changed_.notify_all();
  }

  TransformOutcome run(const SoundTransform& one, duck::Connection& connection) {
    const auto& name = one.transform.name;
    Env& env = context_.warehouse.env();
    const auto show = [&](std::size_t done, std::size_t total) {
      const std::lock_guard lock(progress_mutex_);
      if (progress_) progress_({name, done, total});
    };
    show(0, 0);
    const DurationUs begun = env.steady_now();
    const auto done = TransformTask(context_, connection, one).run(show);
    TransformOutcome outcome{.name = name, .duration = env.steady_now() - begun};
    if (done) {
      outcome.intervals = done->intervals;
      outcome.rows = done->rows;
      return outcome;
    }
    outcome.state = TransformOutcome::State::kFailed;
    outcome.error = stop_.stop_requested() ? "stopped; what it had filled stays" : done.error().text();
    const WriterBeside beside(context_.warehouse);
    if (const Status noted = TransformLedger(connection).note_error(one.transform, outcome.error, env.now());
        !noted)
      log_warning(kComponent, "could not note why a transform failed",
                  {field("name", name), field("error", noted.error().text())});
    log_warning(kComponent, "a transform failed", {field("name", name), field("error", outcome.error)});
    return outcome;
  }

  TransformRunContext& context_;
  const Transforms::OnProgress& progress_;
  const std::stop_token stop_;
  std::mutex progress_mutex_;
  std::mutex mutex_;  ///< guards the rest
  std::condition_variable changed_;
  std::vector<const SoundTransform*> waiting_;
  std::set<std::string> unfinished_;
  std::set<std::string> failed_;
  std::vector<TransformOutcome> outcomes_;
};

Status drop_undeclared(duck::Connection& connection, const TransformSet& set,
                       const std::map<std::string, TransformRecord>& records) {
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  for (const auto& [name, record] : records) {
    if (set.find(name) != nullptr) continue;
    MILLRACE_TRY(drop_transform(connection, name));
    log_info(kComponent, "dropped the table of a transform that is declared no more", {field("name", name)});
  }
  return transaction.commit();
}

}  // namespace

Result<std::vector<TransformFile>> Transforms::files(TransformLedger& ledger) {
  MILLRACE_ASSIGN(auto declared, load_());
  if (declared) return *std::move(declared);
  std::vector<TransformFile> kept;
  MILLRACE_ASSIGN(auto records, ledger.records());
  for (auto& [name, record] : records) kept.push_back(std::move(record.file));
  return kept;
}

/// What it makes to try the SQL is taken back; a run that made the same tables meanwhile would clash with it.
Result<std::shared_ptr<const TransformSet>> Transforms::check(duck::Connection& connection) {
  TransformLedger ledger(connection);
  MILLRACE_ASSIGN(const auto declared, files(ledger));
  const WriterBeside beside(warehouse_);
  MILLRACE_ASSIGN(auto set, TransformSet::load(connection, declared));
  return std::make_shared<const TransformSet>(std::move(set));
}

Result<std::shared_ptr<const TransformSet>> Transforms::begin_run(duck::Connection& connection) {
  const std::lock_guard lock(mutex_);
  if (of_run_) return fail(Code::kOverloaded, "a run of transforms is under way; wait for its end");
  MILLRACE_ASSIGN(of_run_, check(connection));
  return of_run_;
}

void Transforms::end_run() {
  const std::lock_guard lock(mutex_);
  of_run_.reset();
}

Result<std::shared_ptr<const TransformSet>> Transforms::declared(duck::Connection& connection) {
  const std::lock_guard lock(mutex_);
  if (of_run_) return of_run_;
  return check(connection);
}

Result<TransformRunResult> Transforms::run(const TransformRunRequest& request, const OnProgress& progress,
                                           const std::stop_token& stop) {
  MILLRACE_ASSIGN(auto connection, warehouse_.connect());
  MILLRACE_ASSIGN(const auto set, begin_run(connection));
  auto result = run_set(connection, *set, request, progress, stop);
  end_run();
  return result;
}

Result<TransformRunResult> Transforms::run_set(duck::Connection& connection, const TransformSet& set,
                                               const TransformRunRequest& request, const OnProgress& progress,
                                               const std::stop_token& stop) {
  TransformLedger ledger(connection);
  MILLRACE_ASSIGN(const auto selected, set.select(request.select));
  MILLRACE_ASSIGN(const auto records, ledger.records());
  MILLRACE_ASSIGN(const auto number, ledger.next_run());
  if (request.select.empty()) {
    const WriterBeside beside(warehouse_);
    MILLRACE_TRY(drop_undeclared(connection, set, records));
  }
  TransformRunContext context{warehouse_,         set, records, number, request.full, request.range,
                              options_.contracts, {}};
  Schedule schedule(context, selected, progress, stop);
  std::vector<duck::Connection> connections;
  for (unsigned i = 0; i < options_.at_once_max; ++i) {
    MILLRACE_ASSIGN(auto another, warehouse_.connect());
    connections.push_back(std::move(another));
  }
  {
    const Interrupter interrupter(connections, stop);
    std::vector<std::jthread> threads;
    for (auto& one : connections) threads.emplace_back([&schedule, &one] { schedule.work(one); });
  }
  TransformRunResult result{std::move(schedule).outcomes(), {}};
  for (const auto& one : set.in_order())
    if (selected.contains(one.transform.name))
      result.notes.insert(result.notes.end(), one.reads.unportable.begin(), one.reads.unportable.end());
  return result;
}

Result<std::vector<TransformState>> Transforms::list() {
  MILLRACE_ASSIGN(auto connection, warehouse_.connect());
  TransformLedger ledger(connection);
  MILLRACE_ASSIGN(const auto set, declared(connection));
  MILLRACE_ASSIGN(auto records, ledger.records());
  std::vector<TransformState> states;
  for (const auto& one : set->in_order()) {
    TransformState state{.name = one.transform.name,
                         .description = one.transform.description,
                         .interval = one.transform.interval,
                         .version = one.transform.version};
    for (const auto& source : one.reads.sources) state.needs.push_back(source);
    for (const auto& ref : one.reads.refs) state.needs.push_back(std::string(kTransformSchema) + "." + ref);
    if (const auto found = records.find(state.name); found != records.end()) {
      state.changed = found->second.hash != one.hash;
      state.record = std::move(found->second);
    }
    states.push_back(std::move(state));
  }
  return states;
}

Result<std::string> Transforms::page() {
  MILLRACE_ASSIGN(auto connection, warehouse_.connect());
  MILLRACE_ASSIGN(const auto set, declared(connection));
  return transform_page(connection, *set);
}

}  // namespace millrace
