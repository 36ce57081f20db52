#include "warehouse/message_ids.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/memory.h"

namespace millrace {
namespace {

constexpr std::string_view kSuffix = ".ids";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::size_t kRunsMax = 64;  ///< each is looked at for every new id
constexpr std::size_t kYoungShare = 60;
constexpr std::size_t kRestoreAtOnce = 1'000;

std::size_t young_max_of(const MessageIdsOptions& options) {
  return std::max(options.young_max, options.ids_max / kYoungShare);
}

/// Return whether a run knows no more than the warehouse.
Status check_positions(const IdRunFacts& facts, const MessageIds::Positions& committed) {
  for (const auto& [partition, next] : facts.positions) {
    const auto known = committed.find(partition);
    if (known != committed.end() && next <= known->second) continue;
    return fail(Code::kInvalid, fmt::format("run {} is ahead of the warehouse in {}/{}", facts.sequence,
                                            partition.topic, partition.partition.value()));
  }
  return {};
}

/// Sort ids, which are hashes: into buckets by their first bits, then each bucket in the processor's cache,
/// which takes half as long as sorting all at once.
std::vector<KnownId> sorted(const std::deque<KnownId>& ids) {
  constexpr unsigned kBits = 12;
  const auto bucket_of = [](const KnownId& known) { return known.id.high >> (64 - kBits); };
  std::vector<std::size_t> ends((1u << kBits) + 1);
  for (const auto& known : ids) ++ends[bucket_of(known) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  const auto begins = ends;
  std::vector<KnownId> out(ids.size());
  for (const auto& known : ids) out[ends[bucket_of(known)]++] = known;
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    std::sort(&out[0] + begins[i], &out[0] + begins[i + 1]);
  }
  return out;
}

}  // namespace

MessageIds::MessageIds(Env& env, Path dir, const MessageIdsOptions& options)
    : env_(env),
      dir_(std::move(dir)),
      options_(options),
      on_disk_(!dir_.empty() && young_max_of(options) < options.ids_max),
      young_(on_disk_ ? young_max_of(options) : options.ids_max, options.window) {}

// ---- Start

Result<MessageIds::Positions> MessageIds::open(const Positions& committed) {
  runs_.clear();
  run_ids_ = 0;
  young_.rollback();
  young_.clear();
  complete_since_ = kTimeMin;
  kept_ = patience_ = 0;
  unfinished_ = false;
  if (on_disk_) MILLRACE_TRY(env_.make_dirs(dir_));
  auto opened = damaged_ ? fail(Code::kCorrupt, "a part could not be read") : open_runs(committed);
  if (opened && runs_.empty()) return Positions{};
  if (opened) {
    complete_since_ = runs_.back().facts().complete_since;
    return runs_.back().facts().positions;
  }
  log_warning("load", "the message ids on disk cannot be used; they are read from the warehouse again",
              {field("why", opened.error().text())});
  runs_.clear();
  run_ids_ = 0;
  MILLRACE_ASSIGN(const auto names, run_files());
  for (const auto& name : names) MILLRACE_TRY(env_.remove(dir_ / name));
  damaged_ = false;
  return Positions{};
}

/// Return the names of the runs, oldest first; remove what a crash left half-written.
Result<std::vector<std::string>> MessageIds::run_files() {
  std::vector<std::string> runs;
  if (dir_.empty() || !env_.exists(dir_)) return runs;
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir_));
  for (const auto& name : names) {
    if (name.ends_with(kTemporary)) MILLRACE_TRY(env_.remove(dir_ / name));
    if (name.ends_with(kSuffix)) runs.push_back(name);
  }
  return runs;
}

Status MessageIds::open_runs(const Positions& committed) {
  MILLRACE_ASSIGN(const auto names, run_files());
  for (const auto& name : names) {
    MILLRACE_ASSIGN(auto run, IdRun::open(env_, dir_ / name));
    const auto& facts = run.facts();
    if (path_of(facts.sequence) != run.path() || (!runs_.empty() && facts.sequence != next_sequence_)) {
      return fail(Code::kCorrupt, "a run is missing before it, or it has another's name",
                  run.path().string());
    }
    MILLRACE_TRY(check_positions(facts, committed));
    next_sequence_ = facts.sequence + 1;
    run_ids_ += facts.ids;
    runs_.push_back(std::move(run));
  }
  if (!runs_.empty() && runs_.back().facts().positions.empty()) {
    return fail(Code::kCorrupt, "they were not gathered to the end");
  }
  return {};
}

/// Commit before adding, so that something is left for a last run, which says up to where.
void MessageIds::restore(const Hash128& id, TimeUs time) {
  if (++restored_ % kRestoreAtOnce == 0) commit(kTimeMin, {});
  young_.add(id, time);
}

