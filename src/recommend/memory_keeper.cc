#include "recommend/memory_keeper.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>

#include "base/hash.h"
#include "base/logging.h"

namespace millrace {

MemoryKeeper::MemoryKeeper(Env& env, const EventLog& log, Recommender& recommender, Options options)
    : env_(env),
      log_(log),
      recommender_(recommender),
      options_(std::move(options)),
      due_(env.steady_now() + options_.interval) {}

MemoryKeeper::~MemoryKeeper() = default;

std::optional<JobPosition> MemoryKeeper::restore(const std::vector<TopicPartition>& partitions) {
  const auto file = MemoryFile::read(env_, options_.path);
  if (!file && file.error().code == Code::kNotFound) return std::nullopt;
  std::string why = file ? why_not(*file, partitions) : file.error().message;
  if (why.empty()) {
    if (const Status restored = recommender_.restore(file->image); !restored) why = restored.error().message;
  }
  if (!why.empty()) {
    log_warning("recommend", "cannot use the saved memory; rebuilding it from the warehouse",
                {field("file", options_.path.string()), field("why", why)});
    return std::nullopt;
  }
  bytes_ = file->bytes->bytes().size();
  for (const auto& [partition, mark] : file->marks) saved_[partition] = mark.next;
  return saved_;
}

/// Return why a file that is whole cannot be used; empty when it can.
std::string MemoryKeeper::why_not(const MemoryFile& file,
                                  const std::vector<TopicPartition>& partitions) const {
  if (file.shape != recommender_.memory_shape())
    return "it was made with other settings, or by another version";
  if (file.marks.size() != partitions.size()) return "the log has other partitions";
  for (const TopicPartition& partition : partitions) {
    const std::string name = fmt::format("partition {} of {}", partition.partition.value(), partition.topic);
    const auto mark = file.marks.find(partition);
    if (mark == file.marks.end()) return "it knows nothing of " + name;
    const auto stats = log_.stats(partition);
    if (!stats) return stats.error().text();
    if (mark->second.next < stats->start) return "the log no longer has what came after it in " + name;
    if (mark->second.next > stats->end) return "it is ahead of the log in " + name;
    const std::uint64_t before = record_before(partition, mark->second.next);
    if (before != 0 && mark->second.before != 0 && before != mark->second.before)
      return "it belongs to another log: " + name + " has other records";
  }
  return {};
}

/// Return a hash of the record right before `next`, by which a log is told from another one; 0 when there is
/// none any more.
std::uint64_t MemoryKeeper::record_before(const TopicPartition& partition, Offset next) const {
  if (next == Offset(0)) return 0;
  const Offset before(next.value() - 1);
  const auto batch = log_.read(partition, before, {.records_max = 1, .bytes_max = 1});
  if (!batch || batch->records.empty() || batch->records.front().offset != before) return 0;
  const Record& record = batch->records.front();
  return std::max<std::uint64_t>(
      1, hash64(fmt::format("{} {}\n{}\n{}", record.time, record.key, record.attributes, record.value)));
}

void MemoryKeeper::save_if_due(const JobPosition& reached) {
  if (stage_ == Stage::kReady) {
    stage_ = copy(reached) ? Stage::kWriting : Stage::kIdle;
    if (stage_ == Stage::kIdle) return;
    writer_ = std::jthread([this] {
      pthread_setname_np(pthread_self(), "rec-save");
      write();
      stage_ = Stage::kIdle;
    });
  } else if (stage_ == Stage::kIdle && env_.steady_now() >= due_) {
    due_ = env_.steady_now() + options_.interval;
    if (!changed_since(reached)) return;
    stage_ = Stage::kGettingRoom;
    writer_ = std::jthread([this] {
      get_room();
      stage_ = Stage::kReady;
    });
  }
}

void MemoryKeeper::save_at_end(const JobPosition& reached) {
  if (writer_.joinable()) writer_.join();
  if (changed_since(reached) && copy(reached)) write();
}

/// Get the memory for the copy, and touch all of it. When there is not so much, `copy` finds out.
void MemoryKeeper::get_room() {
  try {
    file_.resize(bytes_ > 0 ? bytes_ + bytes_ / 8 : recommender_.stats().bytes);
  } catch (const std::bad_alloc&) {
    file_ = {};
  }
}

/// Return whether there was memory for it.
bool MemoryKeeper::copy(const JobPosition& reached) {
  try {
    copy_all(reached);
    return true;
  } catch (const std::bad_alloc&) {
    file_ = {};
    log_warning("recommend", "no memory to save what is remembered; it is tried again later");
    return false;
  }
}

void MemoryKeeper::copy_all(const JobPosition& reached) {
  std::map<TopicPartition, LogMark> marks;
  for (const auto& [partition, next] : reached) marks[partition] = {next, record_before(partition, next)};
  const DurationUs begun = env_.steady_now();
  begin_memory_file(file_, recommender_.memory_shape(), marks);
  recommender_.save(file_);
  copy_us_ = env_.steady_now() - begun;
  bytes_ = file_.size();
  saved_ = reached;
}

void MemoryKeeper::write() {
  const DurationUs begun = env_.steady_now();
  const Status written = write_memory_file(env_, options_.path, std::exchange(file_, {}));
  failed_ = !written;
  if (written)
    log_info("recommend", "memory saved",
             {field("bytes", bytes_), field("copy_ms", copy_us_ / kMillisecondUs),
              field("write_ms", (env_.steady_now() - begun) / kMillisecondUs)});
  else
    log_warning("recommend", "could not save the memory; the next start begins with an older one, or anew",
                {field("error", written.error().text())});
}

}  // namespace millrace
