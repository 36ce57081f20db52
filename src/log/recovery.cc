#include "log/recovery.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>

#include <fmt/format.h>

namespace millrace::log {
namespace {

/// Reads a file front to back in large pieces.
class FileWindow {
 public:
  FileWindow(const File& file, std::uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  /// Return `bytes` bytes at `position`, fewer at the end of the file. Valid until the next call.
  Result<std::string_view> at(std::uint64_t position, std::size_t bytes) {
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file_bytes_ - position));
    if (position < begin_ || position + bytes > begin_ + buffer_.size()) {
      MILLRACE_TRY(fill(position, std::max(bytes, kStepBytes)));
    }
    return std::string_view(buffer_).substr(position - begin_, bytes);
  }

 private:
  static constexpr std::size_t kStepBytes = 1 << 20;

  Status fill(std::uint64_t position, std::size_t bytes) {
    buffer_.resize(bytes);
    MILLRACE_ASSIGN(const std::size_t got,
                    file_.read_at(position, std::as_writable_bytes(std::span(buffer_))));
    buffer_.resize(got);
    begin_ = position;
    return {};
  }

  const File& file_;
  std::uint64_t file_bytes_;
  std::uint64_t begin_ = 0;
  std::string buffer_;
};

constexpr std::size_t kSkipBytes = 64 << 10;

/// A place that holds no whole frame, and what was known before it.
struct Suspect {
  std::uint64_t offset = 0;  ///< its first record
  std::vector<LogProblem> damage;
  SegmentSummary before;  ///< without entries
  std::size_t entries_before = 0;
  bool sealed_before = false;
};

class Recoverer {
 public:
  Recoverer(const RecoveryInput& input, std::uint64_t file_bytes, ProblemList& problems)
      : path_(input.path),
        file_bytes_(file_bytes),
        end_max_(input.end_max),
        window_(input.file, file_bytes),
        problems_(problems),
        state_(input.start),
        durable_end_(std::max(input.durable_end, input.start.end_offset)) {}

  Result<Recovery> run() {
    std::uint64_t position = state_.used_bytes;
    while (position < file_bytes_) {
      MILLRACE_ASSIGN(const auto header, frame_at(position));
      if (header) {
        MILLRACE_TRY(take_frame(position, *header));
        position += header->frame_bytes;
      } else {
        MILLRACE_ASSIGN(position, skip_to_frame(position));
      }
    }
    return finish();
  }

 private:
  /// Return the frame header at `position` if it can follow what was read.
  Result<std::optional<FrameHeader>> frame_at(std::uint64_t position) {
    MILLRACE_ASSIGN(const auto bytes, window_.at(position, sizeof(FrameHeader)));
    auto header = parse_frame_header(bytes, state_.segment_id);
    const bool fits = header && position + header->frame_bytes <= file_bytes_ &&
                      header->base_offset >= state_.end_offset && header->end_offset() <= end_max_;
    if (!fits) header.reset();
    return header;
  }

  Status take_frame(std::uint64_t position, const FrameHeader& header) {
    prove(header.durable_end);
    MILLRACE_ASSIGN(const auto frame, window_.at(position, header.frame_bytes));
    if (!frame_is_good(header, frame)) {
      suspect(header.base_offset, damaged_records(header, frame, path_, position));
    }
    state_.add_frame(position, header);
    sealed_ = header.record_count == 0;
    if (header.base_offset >= durable_end_) unproven_.emplace_back(header.base_offset, position);
    return {};
  }

  /// All records below `end` were durable: no bad place among them is a torn tail.
  void prove(std::uint64_t end) {
    durable_end_ = std::max(durable_end_, end);
    while (!suspects_.empty() && suspects_.front().offset < durable_end_) {
      for (const LogProblem& damage : suspects_.front().damage) problems_.add(damage);
      suspects_.pop_front();
    }
    while (!unproven_.empty() && unproven_.front().first < durable_end_) unproven_.pop_front();
  }

  void suspect(std::uint64_t offset, std::vector<LogProblem> damage) {
    Suspect place{offset, std::move(damage), {}, state_.entries.size(), sealed_};
    std::vector<IndexEntry> entries;
    entries.swap(state_.entries);
    place.before = state_;
    entries.swap(state_.entries);
    suspects_.push_back(std::move(place));
    prove(durable_end_);
  }