void MessageIds::restored(const Positions& committed) {
  commit(kTimeMin, committed);
  if (unfinished_) move_to_run(committed);
}

// ---- Looking up

void MessageIds::prefetch(const Hash128& id) const {
  young_.prefetch(id);
  for (const auto& run : runs_) run.prefetch(id);
}

Result<bool> MessageIds::is_repeat(const Hash128& id, TimeUs time) {
  MILLRACE_ASSIGN(const bool known, knows(id, time));
  if (!known) young_.add(id, time);
  return known;
}

Result<bool> MessageIds::knows(const Hash128& id, TimeUs time) {
  if (young_.knows(id, time)) return true;
  const IdProbe probe(id);
  const TimeUs from = time - options_.window;
  const TimeUs to = time + options_.window;
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (!run->may_hold(probe) || run->facts().newest < from || run->facts().oldest > to) continue;
    const auto held = run->holds(id, from, to);
    if (!held) {
      damaged_ = true;
      return fail(Code::kIo,
                  "a file of message ids cannot be read, they will be gathered anew: " + held.error().text());
    }
    if (*held) return true;
  }
  return false;
}

// ---- Keeping

void MessageIds::commit(TimeUs horizon, const Positions& committed) {
  while (!runs_.empty() && runs_.front().facts().newest < horizon) drop_oldest(false);
  make_room();
  patience_ -= std::min(patience_, young_.size() - std::min(kept_, young_.size()));
  if (on_disk_ && young_.size() >= young_max_of(options_) && patience_ == 0) move_to_run(committed);
  young_.commit(horizon);
  kept_ = young_.size();
}

void MessageIds::make_room() {
  while (!runs_.empty() && (size() > options_.ids_max || runs_.size() >= kRunsMax)) drop_oldest(true);
}

/// Move all of the young ids to a run. On a full disk the oldest run goes to make room; when that does not
/// help, the young ids stay in memory, and the oldest of them will be forgotten.
void MessageIds::move_to_run(const Positions& committed) {
  Status written = write_run(committed);
  if (!written && written.error().code == Code::kNoSpace && !runs_.empty()) {
    drop_oldest(true);
    written = write_run(committed);
  }
  if (written) {
    patience_ = 0;
    unfinished_ = committed.empty();
    complete_since_ = complete_since();
    young_.clear();
    return_freed_memory();
    return;
  }
  patience_ = young_max_of(options_) / 4;
  log_warning("load", "message ids cannot be moved to disk: repeats are recognised over a shorter time",
              {field("why", written.error().text())});
}

/// Leave the warehouse the room that it needs to go on.
Status MessageIds::check_room() const {
  MILLRACE_ASSIGN(const auto free, env_.free_bytes(dir_));
  if (free >= options_.spare_bytes + young_.size() * (sizeof(KnownId) + 3)) return {};
  return fail(Code::kNoSpace, fmt::format("the disk has {} MB left: make room", free >> 20));
}

Status MessageIds::write_run(const Positions& committed) {
  MILLRACE_TRY(check_room());
  const auto ids = sorted(young_.ids());
  const auto path = path_of(next_sequence_);
  const IdRunFacts facts{
      .sequence = next_sequence_, .complete_since = complete_since(), .positions = committed};
  MILLRACE_TRY(IdRun::write(env_, path, facts, ids));
  MILLRACE_ASSIGN(auto run, IdRun::open(env_, path));
  ++next_sequence_;
  run_ids_ += run.facts().ids;
  runs_.push_back(std::move(run));
  return {};
}

/// A file that cannot be removed is found again at the next start.
void MessageIds::drop_oldest(bool early) {
  const auto facts = runs_.front().facts();
  const auto path = runs_.front().path();
  runs_.pop_front();
  if (early) {
    forgotten_early_ += facts.ids;
    complete_since_ = std::max(complete_since_, facts.newest);
  }
  run_ids_ -= facts.ids;
  if (auto removed = env_.remove(path); !removed) {
    log_warning("load", "could not remove old message ids", {field("error", removed.error().text())});
  }
}

Path MessageIds::path_of(std::uint64_t sequence) const {
  return dir_ / fmt::format("{:012}{}", sequence, kSuffix);
}

// ---- What others see

TimeUs MessageIds::complete_since() const {
  return std::max(complete_since_, young_.complete_since());
}

std::size_t MessageIds::memory_bytes() const {
  std::size_t bytes = young_.memory_bytes();
  for (const auto& run : runs_) bytes += run.memory_bytes();
  return bytes;
}

std::uint64_t MessageIds::disk_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& run : runs_) bytes += run.facts().ids * sizeof(KnownId) + run.memory_bytes();
  return bytes;
}

}  // namespace millrace
