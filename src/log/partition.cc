#include "log/partition.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

namespace millrace::log {
namespace {

constexpr std::uint64_t kPrepareBytesMin = 64 << 10;
constexpr std::uint64_t kPrepareBytesMax = 4 << 20;
constexpr std::uint64_t kPreparedWriteBytesMax = 256 << 10;
constexpr std::size_t kCopiedFrameBytesMax = 64 << 10;
constexpr std::uint64_t kCheckpointBytes = 8 << 20;
constexpr std::size_t kGroupBufferKeptBytes = 8 << 20;

}  // namespace

Partition::Partition(Env& env, Path dir, TopicPartition name, const Options& options, ProblemList& problems)
    : env_(env),
      dir_(std::move(dir)),
      name_(std::move(name)),
      problems_(problems),
      segment_bytes_(options.segment_bytes),
      end_gauge_(
          metrics::gauge("millrace_log_end_offset", "One past the last durable record.",
                         {{"topic", name_.topic}, {"partition", fmt::to_string(name_.partition.value())}})) {}

// ---- Writing

Status Partition::write(std::span<EncodedFrame* const> frames) {
  std::uint64_t bytes = 0;
  for (const EncodedFrame* frame : frames) bytes += frame->size;
  // By offsets, not bytes: a segment with nothing but seals has the name that the new one would get.
  const bool has_records = active_->summary.end_offset > active_->summary.base_offset;
  if (has_records && active_->summary.used_bytes + bytes > segment_bytes_) MILLRACE_TRY(roll());
  write_position_ = active_->summary.used_bytes;
  place(frames);
  return bytes / frames.size() > kCopiedFrameBytesMax ? write_each(frames) : write_together(frames, bytes);
}

/// Write large frames from where they are: copying them together would cost more than the calls.
Status Partition::write_each(std::span<EncodedFrame* const> frames) {
  std::uint64_t position = write_position_;
  for (const EncodedFrame* frame : frames) {
    MILLRACE_TRY(active_->write(position, std::as_bytes(std::span(frame->bytes.get(), frame->size))));
    position += frame->size;
  }
  return {};
}

Status Partition::write_together(std::span<EncodedFrame* const> frames, std::size_t bytes) {
  if (frames.size() == 1) return write_each(frames);
  if (bytes > group_bytes_max_) {
    group_ = std::make_unique_for_overwrite<char[]>(bytes);
    group_bytes_max_ = bytes;
  }
  char* at = group_.get();
  for (const EncodedFrame* frame : frames) at = std::copy_n(frame->bytes.get(), frame->size, at);
  return active_->write(write_position_, std::as_bytes(std::span(group_.get(), bytes)));
}

/// Give `frames` their offsets and positions.
void Partition::place(std::span<EncodedFrame* const> frames) {
  FramePlace place{end_, end_, active_->summary.count_after, active_->summary.segment_id};
  std::uint64_t position = write_position_;
  for (EncodedFrame* frame : frames) {
    written_.push_back({position, write_frame_header(*frame, place, frame->bytes.get())});
    position += frame->size;
    place.base_offset += frame->record_count;
    place.count_before += frame->count;
  }
}

std::vector<Offset> Partition::publish() {
  std::vector<Offset> firsts;
  firsts.reserve(written_.size());
  {
    const std::lock_guard lock(mutex_);
    for (const Written& frame : written_) {
      active_->summary.add_frame(frame.position, frame.header);
      firsts.push_back(Offset(frame.header.base_offset));
      bytes_ += frame.header.frame_bytes;
    }
    end_ = active_->summary.end_offset;
    group_bytes_ = active_->summary.used_bytes - write_position_;
    wants_upkeep_ = lags_behind();
  }
  appended_.notify_all();
  end_gauge_.Set(static_cast<double>(end_));
  written_.clear();
  sealed_ = false;
  if (group_bytes_max_ > kGroupBufferKeptBytes) {
    group_.reset();
    group_bytes_max_ = 0;
  }
  return firsts;
}

Status Partition::abandon() {
  if (written_.empty()) return {};
  const Written& last = written_.back();
  const std::uint64_t end = last.position + last.header.frame_bytes;
  written_.clear();
  return active_->erase(write_position_, end);
}

Status Partition::seal() {
  if (sealed_ || active_->summary.used_bytes == kSegmentHeaderBytes) return {};
  EncodedFrame frame = encode_frame({});
  EncodedFrame* const frames[] = {&frame};
  Status written = write(frames);
  if (written) written = sync();
  if (!written) {
    std::ignore = abandon();
    return written;
  }
  publish();
  sealed_ = true;
  return write_index(*active_);
}

Result<std::shared_ptr<Segment>> Partition::take_spare() {
  const std::lock_guard lock(spare_mutex_);
  if (!spare_) {
    MILLRACE_ASSIGN(spare_, Segment::make_spare(env_, dir_ / "next.tmp",
                                                std::min(segment_bytes_.load(), kPrepareBytesMin)));
  }
  return spare_;
}

// All that is written is durable by now, as a group never begins before the last one ended; so the new
// segment's base offset proves that all of the old one was acknowledged.
Status Partition::roll() {
  MILLRACE_ASSIGN(const std::shared_ptr<Segment> next, take_spare());
  SegmentHeader header;
  header.base_offset = end_;
  header.count_before = active_ ? active_->summary.count_after : 0;
  header.created = env_.now();
  env_.random_bytes(std::as_writable_bytes(std::span(&header.segment_id, 1)));
  MILLRACE_TRY(next->begin(header));
  {
    const std::lock_guard lock(spare_mutex_);
    spare_.reset();
  }
  const std::lock_guard lock(mutex_);
  segments_.push_back(next);
  active_ = next;
  bytes_ += kSegmentHeaderBytes;
  checkpoint_bytes_ = 0;
  wants_upkeep_ = true;
  return {};
}

// ---- Reading

Result<RecordBatch> Partition::read(Offset from, const ReadLimits& limits) {
  std::unique_lock lock(mutex_);
  if (limits.wait > 0 && from.value() == end_) {
    appended_.wait_for(lock, std::chrono::microseconds(limits.wait),
                       [&] { return end_ > from.value() || stopped_waiting_; });
  }
  if (const auto start = segments_.front()->summary.base_offset;
      from.value() < start || from.value() > end_) {
    return fail(Code::kOutOfRange,
                fmt::format("offset {} of {}/{} is outside of what is kept, {} to {}", from.value(),
                            name_.topic, name_.partition.value(), start, end_));
  }
  return read_found(lock, from.value(), limits);
}

Result<RecordBatch> Partition::read_found(std::unique_lock<std::mutex>& lock, std::uint64_t from,
                                          const ReadLimits& limits) {
  while (from < end_) {
    const std::shared_ptr<Segment> segment = find_segment(from);
    const SegmentView view{segment->file(), segment->path(), segment->summary.segment_id,
                           segment->summary.used_bytes, segment->summary.end_offset};
    const ReadPosition at = find_position(*segment, from);
    lock.unlock();
    MILLRACE_ASSIGN(SegmentRead got, read_segment(view, at, from, limits));
    for (const LogProblem& damage : got.damage) problems_.add(damage);
    lock.lock();
    from = got.batch.next.value();
    if (got.next.position < view.used_bytes) {
      hints_[next_hint_++ % hints_.size()] = {segment->summary.base_offset, got.next};
    }
    if (!got.batch.records.empty()) return std::move(got.batch);
  }
  RecordBatch empty;
  empty.next = Offset(from);
  return empty;
}

std::shared_ptr<Segment> Partition::find_segment(std::uint64_t offset) const {
  const auto base = [](const std::shared_ptr<Segment>& segment) { return segment->summary.base_offset; };
  const auto after = std::ranges::upper_bound(segments_, offset, {}, base);
  return after == segments_.begin() ? *after : *std::prev(after);
}

ReadPosition Partition::find_position(const Segment& segment, std::uint64_t offset) const {
  const std::uint64_t base = segment.summary.base_offset;
  for (const Hint& hint : hints_) {
    if (hint.segment_base == base && hint.at.offset == offset && offset > base) return hint.at;
  }
  ReadPosition at;
  at.offset = base;
  if (const auto entry = segment.summary.find_offset(offset)) {
    at.position = entry->position;
    at.offset = entry->offset;
  }
  return at;
}

Result<Offset> Partition::offset_at_time(TimeUs time) {
  Offset from;
  {
    const std::lock_guard lock(mutex_);
    const auto holds = [&](const std::shared_ptr<Segment>& segment) {
      return segment->summary.newest >= time && !segment->summary.entries.empty();
    };
    const auto segment = std::ranges::find_if(segments_, holds);
    if (segment == segments_.end()) return Offset(end_);
    const auto entry = (*segment)->summary.find_time(time);
    from = Offset(entry ? entry->offset : (*segment)->summary.base_offset);
  }
  for (;;) {
    MILLRACE_ASSIGN(const RecordBatch batch, read(from, {.bytes_max = 2 * kIndexIntervalBytes}));
    const auto found =
        std::ranges::find_if(batch.records, [&](const Record& record) { return record.time >= time; });
    if (found != batch.records.end()) return found->offset;
    if (batch.records.empty()) return batch.next;
    from = batch.next;
  }
}

PartitionStats Partition::stats() const {
  const std::lock_guard lock(mutex_);
  PartitionStats stats;
  stats.start = Offset(segments_.front()->summary.base_offset);
  stats.end = Offset(end_);
  stats.count_start = segments_.front()->summary.count_before;
  stats.count_total = segments_.back()->summary.count_after;
  stats.bytes = bytes_;
  for (const auto& segment : segments_) stats.newest = std::max(stats.newest, segment->summary.newest);
  return stats;
}

void Partition::stop_waiting() {
  {
    const std::lock_guard lock(mutex_);
    stopped_waiting_ = true;
  }
  appended_.notify_all();
}

// ---- Upkeep

// Large writes pay more for zeros ahead, which double what the disk has to take, than they gain.
bool Partition::writes_are_large() const {
  return group_bytes_ > kPreparedWriteBytesMax;
}

std::uint64_t Partition::prepare_target() const {
  const std::uint64_t used = segments_.back()->summary.used_bytes;
  if (writes_are_large()) return used;
  return std::min(used + std::clamp(used / 2, kPrepareBytesMin, kPrepareBytesMax), segment_bytes_.load());
}

bool Partition::lags_behind() const {
  const Segment& active = *segments_.back();
  const std::uint64_t target = prepare_target();
  return closed_ + 1 < segments_.size() ||
         active.prepared_bytes() + (target - std::min(target, active.summary.used_bytes)) / 2 < target ||
         active.summary.used_bytes > checkpoint_bytes_ + kCheckpointBytes;
}

Status Partition::upkeep() {
  wants_upkeep_ = false;
  MILLRACE_TRY(close_full_segments());
  std::shared_ptr<Segment> active;
  std::uint64_t target = 0;
  bool checkpoint = false;
  {
    const std::lock_guard lock(mutex_);
    active = segments_.back();
    target = prepare_target();
    checkpoint = active->summary.used_bytes > checkpoint_bytes_ + kCheckpointBytes;
    if (checkpoint) checkpoint_bytes_ = active->summary.used_bytes;
  }
  MILLRACE_TRY(active->prepare(target));
  MILLRACE_TRY(make_spare_in_time());
  return checkpoint ? write_index(*active) : Status();
}

Status Partition::make_spare_in_time() {
  {
    const std::lock_guard lock(mutex_);
    if (segments_.back()->summary.used_bytes < segment_bytes_ / 2) return {};
  }
  const std::lock_guard lock(spare_mutex_);
  if (spare_) return {};
  const std::uint64_t bytes = std::clamp(segment_bytes_ / 16, kPrepareBytesMin, kPrepareBytesMax);
  MILLRACE_ASSIGN(spare_,
                  Segment::make_spare(env_, dir_ / "next.tmp", std::min(bytes, segment_bytes_.load())));
  return {};
}

Status Partition::close_full_segments() {
  for (;;) {
    std::shared_ptr<Segment> full;
    {
      const std::lock_guard lock(mutex_);
      if (closed_ + 1 >= segments_.size()) return {};
      full = segments_[closed_++];
    }
    MILLRACE_TRY(full->close(full->summary.used_bytes));
    MILLRACE_TRY(write_index(*full));
  }
}

// Not synced: its checksum tells whether it is whole, and without it the segment is read instead.
Status Partition::write_index(Segment& segment) {
  std::string bytes;
  {
    const std::lock_guard lock(mutex_);
    bytes = encode_summary(segment.summary);
  }
  MILLRACE_ASSIGN(const auto file, env_.open(segment.index_path(), OpenMode::kCreate));
  MILLRACE_TRY(file->truncate(0));
  return file->write_at(0, std::as_bytes(std::span(bytes)));
}

std::optional<Partition::Oldest> Partition::oldest_closed() const {
  const std::lock_guard lock(mutex_);
  if (segments_.size() < 2) return std::nullopt;
  const SegmentSummary& oldest = segments_.front()->summary;
  return Oldest{segments_[1]->summary.base_offset, oldest.used_bytes, oldest.newest};
}

// One at a time and durably, so that a loss of power can never leave a hole in the middle.
Status Partition::remove_oldest() {
  std::shared_ptr<Segment> oldest;
  {
    const std::lock_guard lock(mutex_);
    oldest = segments_.front();
    segments_.erase(segments_.begin());
    if (closed_ > 0) --closed_;
    bytes_ -= oldest->summary.used_bytes;
  }
  if (env_.exists(oldest->index_path())) MILLRACE_TRY(env_.remove(oldest->index_path()));
  MILLRACE_TRY(env_.remove(oldest->path()));
  return env_.sync_dir(dir_);
}

}  // namespace millrace::log
