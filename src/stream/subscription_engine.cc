#include "stream/subscription_engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "stream/job_metrics.h"
#include "stream/subscription_inbox.h"
#include "stream/subscription_outlet.h"
#include "stream/subscription_store.h"
#include "stream/subscription_writer.h"

namespace millrace {
namespace {

constexpr DurationUs kTick = kSecondUs;
constexpr DurationUs kWatchWait = 250 * kMillisecondUs;
constexpr DurationUs kIdleWait = 10 * kSecondUs;

class Engine : public SubscriptionEngine {
 public:
  using Inbox = SubscriptionInbox<Engine>;
  using Task = Inbox::Task;

  Engine(EventLog& log, Env& env, PushTargets& targets, const SubscriptionEngineOptions& options)
      : log_(log), env_(env), options_(options), world_{log, env, targets, options_} {}
  ~Engine() override { stop(); }

  Status load(const Path& file);
  void start();
  void stop() override;

  void put(std::string name, SubscriptionSettings settings, Done<void> done) override;
  void remove(std::string name, Done<void> done) override;
  void describe(std::string name, Done<SubscriptionInfo> done) override;
  void list(Done<std::vector<SubscriptionInfo>> done) override;
  void pull(std::string name, std::size_t count, DurationUs wait,
            Done<std::vector<SubscriptionMessage>> done) override;
  void ack(std::string name, std::vector<AckId> ids, Done<AckCounts> done) override;
  void nack(std::string name, std::vector<AckId> ids, std::optional<DurationUs> after,
            Done<AckCounts> done) override;
  void extend(std::string name, std::vector<AckId> ids, DurationUs hold, Done<AckCounts> done) override;
  void seek(std::string name, SeekTo to, Done<void> done) override;
  void replay_dead_letters(std::string name, Done<ReplayCounts> done) override;

 private:
  struct Slot {
    std::uint64_t number = 0;  ///< another one when the name is used again
    std::unique_ptr<SubscriptionOutlet> outlet;
  };

  template <class T>
  void ask(const Done<T>& done, Task task) {
    if (!inbox_->post(std::move(task), true)) done(fail(Code::kCancelled, "the server is stopping"));
  }
  template <class T, class Work>
  void ask_outlet(std::string name, Done<T> done, Work work);
  template <class T>
  void answer_when_stored(Done<T> done, T value);
  void answer_when_stored(Done<void> done);

  void run();
  void watch(const std::stop_token& stop);
  DurationUs next_wait();
  void advance_all(bool appended);
  void tick();
  void show();
  std::uint64_t finished() const;
  void flush(bool all);
  void written(const Status& status);
  void count_written();
  void finish();

  Status put_now(const std::string& name, SubscriptionSettings settings);
  Status make_new(const std::string& name, SubscriptionSettings settings);
  SubscriptionOutlet& add(StoredSubscription stored);
  std::uint64_t random();

  EventLog& log_;
  Env& env_;
  const SubscriptionEngineOptions options_;
  const SubscriptionOutlet::World world_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::atomic<std::size_t> count_ = 0;
  std::mutex watch_mutex_;
  std::condition_variable_any watch_woken_;

  // The rest belongs to the thread.
  std::map<std::string, Slot> outlets_;
  std::uint64_t slots_made_ = 0;
  bool again_ = false;
  DurationUs next_tick_ = 0;
  std::unique_ptr<SubscriptionWriter> writer_;
  bool writing_ = false;
  DurationUs write_again_at_ = 0;
  DurationUs write_began_ = 0;
  DurationUs fresh_at_ = env_.steady_now();  ///< when something was written last, or nothing was left to do
  std::uint64_t finished_ = 0;               ///< messages of all subscriptions done with, as shown last
  JobMetrics metrics_{"subscriptions"};
  std::set<std::string> put_;  ///< whose row must be written
  std::vector<std::string> removed_, removing_;
  std::vector<RetentionHold> holds_;
  std::vector<SubscriptionWrite::Answer> answers_;

