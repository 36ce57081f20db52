#include "log/segment_reader.h"

#include <algorithm>
#include <cstring>

#include "log/recovery.h"

namespace millrace::log {
namespace {

constexpr std::size_t kReadableAfter = 64;  ///< what RecordBatch promises after its last byte

class SegmentReader {
 public:
  SegmentReader(const SegmentView& segment, ReadPosition at, std::uint64_t from, const ReadLimits& limits)
      : segment_(segment), at_(at), from_(from), limits_(limits), file_end_(segment.used_bytes) {}

  Result<SegmentRead> run() {
    while (at_.position < segment_.used_bytes && !is_full()) {
      MILLRACE_ASSIGN(const bool went_on, at_.frame_end == 0 ? enter_frame() : take_record());
      if (!went_on) break;
    }
    if (at_.position >= segment_.used_bytes) at_.offset = segment_.end_offset;
    out_.batch.next = Offset(std::max(at_.offset, from_));
    out_.next = at_;
    return std::move(out_);
  }

 private:
  bool is_full() const {
    return out_.batch.records.size() >= std::max<std::size_t>(limits_.records_max, 1) ||
           (!out_.batch.records.empty() && taken_bytes_ >= limits_.bytes_max);
  }

  /// Make the next `bytes` bytes readable. Return whether they are: not when that would take another
  /// read while there are records to return, nor when the segment ends before.
  Result<bool> need(std::uint64_t bytes) {
    if (at_.position + bytes <= buffer_begin_ + buffer_bytes_) return true;
    if (!out_.batch.records.empty() || at_.position + bytes > file_end_) return false;
    const std::uint64_t wanted = std::max<std::uint64_t>(bytes, usual_bytes());
    const std::uint64_t size = std::min(wanted, file_end_ - at_.position);
    if (size > capacity_) {
      out_.batch.bytes = std::make_unique_for_overwrite<char[]>(size + kReadableAfter);
      capacity_ = size;
    }
    MILLRACE_ASSIGN(buffer_bytes_,
                    segment_.file.read_at(at_.position, std::as_writable_bytes(std::span(data(), size))));
    buffer_begin_ = at_.position;
    if (buffer_bytes_ < size) file_end_ = buffer_begin_ + buffer_bytes_;  // somebody cut the file
    std::memset(data() + buffer_bytes_, 0, kReadableAfter);
    return bytes <= buffer_bytes_;
  }

  /// Guess how much to read at once: all that is asked for, but little for few records.
  std::uint64_t usual_bytes() const {
    constexpr std::uint64_t kGuessRecordBytes = 4096;
    constexpr std::uint64_t kLeastBytes = 64 << 10;
    const std::uint64_t few = std::max(kLeastBytes, limits_.records_max * kGuessRecordBytes);
    return std::max(kLeastBytes, std::min<std::uint64_t>(limits_.bytes_max + sizeof(FrameHeader), few));
  }

  char* data() const { return out_.batch.bytes.get(); }

  std::string_view rest() const {
    const std::uint64_t skipped = at_.position - buffer_begin_;
    return {data() + skipped, static_cast<std::size_t>(buffer_bytes_ - skipped)};
  }

  Result<bool> enter_frame() {
    MILLRACE_ASSIGN(const bool readable, need(sizeof(FrameHeader)));
    if (!readable && has_records()) return false;
    const auto header = readable ? frame_here() : std::nullopt;
    if (!header) return skip_damaged_frame();
    if (header->end_offset() <= from_) {
      at_.position += header->frame_bytes;
      at_.offset = header->end_offset();
      return true;
    }
    at_.frame_end = at_.position + header->frame_bytes;
    at_.frame_base = header->base_offset;
    at_.frame_records = header->record_count;
    at_.offset = header->base_offset;
    at_.position += sizeof(FrameHeader);
    return true;
  }

  bool has_records() const { return !out_.batch.records.empty(); }