  /// No frame begins at `position`: return where the next one does, or the end of the file.
  Result<std::uint64_t> skip_to_frame(std::uint64_t position) {
    std::uint64_t nonzero_end = 0;
    std::uint64_t at = position;
    std::optional<FrameHeader> next;
    while (at < file_bytes_) {
      MILLRACE_ASSIGN(const auto piece, window_.at(at, kSkipBytes));
      const std::size_t zeros = zeros_before(piece);
      at += zeros;
      if (zeros == piece.size()) continue;
      nonzero_end = at + kFrameAlignment;
      if (at != position) {
        MILLRACE_ASSIGN(next, frame_at(at));
        if (next) break;
      }
      at += kFrameAlignment;
    }
    at = std::min(at, file_bytes_);
    if (nonzero_end == 0) return file_bytes_;  // only prepared space follows
    if (!next) torn_end_ = nonzero_end;
    const std::uint64_t to = next ? next->base_offset : std::max(durable_end_, state_.end_offset);
    const LogProblem damage{path_.string(), position, Offset(state_.end_offset), Offset(to),
                            std::string(kDamagedFrame)};
    if (next && to == state_.end_offset) {
      problems_.add(damage);  // it held no record: a seal
    } else {
      suspect(state_.end_offset, {damage});
    }
    if (suspects_.empty()) {  // damage to something durable: bytes and offsets stay taken
      state_.used_bytes = std::max(state_.used_bytes, next ? at : nonzero_end);
      state_.end_offset = to;
    }
    return at;
  }

  /// Return how many zero bytes `piece` begins with, in whole words.
  static std::size_t zeros_before(std::string_view piece) {
    std::size_t at = 0;
    for (std::uint64_t word = 0; at + sizeof word <= piece.size(); at += sizeof word) {
      std::memcpy(&word, piece.data() + at, sizeof word);
      if (word != 0) return at;
    }
    return piece.find_first_not_of('\0', at) == piece.npos ? piece.size() : at;
  }

  Recovery finish() {
    Recovery result;
    if (!suspects_.empty()) {
      Suspect& first = suspects_.front();
      torn_end_ = std::max(torn_end_, state_.used_bytes);
      first.before.entries.assign(state_.entries.begin(),
                                  state_.entries.begin() + static_cast<std::ptrdiff_t>(first.entries_before));
      state_ = std::move(first.before);
      sealed_ = first.sealed_before;
    }
    while (!unproven_.empty() && unproven_.back().second >= state_.used_bytes) unproven_.pop_back();
    result.proven_bytes = unproven_.empty() ? state_.used_bytes : unproven_.front().second;
    result.torn_end = torn_end_;
    result.sealed = sealed_;
    result.summary = std::move(state_);
    return result;
  }

  const Path path_;
  const std::uint64_t file_bytes_;
  const std::uint64_t end_max_;
  FileWindow window_;
  ProblemList& problems_;
  SegmentSummary state_;
  std::uint64_t durable_end_;
  std::uint64_t torn_end_ = 0;
  bool sealed_ = false;
  std::deque<Suspect> suspects_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> unproven_;  ///< base offset and position of frames
};

}  // namespace

Result<Recovery> recover_segment(const RecoveryInput& input, ProblemList& problems) {
  MILLRACE_ASSIGN(const std::uint64_t file_bytes, input.file.size());
  return Recoverer(input, file_bytes, problems).run();
}

std::optional<FrameHeader> first_frame_of(const File& file) {
  char bytes[sizeof(FrameHeader)];
  const auto got = file.read_at(kSegmentHeaderBytes, std::as_writable_bytes(std::span(bytes)));
  if (!got || *got < sizeof bytes) return std::nullopt;
  FrameHeader header;
  std::memcpy(&header, bytes, sizeof header);
  return parse_frame_header(std::string_view(bytes, sizeof bytes), header.segment_id);
}

std::vector<LogProblem> damaged_records(const FrameHeader& header, std::string_view frame, const Path& path,
                                        std::uint64_t position) {
  std::vector<LogProblem> damage;
  std::string_view rest = frame.substr(sizeof header);
  for (std::uint32_t index = 0; index < header.record_count; ++index) {
    const Offset offset(header.base_offset + index);
    const std::uint64_t at = position + frame.size() - rest.size();
    const auto record = parse_record_header(rest, index);
    if (!record || rest.size() < sizeof *record + record->data_bytes()) {
      damage.push_back({path.string(), at, offset, Offset(header.end_offset()), std::string(kDamagedFrame)});
      break;
    }
    if (!record_data_is_good(*record, rest.substr(sizeof *record, record->data_bytes()))) {
      damage.push_back({path.string(), at, offset, offset + 1, std::string(kDamagedRecord)});
    }
    rest.remove_prefix(sizeof *record + record->data_bytes());
  }
  return damage;
}

}  // namespace millrace::log
