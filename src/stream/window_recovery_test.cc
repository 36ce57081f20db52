#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "stream/state_snapshot.h"
#include "stream/window_partition.h"
#include "stream/window_testing.h"

namespace millrace {
namespace {

const Path kOutput = "/d/output";
const Path kState = "/d/job.state";
const TopicPartition kPartition{"events", PartitionId(0)};
constexpr std::uint64_t kIdleEvery = 13;  ///< the log is read up to every so many records before more come

struct LogRecord {
  std::string source;
  bool end = false;  ///< of the source
  std::string key;
  TimeUs time = 0;
};

std::vector<LogRecord> make_log(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<LogRecord> log;
  std::map<std::string, TimeUs> clocks = {{"web", 1'000}, {"app", 900}, {"import", -500}};
  for (int i = 0; i < 60; ++i) {
    const std::string source = std::vector<std::string>{"web", "app", "import"}[random() % 3];
    const TimeUs time = clocks[source] += static_cast<TimeUs>(random() % 12);
    log.push_back({source, random() % 15 == 0, std::string(1, static_cast<char>('a' + random() % 3)),
                   time - static_cast<TimeUs>(random() % 20)});
  }
  return log;
}

/// Return the wall clock at an offset, so that two runs decide the same when idle.
TimeUs wall_at(std::uint64_t offset) {
  return 1'000 + static_cast<TimeUs>(offset) * 10;
}

/// What a job commits: its lines, where to read on, and what the clock decided since the last snapshot.
struct Committed {
  std::uint64_t next = 0;
  std::vector<IdleAdvance> idles;
  std::vector<std::string> lines;

  std::string bytes() const {
    std::string out;
    StateWriter writer(out);
    writer.put_u64(next);
    writer.put_u64(idles.size());
    for (const auto& idle : idles) {
      writer.put_u64(idle.number);
      writer.put_u64(idle.before.value());
      writer.put_i64(idle.now);
    }
    for (const auto& line : lines) writer.put_text(line);
    return out;
  }

  static Committed from(std::string_view bytes) {
    Committed result;
    StateReader in(bytes);
    result.next = in.u64();
    result.idles.resize(in.count(24));
    for (auto& idle : result.idles) {
      idle.number = in.u64();
      idle.before = Offset(in.u64());
      idle.now = in.i64();
    }
    while (in.left() > 0) result.lines.emplace_back(in.text());
    return result;
  }
};

/// A windowed job as one would write it by the contract of StateSnapshot; its output is a file that is
/// replaced whole.
template <class Operator>
class WindowedJob {
 public:
  WindowedJob(Env& env, const std::vector<LogRecord>& log, const PartitionWindowsOptions& options,
              std::uint64_t seed)
      : env_(env), log_(log), options_(options), random_(seed) {}

  Status start() {
    const auto bytes = read_file(env_, kOutput);
    if (!bytes && bytes.error().code != Code::kNotFound) return fail(bytes.error());
    if (bytes) committed_ = Committed::from(*bytes);
    std::uint64_t from = 0;
    windows_ = std::make_unique<PartitionWindows<Operator>>(options_, "recovery");
    const auto snapshot =
        usable_snapshot(env_, kState, "recovery", 1, {{kPartition, Offset(committed_.next)}});
    if (snapshot && windows_->load(snapshot->payload)) {
      from = snapshot->offsets.at(kPartition).value();
      ++snapshots_used;
    } else {
      windows_ = std::make_unique<PartitionWindows<Operator>>(options_, "recovery");
    }
    PaneLines dropped(1);
    apply(from, committed_.next, dropped, committed_.idles);
    return {};
  }

  /// Read a few records and commit; false when there are no more.
  Result<bool> step() {
    const std::uint64_t from = committed_.next;
    if (from == log_.size()) return false;
    const std::uint64_t stop = std::min<std::uint64_t>(log_.size(), (from / kIdleEvery + 1) * kIdleEvery);
    const std::uint64_t next = std::min<std::uint64_t>(stop, from + 1 + random_() % 6);
    PaneLines lines(1, true);
    apply(from, next, lines, {});
    Committed now = committed_;
    if (next == stop) {
      if (const auto idle = windows_->caught_up(Offset(next), wall_at(next), lines))
        now.idles.push_back(*idle);
    }
    now.next = next;
    now.lines.insert(now.lines.end(), lines.lines.begin(), lines.lines.end());
    MILLRACE_TRY(write_file_atomically(env_, kOutput, now.bytes()));
    committed_ = std::move(now);
    if (random_() % 3 == 0) MILLRACE_TRY(save());
    return true;
  }

  const std::vector<std::string>& lines() const { return committed_.lines; }
  std::size_t idles() const { return committed_.idles.size(); }

  int snapshots_used = 0;

 private:
  Status save() {
    StateSnapshot snapshot{"recovery", 1, {{kPartition, Offset(committed_.next)}}, {}};
    windows_->save(snapshot.payload);
    return write_snapshot(env_, kState, snapshot);
  }

  /// Apply the records [from, next), each after the idle advances that came before it.
  void apply(std::uint64_t from, std::uint64_t next, PaneLines& sink, const std::vector<IdleAdvance>& idles) {
    for (std::uint64_t offset = from; offset <= next; ++offset) {
      for (const auto& idle : idles) {
        if (idle.before == Offset(offset)) windows_->replay(idle, sink);
      }
      if (offset == next) return;
      const LogRecord& record = log_[offset];
      if (record.end) {
        windows_->close(record.source, sink);
        continue;
      }
      windows_->begin_event({record.source, record.source == "import" ? SourceKind::kRun : SourceKind::kLive,
                             record.time, wall_at(offset), Offset(offset)},
                            sink);
      windows_->add(record.key, static_cast<std::int64_t>(offset), sink);
    }
  }

  Env& env_;
  const std::vector<LogRecord>& log_;
  const PartitionWindowsOptions options_;
  std::mt19937_64 random_;
  Committed committed_;
  std::unique_ptr<PartitionWindows<Operator>> windows_;
};

template <class Operator>
class RecoveryCheck {
 public:
  RecoveryCheck(const WindowSpec& spec, std::uint64_t seed) : log_(make_log(seed)), seed_(seed) {
    options_.windows = {.spec = spec, .allowed_lateness = 15};
    options_.windows.accumulation = seed % 2 == 0 ? Accumulation::kDiscard : Accumulation::kAccumulate;
    options_.watermarks = {.disorder_live = 8, .disorder_run = 20};
    if (seed % 3 == 0) options_.limits.entries_max = 6;
  }

  /// Run to the end, dying after `operations` file operations and again and again after that.
  std::vector<std::string> run(std::optional<std::uint64_t> operations, bool power_loss) {
    FaultEnv env(seed_);
    EXPECT_TRUE(env.make_dirs("/d"));
    EXPECT_TRUE(env.sync_dir("/"));
    if (operations) env.die_after(*operations);
    for (int lives = 0; lives < 200; ++lives) {
      WindowedJob<Operator> job(env, log_, options_, seed_ * 1'000 + static_cast<std::uint64_t>(lives));
      if (live(job)) {
        idles_ += job.idles();
        return job.lines();
      }
      deaths_ += 1;
      power_loss ? env.power_loss(seed_ + static_cast<std::uint64_t>(lives)) : env.restart_process();
      if (lives < 4) env.die_after(7 + 5 * static_cast<std::uint64_t>(lives));
    }
    return {"never came to an end"};
  }

  void check() {
    const auto undisturbed = run(std::nullopt, false);
    EXPECT_GT(undisturbed.size(), 10u);
    EXPECT_GT(idles_, 0u);
    for (std::uint64_t operations = 0; operations < 140; operations += 1 + seed_ % 3) {
      ASSERT_EQ(run(operations, operations % 2 == 0), undisturbed)
          << "killed after " << operations << " operations";
    }
    EXPECT_GT(deaths_, 100);
    EXPECT_GT(snapshots_used_, 50);
  }

 private:
  bool live(WindowedJob<Operator>& job) {
    if (!job.start()) return false;
    snapshots_used_ += job.snapshots_used;
    for (;;) {
      const auto more = job.step();
      if (!more) return false;
      if (!*more) return true;
    }
  }

  const std::vector<LogRecord> log_;
  const std::uint64_t seed_;
  PartitionWindowsOptions options_;
  std::size_t idles_ = 0;
  int deaths_ = 0;
  int snapshots_used_ = 0;
};

TEST(WindowRecovery, AKillAtAnyFileOperationChangesNoOutput) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    RecoveryCheck<WindowOperator<Collected>>(WindowSpec::sliding(20, 10), seed).check();
    RecoveryCheck<SessionOperator<Collected>>(WindowSpec::session(12), seed).check();
  }
}

TEST(WindowRecovery, ADamagedSnapshotIsRebuiltFromTheLog) {
  const auto log = make_log(1);
  PartitionWindowsOptions options;
  options.windows.spec = WindowSpec::session(12);
  options.watermarks = {.disorder_live = 8, .disorder_run = 20};
  std::vector<std::string> lines[2];
  for (const bool damage : {false, true}) {
    FaultEnv env;
    ASSERT_TRUE(env.make_dirs("/d"));
    for (std::uint64_t life = 0;; ++life) {
      WindowedJob<SessionOperator<Collected>> job(env, log, options, life);
      ASSERT_TRUE(job.start());
      EXPECT_TRUE(!damage || job.snapshots_used == 0);
      Result<bool> more = true;
      for (int step = 0; step < 3 && *more; ++step) more = job.step();
      lines[damage] = job.lines();
      if (!*more) break;
      if (damage && env.exists(kState)) env.flip_bits(kState, 30 + life, 1);
    }
  }
  EXPECT_GT(lines[0].size(), 10u);
  EXPECT_EQ(lines[0], lines[1]);
}

}  // namespace
}  // namespace millrace
