#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/logging.h"
#include "log/partition.h"
#include "log/recovery.h"

namespace millrace::log {
namespace {

constexpr std::string_view kRestore = "restore the file from a backup if there is one";

/// Return the base offset that a file name stands for, if it is that of a segment.
std::optional<std::uint64_t> base_of(std::string_view name) {
  std::uint64_t base = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), base);
  if (parsed.ec != std::errc() || segment_file_name(base) != name) return std::nullopt;
  return base;
}

Result<std::vector<std::uint64_t>> list_segments(Env& env, const Path& dir) {
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  std::vector<std::uint64_t> bases;
  for (const std::string& name : names) {
    if (const auto base = base_of(name)) bases.push_back(*base);
  }
  return bases;
}

}  // namespace

Result<std::unique_ptr<Partition>> Partition::open(Env& env, const Path& dir, const TopicPartition& name,
                                                   const Options& options, ProblemList& problems) {
  MILLRACE_TRY(env.make_dirs(dir));
  std::unique_ptr<Partition> partition(new Partition(env, dir, name, options, problems));
  MILLRACE_TRY(partition->load(options));
  return partition;
}

Status Partition::load(const Options& options) {
  if (env_.exists(dir_ / "next.tmp")) MILLRACE_TRY(env_.remove(dir_ / "next.tmp"));
  MILLRACE_ASSIGN(const auto bases, list_segments(env_, dir_));
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const auto next_base = i + 1 < bases.size() ? std::optional(bases[i + 1]) : std::nullopt;
    MILLRACE_ASSIGN(auto segment, load_segment(bases[i], next_base));
    bytes_ += segment->summary.used_bytes;
    segments_.push_back(std::move(segment));
  }
  if (!segments_.empty()) {
    active_ = segments_.back();
    closed_ = segments_.size() - 1;
    checkpoint_bytes_ = active_->summary.used_bytes;
  }
  check_end(options);
  // A segment that is there may have got its name just before the process ended: make that durable.
  return segments_.empty() ? roll() : env_.sync_dir(dir_);
}

void Partition::check_end(const Options& options) {
  if (segments_.empty()) {
    end_ = options.end_floor;
    if (options.must_exist) report(dir_, 0, end_, fmt::format("the partition has no files: {}", kRestore));
    return;
  }
  SegmentSummary& last = active_->summary;
  if (last.end_offset < options.end_floor) {
    report(active_->path(), last.end_offset, options.end_floor,
           fmt::format("records are missing that were there before: {}", kRestore));
  }
  // The offsets of lost records stay taken, so that nobody who read them is given others under the same
  // numbers.
  last.end_offset = std::max({last.end_offset, options.end_floor, lost_end_});
  end_ = last.end_offset;
}

void Partition::report(const Path& path, std::uint64_t from, std::uint64_t to, std::string what) {
  problems_.add({path.string(), 0, Offset(from), Offset(to), std::move(what)});
}

Result<std::shared_ptr<Segment>> Partition::load_segment(std::uint64_t base,
                                                         std::optional<std::uint64_t> next_base) {
  const Path path = dir_ / segment_file_name(base);
  MILLRACE_ASSIGN(auto file, env_.open(path, OpenMode::kReadWrite));
  MILLRACE_ASSIGN(const std::uint64_t file_bytes, file->size());
  auto segment = std::make_shared<Segment>(env_, path, std::move(file), file_bytes);
  MILLRACE_ASSIGN(const SegmentSummary start, read_start(path, segment->file(), base));
  const SegmentSummary checkpoint = read_checkpoint(path, segment->file(), start);
  if (next_base && checkpoint.end_offset == *next_base) {
    segment->summary = checkpoint;
    return segment;
  }
  MILLRACE_TRY(recover(*segment, next_base, checkpoint));
  if (next_base && segment->summary.end_offset < *next_base) {
    report(path, segment->summary.end_offset, *next_base,
           fmt::format("records are missing before the next segment: {}", kRestore));
    segment->summary.end_offset = *next_base;
  }
  if (next_base) MILLRACE_TRY(write_index(*segment));
  return segment;
}

/// Return the summary of the segment when nothing is known but its header.
Result<SegmentSummary> Partition::read_start(const Path& path, const File& file, std::uint64_t base) {
  std::string block(kSegmentHeaderBytes, '\0');
  MILLRACE_ASSIGN(const std::size_t got, file.read_at(0, std::as_writable_bytes(std::span(block))));
  block.resize(got);
  SegmentSummary start;
  start.base_offset = start.end_offset = base;
  start.used_bytes = kSegmentHeaderBytes;
  start.count_before = segments_.empty() ? 0 : segments_.back()->summary.count_after;
  const auto header = parse_segment_header(block);
  if (header && header->base_offset == base) {
    start.segment_id = header->segment_id;
    start.count_before = header->count_before;
  } else {
    report(path, base, base, "the header of the file is damaged; its records are read without it");
    if (const auto first = first_frame_of(file)) {
      start.segment_id = first->segment_id;
      start.count_before = first->count_before;
    }
  }
  start.count_after = start.count_before;
  return start;
}

/// Return what the index file says of the segment where it can be trusted, else `start`.
SegmentSummary Partition::read_checkpoint(const Path& path, const File& file, const SegmentSummary& start) {
  const Path index_path = Path(path).replace_extension(".idx");
  const auto bytes = read_file(env_, index_path);
  if (!bytes) return start;
  auto summary = parse_summary(*bytes);
  const bool header_lost = start.segment_id == 0;
  if (!summary || summary->base_offset != start.base_offset ||
      (summary->segment_id != start.segment_id && !header_lost)) {
    log_warning("log", "index file is damaged; reading the segment instead",
                {field("file", index_path.string())});
    return start;
  }
  const auto size = file.size();
  if (size && *size >= summary->used_bytes) return *std::move(summary);
  SegmentSummary cut = start;
  cut.segment_id = summary->segment_id;
  report(path, start.end_offset, summary->end_offset,
         fmt::format("the file is shorter than it was, some of these records are lost: {}", kRestore));
  lost_end_ = std::max(lost_end_, summary->end_offset);
  return cut;
}

Status Partition::recover(Segment& segment, std::optional<std::uint64_t> next_base,
                          const SegmentSummary& start) {
  RecoveryInput input{segment.file(), segment.path(), start, next_base.value_or(start.base_offset),
                      next_base.value_or(UINT64_MAX)};
  MILLRACE_ASSIGN(Recovery found, recover_segment(input, problems_));
  segment.summary = std::move(found.summary);
  sealed_ = found.sealed;
  const std::uint64_t used = segment.summary.used_bytes;
  if (found.torn_end > used) {
    log_warning("log", "cut the end of an append that was interrupted and never acknowledged",
                {field("file", segment.path().string()), field("position", used),
                 field("bytes", found.torn_end - used)});
    MILLRACE_TRY(segment.erase(used, found.torn_end));
  }
  // The last frames may live in the page cache alone, and after a failed sync the kernel may take such
  // pages for clean: only writing them again and syncing makes them durable for certain.
  MILLRACE_TRY(rewrite(segment, found.proven_bytes, used));
  return found.torn_end > used || found.proven_bytes < used ? segment.sync() : Status();
}

Status Partition::rewrite(Segment& segment, std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(to - from, 1 << 20));
  while (from < to) {
    const auto piece = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), to - from));
    MILLRACE_ASSIGN(const std::size_t got, segment.file().read_at(from, piece));
    MILLRACE_TRY(segment.write(from, piece.first(got)));
    from += piece.size();
  }
  return {};
}

}  // namespace millrace::log
