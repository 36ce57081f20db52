#include "log/segment.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace millrace::log {
namespace {

constexpr std::uint64_t kPrepareStepBytes = 256 << 10;

Status write_zeros(File& file, std::uint64_t from, std::uint64_t to) {
  static const std::vector<std::byte> zeros(kPrepareStepBytes);
  while (from < to) {
    const std::uint64_t step = std::min<std::uint64_t>(to - from, zeros.size());
    MILLRACE_TRY(file.write_at(from, std::span(zeros).first(step)));
    from += step;
  }
  return {};
}

}  // namespace

std::string segment_file_name(std::uint64_t base_offset) {
  return fmt::format("{:020}.seg", base_offset);
}

Result<std::shared_ptr<Segment>> Segment::make_spare(Env& env, const Path& path,
                                                     std::uint64_t prepared_bytes) {
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kCreate));
  MILLRACE_TRY(file->truncate(0));
  MILLRACE_TRY(write_zeros(*file, 0, prepared_bytes));
  MILLRACE_TRY(file->sync());
  return std::make_shared<Segment>(env, path, std::move(file), prepared_bytes);
}

Status Segment::begin(const SegmentHeader& header) {
  const std::string block = encode_segment_header(header);
  MILLRACE_TRY(write(0, std::as_bytes(std::span(block))));
  MILLRACE_TRY(sync());
  const Path named = path_.parent_path() / segment_file_name(header.base_offset);
  MILLRACE_TRY(env_.rename(path_, named));
  path_ = named;
  summary.segment_id = header.segment_id;
  summary.base_offset = summary.end_offset = header.base_offset;
  summary.count_before = summary.count_after = header.count_before;
  summary.used_bytes = kSegmentHeaderBytes;
  return env_.sync_dir(named.parent_path());
}

Status Segment::write(std::uint64_t position, std::span<const std::byte> bytes) {
  const std::uint64_t end = position + bytes.size();
  if (end <= prepared_bytes_) return file_->write_at(position, bytes);
  const std::lock_guard lock(grow_mutex_);
  Status written = file_->write_at(position, bytes);
  if (written) {
    prepared_bytes_ = std::max(prepared_bytes_.load(), end);
  } else {
    std::ignore = file_->truncate(prepared_bytes_);
  }
  return written;
}

Status Segment::erase(std::uint64_t from, std::uint64_t to) {
  MILLRACE_ASSIGN(const std::uint64_t size, file_->size());
  return write_zeros(*file_, from, std::min(to, size));
}

// Through a handle of its own: the kernel reports a failed write-back once to each open file, and the
// committer must not miss the failure of its own bytes because this sync was told of it first.
Status Segment::prepare(std::uint64_t bytes) {
  if (prepared_bytes_ >= bytes) return {};
  MILLRACE_ASSIGN(const auto file, env_.open(path_, OpenMode::kReadWrite));
  while (prepared_bytes_ < bytes) {
    const std::lock_guard lock(grow_mutex_);
    const std::uint64_t from = prepared_bytes_;
    if (from >= bytes) break;
    const std::uint64_t to = std::min(bytes, from + kPrepareStepBytes);
    MILLRACE_TRY(write_zeros(*file, from, to));
    MILLRACE_TRY(file->sync());
    prepared_bytes_ = to;
  }
  return {};
}

Status Segment::close(std::uint64_t used_bytes) {
  const std::lock_guard lock(grow_mutex_);
  MILLRACE_TRY(file_->truncate(used_bytes));
  prepared_bytes_ = used_bytes;
  return {};
}

}  // namespace millrace::log