  std::optional<FrameHeader> frame_here() const {
    auto header = parse_frame_header(rest(), segment_.segment_id);
    const bool fits = header && at_.position + header->frame_bytes <= segment_.used_bytes &&
                      header->base_offset >= at_.offset && header->end_offset() <= segment_.end_offset;
    if (!fits) header.reset();
    return header;
  }

  /// Look for the next frame. Return false, to be called again, when that would take another read.
  Result<bool> skip_damaged_frame() {
    const ReadPosition bad = at_;
    for (;;) {
      at_.position += kFrameAlignment;
      if (at_.position >= segment_.used_bytes) break;
      MILLRACE_ASSIGN(const bool readable, need(sizeof(FrameHeader)));
      if (!readable && has_records()) {
        at_ = bad;
        return false;
      }
      const auto header = readable ? frame_here() : std::nullopt;
      if (!header) continue;
      note_damage(bad.position, bad.offset, header->base_offset, kDamagedFrame);
      at_.offset = header->base_offset;
      return true;
    }
    note_damage(bad.position, bad.offset, segment_.end_offset, kDamagedFrame);
    at_.offset = segment_.end_offset;
    return true;
  }

  Result<bool> take_record() {
    const auto index = static_cast<std::uint32_t>(at_.offset - at_.frame_base);
    if (index == at_.frame_records) return leave_frame();
    MILLRACE_ASSIGN(const bool has_header, need(sizeof(RecordHeader)));
    if (!has_header && has_records()) return false;
    const auto header = has_header ? parse_record_header(rest(), index) : std::nullopt;
    const std::uint64_t bytes = header ? sizeof *header + header->data_bytes() : 0;
    if (!header || at_.position + bytes > at_.frame_end) {
      note_damage(at_.position, at_.offset, at_.frame_base + at_.frame_records, kDamagedFrame);
      return leave_frame();
    }
    if (at_.offset >= from_) {
      MILLRACE_ASSIGN(const bool has_data, need(bytes));
      if (!has_data && has_records()) return false;
      if (!has_data) {
        note_damage(at_.position, at_.offset, at_.frame_base + at_.frame_records, kDamagedFrame);
        return leave_frame();
      }
      add_record(*header, rest().substr(sizeof *header, header->data_bytes()));
    }
    at_.position += bytes;
    at_.offset += 1;
    return true;
  }

  Result<bool> leave_frame() {
    at_.offset = at_.frame_base + at_.frame_records;
    at_.position = at_.frame_end;
    at_.frame_end = 0;
    return true;
  }

  void add_record(const RecordHeader& header, std::string_view data) {
    if (!record_data_is_good(header, data)) {
      note_damage(at_.position, at_.offset, at_.offset + 1, kDamagedRecord);
      return;
    }
    Record& record = out_.batch.records.emplace_back();
    record.offset = Offset(at_.offset);
    record.time = header.time;
    record.count = header.count;
    record.key = data.substr(0, header.key_bytes);
    record.attributes = data.substr(header.key_bytes, header.attributes_bytes);
    record.value = data.substr(header.key_bytes + header.attributes_bytes);
    taken_bytes_ += sizeof header + data.size();
  }

  void note_damage(std::uint64_t position, std::uint64_t offset, std::uint64_t end, std::string_view what) {
    if (end <= from_) return;
    out_.damage.push_back(
        {segment_.path.string(), position, Offset(offset), Offset(std::max(offset, end)), std::string(what)});
  }

  const SegmentView segment_;
  ReadPosition at_;
  const std::uint64_t from_;
  const ReadLimits limits_;
  std::uint64_t file_end_;
  SegmentRead out_;
  std::uint64_t buffer_begin_ = 0;
  std::uint64_t buffer_bytes_ = 0;
  std::uint64_t capacity_ = 0;
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace

Result<SegmentRead> read_segment(const SegmentView& segment, ReadPosition at, std::uint64_t from,
                                 const ReadLimits& limits) {
  return SegmentReader(segment, at, from, limits).run();
}

}  // namespace millrace::log
