#include "log/format.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "base/hash.h"

namespace millrace::log {
namespace {

static_assert(std::endian::native == std::endian::little, "segment files are little-endian");

std::uint32_t crc_of(const char* bytes, std::size_t size) {
  return crc32c(std::as_bytes(std::span(bytes, size)));
}

/// Checksum the part of a header that follows its `crc` field, which ends at byte `from`.
template <class Header>
std::uint32_t header_crc(const Header& header, std::size_t from) {
  char bytes[sizeof(Header)];
  std::memcpy(bytes, &header, sizeof header);
  return crc_of(bytes + from, sizeof header - from);
}

constexpr std::size_t kSegmentCrcEnd = offsetof(SegmentHeader, crc) + 4;
constexpr std::size_t kFrameCrcEnd = offsetof(FrameHeader, crc) + 4;
constexpr std::size_t kRecordCrcEnd = offsetof(RecordHeader, header_crc) + 4;

std::size_t record_bytes(const NewRecord& record) {
  return sizeof(RecordHeader) + record.key.size() + record.attributes.size() + record.value.size();
}

char* put(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

/// Write one record at `at`; return where the next one goes.
char* put_record(char* at, const NewRecord& record, std::size_t index) {
  char* const data = at + sizeof(RecordHeader);
  char* const end = put(put(put(data, record.key), record.attributes), record.value);
  RecordHeader header;
  header.data_crc = crc_of(data, static_cast<std::size_t>(end - data));
  header.time = record.time;
  header.count = record.count;
  header.value_bytes = static_cast<std::uint32_t>(record.value.size());
  header.attributes_bytes = static_cast<std::uint32_t>(record.attributes.size());
  header.key_bytes = static_cast<std::uint16_t>(record.key.size());
  header.index = static_cast<std::uint16_t>(index);
  header.header_crc = header_crc(header, kRecordCrcEnd);
  std::memcpy(at, &header, sizeof header);
  return end;
}

}  // namespace

std::size_t frame_bytes(std::span<const NewRecord> batch) {
  std::size_t bytes = sizeof(FrameHeader);
  for (const NewRecord& record : batch) bytes += record_bytes(record);
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

EncodedFrame encode_frame(std::span<const NewRecord> batch) {
  EncodedFrame frame;
  frame.size = frame_bytes(batch);
  frame.bytes = std::make_unique_for_overwrite<char[]>(frame.size);
  frame.record_count = static_cast<std::uint32_t>(batch.size());
  frame.newest = batch.empty() ? 0 : batch.front().time;
  char* at = frame.bytes.get() + sizeof(FrameHeader);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    at = put_record(at, batch[i], i);
    frame.count += batch[i].count;
    frame.newest = std::max(frame.newest, batch[i].time);
  }
  std::fill(at, frame.bytes.get() + frame.size, '\0');
  return frame;
}

FrameHeader write_frame_header(const EncodedFrame& frame, const FramePlace& place, char* into) {
  assert(place.durable_end <= place.base_offset);
  FrameHeader header;
  header.frame_bytes = static_cast<std::uint32_t>(frame.size);
  header.record_count = frame.record_count;
  header.base_offset = place.base_offset;
  header.durable_end = place.durable_end;
  header.count_before = place.count_before;
  header.count = frame.count;
  header.newest = frame.newest;
  header.segment_id = place.segment_id;
  header.crc = header_crc(header, kFrameCrcEnd);
  std::memcpy(into, &header, sizeof header);
  return header;
}

std::optional<FrameHeader> parse_frame_header(std::string_view bytes, std::uint32_t segment_id) {
  FrameHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const bool good = header.magic == kFrameMagic && header.segment_id == segment_id &&
                    header.crc == crc_of(bytes.data() + kFrameCrcEnd, sizeof header - kFrameCrcEnd) &&
                    header.flags == 0 && header.frame_bytes % kFrameAlignment == 0 &&
                    header.frame_bytes >= sizeof header + header.record_count * sizeof(RecordHeader) &&
                    header.durable_end <= header.base_offset;
  if (!good) return std::nullopt;
  return header;
}

std::optional<RecordHeader> parse_record_header(std::string_view bytes, std::uint32_t index) {
  RecordHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const bool good = header.index == index &&
                    header.header_crc == crc_of(bytes.data() + kRecordCrcEnd, sizeof header - kRecordCrcEnd);
  if (!good) return std::nullopt;
  return header;
}

bool record_data_is_good(const RecordHeader& header, std::string_view data) {
  return header.data_crc == crc_of(data.data(), data.size());
}

bool frame_is_good(const FrameHeader& header, std::string_view frame) {
  std::string_view rest = frame.substr(sizeof header);
  for (std::uint32_t index = 0; index < header.record_count; ++index) {
    const auto record = parse_record_header(rest, index);
    if (!record || rest.size() < sizeof *record + record->data_bytes()) return false;
    if (!record_data_is_good(*record, rest.substr(sizeof *record, record->data_bytes()))) return false;
    rest.remove_prefix(sizeof *record + record->data_bytes());
  }
  return rest.size() < kFrameAlignment;
}

std::string encode_segment_header(SegmentHeader header) {
  header.crc = header_crc(header, kSegmentCrcEnd);
  std::string block(kSegmentHeaderBytes, '\0');
  std::memcpy(block.data(), &header, sizeof header);
  return block;
}

std::optional<SegmentHeader> parse_segment_header(std::string_view bytes) {
  SegmentHeader header;
  if (bytes.size() < kSegmentHeaderBytes) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const bool good = std::string_view(header.magic, 8) == std::string_view(SegmentHeader{}.magic, 8) &&
                    header.crc == header_crc(header, kSegmentCrcEnd) && header.version == kFormatVersion;
  if (!good) return std::nullopt;
  return header;
}

}  // namespace millrace::log