  std::jthread watcher_;
  std::thread thread_;
};

std::uint64_t Engine::random() {
  std::uint64_t number = 0;
  env_.random_bytes(std::as_writable_bytes(std::span(&number, 1)));
  return number;
}

Status Engine::load(const Path& file) {
  MILLRACE_ASSIGN(SubscriptionStore store, SubscriptionStore::open(file));
  MILLRACE_ASSIGN(SubscriptionStore::Loaded loaded, store.load());
  const auto topics = log_.topics();
  for (StoredSubscription& one : loaded.subscriptions) {
    if (topics.contains(one.settings.topic)) {
      add(std::move(one));
    } else {
      log_warning("subscription", "its topic is gone",
                  {field("subscription", one.name), field("topic", one.settings.topic)});
    }
  }
  for (auto& one : loaded.progress) {
    const auto found = outlets_.find(one.subscription);
    if (found == outlets_.end()) continue;
    Subscription& messages = found->second.outlet->messages();
    if (one.partition.value() < messages.partitions())
      messages.restore(one.partition, std::move(one.progress));
  }
  writer_ =
      std::make_unique<SubscriptionWriter>(std::move(store), log_, [inbox = inbox_](const Status& status) {
        inbox->post([status](Engine& self) { self.written(status); }, false);
      });
  return {};
}

void Engine::start() {
  finished_ = finished();
  thread_ = std::thread([this] { run(); });
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void Engine::stop() {
  inbox_->close();
  watcher_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (watcher_.joinable()) watcher_.join();
  writer_.reset();
}

/// Turn the log's waiting into a knock at the inbox. Rests while there are no subscriptions.
void Engine::watch(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "sub-watch");
  std::uint64_t seen = 0;
  while (!stop.stop_requested()) {
    if (count_ == 0) {
      std::unique_lock lock(watch_mutex_);
      watch_woken_.wait(lock, stop, [&] { return count_ > 0; });
      continue;
    }
    const std::uint64_t version = log_.wait_for_append(seen, kWatchWait);
    if (version != seen) inbox_->appended();
    seen = version;
  }
}

void Engine::run() {
  pthread_setname_np(pthread_self(), "sub-run");
  bool closed = false;
  while (!closed) {
    const Inbox::Taken taken = inbox_->take(next_wait());
    for (const Task& task : taken.tasks) task(*this);
    advance_all(taken.appended);
    if (env_.steady_now() >= next_tick_) tick();
    flush(false);
    closed = taken.closed;
  }
  finish();
}

DurationUs Engine::next_wait() {
  if (again_) return 0;
  if (outlets_.empty() && answers_.empty() && removed_.empty()) return kIdleWait;
  DurationUs due = next_tick_;
  for (const auto& [name, slot] : outlets_)
    if (const auto its = slot.outlet->next_due()) due = std::min(due, *its);
  return due - env_.steady_now();
}

void Engine::advance_all(bool appended) {
  again_ = false;
  for (auto& [name, slot] : outlets_) again_ = slot.outlet->advance(appended) || again_;
}

void Engine::tick() {
  next_tick_ = env_.steady_now() + kTick;
  for (auto& [name, slot] : outlets_) {
    for (RetentionHold& hold : slot.outlet->tick()) holds_.push_back(std::move(hold));
    if (slot.outlet->messages().change() != Subscription::Change::kNone) put_.insert(name);
  }
  show();
}

/// Show how far all subscriptions together are.
void Engine::show() {
  const TimeUs now = env_.now();
  JobLag lag;
  for (const auto& [name, slot] : outlets_) {
    const Subscription& messages = slot.outlet->messages();
    lag.records += messages.backlog();
    lag.oldest = std::max(lag.oldest, now - messages.oldest_undone().value_or(now));
  }
  if (lag.records == 0) fresh_at_ = env_.steady_now();
  metrics_.show(lag, env_.steady_now() - fresh_at_);
}

/// Return how many messages are done with: acknowledged, or given up.
std::uint64_t Engine::finished() const {
  std::uint64_t messages = 0;
  for (const auto& [name, slot] : outlets_) {
    const SubscriptionCounts& counts = slot.outlet->messages().counts();
    messages += counts.acked + counts.dead;
  }
  return messages;
}

/// Hand what has changed to the writer, unless it is at work: then it gathers.
void Engine::flush(bool all) {
  if (writing_ || (env_.steady_now() < write_again_at_ && !all)) return;
  SubscriptionWrite write;
  for (auto& [name, slot] : outlets_) {
    Subscription& messages = slot.outlet->messages();
    if (messages.change() != Subscription::Change::kDone && !put_.contains(name) && !all) continue;
    write.changes.put.push_back(slot.outlet->stored());
    for (const PartitionId partition : messages.take_changed())
      write.changes.progress.push_back({name, partition, messages.progress(partition)});
  }
  put_.clear();
  write.changes.removed = removing_ = std::exchange(removed_, {});
  write.holds = std::exchange(holds_, {});
  write.answers = std::exchange(answers_, {});
  if (write.changes.empty() && write.holds.empty() && write.answers.empty()) return;
  writing_ = true;
  write_began_ = env_.steady_now();
  writer_->begin(std::move(write));
}

void Engine::count_written() {
  fresh_at_ = env_.steady_now();
  const std::uint64_t finished = this->finished();
  if (finished > finished_) {
    metrics_.count_step(finished - finished_, finished - finished_, fresh_at_ - write_began_);
  }
  finished_ = finished;
}

void Engine::written(const Status& status) {
  writing_ = false;
  if (status) return count_written();
  metrics_.count_error();
  write_again_at_ = env_.steady_now() + kSecondUs;
  removed_.insert(removed_.end(), removing_.begin(), removing_.end());
  for (auto& [name, slot] : outlets_) {
    put_.insert(name);
    slot.outlet->messages().mark_changed();
    slot.outlet->forget_holds();
  }
}

void Engine::finish() {
  for (auto& [name, slot] : outlets_) slot.outlet->end();
  for (bool last : {false, true}) {
    while (writing_)
      for (const Task& task : inbox_->take(kSecondUs).tasks) task(*this);
    if (!last) flush(true);
  }
  // Whoever asked too late: their tasks were posted before the inbox was closed.
  for (const Task& task : inbox_->take(0).tasks) task(*this);
  const Status stopping = fail(Code::kCancelled, "the server is stopping");
  for (const auto& answer : std::exchange(answers_, {})) answer(stopping);
  outlets_.clear();
}

// Requests.

template <class T, class Work>
void Engine::ask_outlet(std::string name, Done<T> done, Work work) {
  ask(done, [name = std::move(name), done, work = std::move(work)](Engine& self) {
    const auto found = self.outlets_.find(name);
    if (found == self.outlets_.end())
      return done(fail(Code::kNotFound, "there is no subscription '" + name +
                                            "'; make it with PUT /v1/subscriptions/" + name +
                                            " or `millrace subscription create`"));
    work(self, *found->second.outlet, done);
  });
}

template <class T>
void Engine::answer_when_stored(Done<T> done, T value) {
  answers_.push_back([done = std::move(done), value = std::move(value)](const Status& status) {
    status ? done(value) : done(fail(status.error()));
  });
}

void Engine::answer_when_stored(Done<void> done) {
  answers_.push_back([done = std::move(done)](const Status& status) { done(status); });
}

SubscriptionOutlet& Engine::add(StoredSubscription stored) {
  const std::string name = stored.name;
  const std::uint64_t number = ++slots_made_;
  auto post = [inbox = inbox_, name, number](std::function<void(SubscriptionOutlet&)> work) {
    inbox->post(
        [name, number, work = std::move(work)](Engine& self) {
          const auto found = self.outlets_.find(name);
          if (found != self.outlets_.end() && found->second.number == number) work(*found->second.outlet);
        },
        false);
  };
  Slot& slot = outlets_[name];
  slot = {number, std::make_unique<SubscriptionOutlet>(world_, std::move(stored), random(), std::move(post))};
  {
    const std::lock_guard lock(watch_mutex_);
    count_ = outlets_.size();
  }
  watch_woken_.notify_one();
  return *slot.outlet;
}

Status Engine::make_new(const std::string& name, SubscriptionSettings settings) {
  if (outlets_.size() >= options_.subscriptions_max)
    return fail(Code::kOverloaded, fmt::format("there are {} subscriptions already", outlets_.size()));
  const bool from_start = settings.start == StartAt::kStart;
  StoredSubscription stored{name, std::move(settings), static_cast<std::uint64_t>(env_.now()), {}, {}};
  Subscription& messages = add(std::move(stored)).messages();
  for (std::uint32_t i = 0; i < messages.partitions(); ++i) {
    const auto stats = log_.stats({messages.settings().topic, PartitionId(i)});
    if (!stats) continue;
    const Offset from = from_start ? stats->start : stats->end;
    messages.restore(PartitionId(i), {from, from, {}});
  }
  messages.mark_changed();
  next_tick_ = 0;  // retention is told at once
  return {};
}

Status Engine::put_now(const std::string& name, SubscriptionSettings settings) {
  MILLRACE_TRY(check_subscription_name(name));
  if (settings.push) MILLRACE_TRY(world_.targets.check(settings.push->url));
  const auto topics = log_.topics();
  if (!topics.contains(settings.topic))
    return fail(Code::kNotFound,
                fmt::format("there is no topic '{0}'; make it with PUT /v1/topics/{0} or `millrace "
                            "topic create {0}`",
                            settings.topic));
  if (!settings.dead_letter_topic.empty() && !topics.contains(settings.dead_letter_topic))
    MILLRACE_TRY(log_.create_topic(settings.dead_letter_topic, {}));
  const auto found = outlets_.find(name);
  if (found == outlets_.end()) return make_new(name, std::move(settings));
  SubscriptionOutlet& outlet = *found->second.outlet;
  if (outlet.messages().settings().topic != settings.topic)
    return fail(Code::kExists,
                fmt::format("'{}' follows the topic '{}'; delete it first, or choose another name", name,
                            outlet.messages().settings().topic));
  outlet.set_settings(std::move(settings));
  put_.insert(name);
  return {};
}

void Engine::put(std::string name, SubscriptionSettings settings, Done<void> done) {
  ask(done, [name = std::move(name), settings = std::move(settings), done](Engine& self) {
    if (Status made = self.put_now(name, settings); !made) return done(made);
    self.answer_when_stored(done);
  });
}

void Engine::remove(std::string name, Done<void> done) {
  ask_outlet(name, std::move(done),
             [name](Engine& self, SubscriptionOutlet& outlet, const Done<void>& answer) {
               self.holds_.push_back(outlet.letting_go());
               self.outlets_.erase(name);
               self.put_.erase(name);
               self.count_ = self.outlets_.size();
               self.removed_.push_back(name);
               self.answer_when_stored(answer);
             });
}

void Engine::describe(std::string name, Done<SubscriptionInfo> done) {
  ask_outlet(std::move(name), std::move(done),
             [](Engine&, SubscriptionOutlet& outlet, const auto& answer) { answer(outlet.info()); });
}

void Engine::list(Done<std::vector<SubscriptionInfo>> done) {
  ask(done, [done](Engine& self) {
    std::vector<SubscriptionInfo> infos;
    for (const auto& [name, slot] : self.outlets_) infos.push_back(slot.outlet->info());
    done(std::move(infos));
  });
}

void Engine::pull(std::string name, std::size_t count, DurationUs wait,
                  Done<std::vector<SubscriptionMessage>> done) {
  ask_outlet(std::move(name), std::move(done),
             [count, wait](Engine&, SubscriptionOutlet& outlet, const auto& answer) {
               outlet.pull(count, wait, answer);
             });
}

void Engine::ack(std::string name, std::vector<AckId> ids, Done<AckCounts> done) {
  ask_outlet(std::move(name), std::move(done),
             [ids = std::move(ids)](Engine& self, SubscriptionOutlet& outlet, const Done<AckCounts>& answer) {
               AckCounts counts;
               for (const AckId& id : ids) {
                 if (outlet.messages().ack(id) == Subscription::AckResult::kDone) {
                   ++counts.done;
                 } else {
                   counts.unknown.push_back(id.text());
                 }
               }
               self.answer_when_stored(answer, std::move(counts));
             });
}

namespace {

/// Apply `change` to each id; those for which it returns false are unknown.
template <class Change>
AckCounts apply(const std::vector<AckId>& ids, Change change) {
  AckCounts counts;
  for (const AckId& id : ids) {
    if (change(id)) {
      ++counts.done;
    } else {
      counts.unknown.push_back(id.text());
    }
  }
  return counts;
}

}  // namespace

void Engine::nack(std::string name, std::vector<AckId> ids, std::optional<DurationUs> after,
                  Done<AckCounts> done) {
  ask_outlet(std::move(name), std::move(done),
             [ids = std::move(ids), after](Engine& self, SubscriptionOutlet& outlet, const auto& answer) {
               const DurationUs now = self.env_.steady_now();
               answer(apply(ids, [&](const AckId& id) { return outlet.messages().nack(id, now, after); }));
             });
}

void Engine::extend(std::string name, std::vector<AckId> ids, DurationUs hold, Done<AckCounts> done) {
  ask_outlet(std::move(name), std::move(done),
             [ids = std::move(ids), hold](Engine& self, SubscriptionOutlet& outlet, const auto& answer) {
               const DurationUs until = self.env_.steady_now() + hold;
               answer(apply(ids, [&](const AckId& id) { return outlet.messages().extend(id, until); }));
             });
}

void Engine::seek(std::string name, SeekTo to, Done<void> done) {
  ask_outlet(std::move(name), std::move(done),
             [to](Engine& self, SubscriptionOutlet& outlet, const Done<void>& answer) {
               if (Status sought = outlet.seek(to); !sought) return answer(sought);
               self.answer_when_stored(answer);
             });
}

void Engine::replay_dead_letters(std::string name, Done<ReplayCounts> done) {
  ask_outlet(name, std::move(done),
             [name](Engine& self, SubscriptionOutlet& outlet, const Done<ReplayCounts>& answer) {
               Result<ReplayCounts> counts = outlet.replay_dead_letters();
               if (!counts) return answer(counts);
               self.put_.insert(name);
               self.answer_when_stored(answer, *counts);
             });
}

}  // namespace

Result<std::unique_ptr<SubscriptionEngine>> SubscriptionEngine::open(
    EventLog& log, Env& env, PushTargets& targets, const Path& file,
    const SubscriptionEngineOptions& options) {
  auto engine = std::make_unique<Engine>(log, env, targets, options);
  MILLRACE_TRY(engine->load(file));
  engine->start();
  return engine;
}

}  // namespace millrace
