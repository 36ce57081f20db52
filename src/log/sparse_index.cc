#include "log/sparse_index.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/hash.h"

namespace millrace::log {
namespace {

struct SummaryHeader {
  char magic[8] = {'M', 'R', 'I', 'N', 'D', 'E', 'X', '1'};
  std::uint32_t crc = 0;  ///< of everything that follows, the entries too
  std::uint32_t segment_id = 0;
  std::uint64_t base_offset = 0;
  std::uint64_t end_offset = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t count_before = 0;
  std::uint64_t count_after = 0;
  TimeUs newest = 0;
  std::uint64_t entry_count = 0;
};
static_assert(sizeof(SummaryHeader) == 72 && sizeof(IndexEntry) == 24);

constexpr std::size_t kCrcEnd = offsetof(SummaryHeader, crc) + 4;

std::uint32_t crc_of(std::string_view bytes) {
  return crc32c(std::as_bytes(std::span(bytes.substr(kCrcEnd))));
}

}  // namespace

void SegmentSummary::add_frame(std::uint64_t position, const FrameHeader& frame) {
  assert(position >= used_bytes && frame.base_offset >= end_offset);
  if (entries.empty() || position >= entries.back().position + kIndexIntervalBytes) {
    entries.push_back({frame.base_offset, position, newest});
  }
  used_bytes = position + frame.frame_bytes;
  end_offset = frame.end_offset();
  // From the frame, not by adding up: a damaged frame before this one may be missing from our sum.
  count_after = std::max(count_after, frame.count_before + frame.count);
  if (frame.record_count > 0) newest = std::max(newest, frame.newest);
}

std::optional<IndexEntry> SegmentSummary::find_offset(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(entries, offset, {}, &IndexEntry::offset);
  if (after == entries.begin()) return std::nullopt;
  return *std::prev(after);
}

std::optional<IndexEntry> SegmentSummary::find_time(TimeUs time) const {
  const auto after = std::ranges::lower_bound(entries, time, {}, &IndexEntry::newest_before);
  if (after == entries.begin()) return std::nullopt;
  return *std::prev(after);
}

std::string encode_summary(const SegmentSummary& summary) {
  SummaryHeader header;
  header.segment_id = summary.segment_id;
  header.base_offset = summary.base_offset;
  header.end_offset = summary.end_offset;
  header.used_bytes = summary.used_bytes;
  header.count_before = summary.count_before;
  header.count_after = summary.count_after;
  header.newest = summary.newest;
  header.entry_count = summary.entries.size();
  std::string bytes(sizeof header + summary.entries.size() * sizeof(IndexEntry), '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!summary.entries.empty()) {
    std::memcpy(bytes.data() + sizeof header, summary.entries.data(), bytes.size() - sizeof header);
  }
  header.crc = crc_of(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Result<SegmentSummary> parse_summary(std::string_view bytes) {
  SummaryHeader header;
  if (bytes.size() < sizeof header) return fail(Code::kCorrupt, "index file is cut short");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, SummaryHeader{}.magic, sizeof header.magic) != 0 ||
      header.crc != crc_of(bytes) ||
      bytes.size() != sizeof header + header.entry_count * sizeof(IndexEntry)) {
    return fail(Code::kCorrupt, "index file is damaged");
  }
  SegmentSummary summary{header.segment_id,   header.base_offset, header.end_offset, header.used_bytes,
                         header.count_before, header.count_after, header.newest,     {}};
  summary.entries.resize(header.entry_count);
  if (header.entry_count > 0) {
    std::memcpy(summary.entries.data(), bytes.data() + sizeof header, bytes.size() - sizeof header);
  }
  return summary;
}

}  // namespace millrace::log
