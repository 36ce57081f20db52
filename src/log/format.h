#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "log/event_log.h"

namespace millrace::log {

// The bytes of a segment file, little-endian. docs/formats/log.md draws them and says why.

inline constexpr std::size_t kSegmentHeaderBytes = 512;
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint32_t kFrameMagic = 0x3146'524D;  // "MRF1"
inline constexpr std::size_t kFrameAlignment = 8;

/// The first bytes of a segment file; zeros follow up to kSegmentHeaderBytes.
struct SegmentHeader {
  char magic[8] = {'M', 'R', 'S', 'E', 'G', 'M', 'N', 'T'};
  std::uint32_t crc = 0;  ///< CRC-32C of what follows
  std::uint32_t version = kFormatVersion;
  std::uint64_t base_offset = 0;   ///< everything below it was durable when the file was made
  std::uint64_t count_before = 0;  ///< sum of the counts of all records below base_offset
  TimeUs created = 0;
  std::uint32_t segment_id = 0;  ///< random; frames repeat it, so that no other bytes pass for a frame
  std::uint32_t unused = 0;
};
static_assert(sizeof(SegmentHeader) == 48);

/// Begins a frame: one append batch, or none (a seal, which says that all before it is durable).
struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  std::uint32_t crc = 0;          ///< CRC-32C of what follows in the header
  std::uint32_t frame_bytes = 0;  ///< with this header and the padding to kFrameAlignment
  std::uint32_t record_count = 0;
  std::uint64_t base_offset = 0;   ///< of the first record; the others follow without gaps
  std::uint64_t durable_end = 0;   ///< all records below it were durable when this frame was written
  std::uint64_t count_before = 0;  ///< sum of the counts of all records before this frame
  std::uint64_t count = 0;         ///< sum of the counts in this frame
  TimeUs newest = 0;               ///< largest record time in this frame
  std::uint32_t segment_id = 0;
  std::uint32_t flags = 0;  ///< none yet; a reader refuses frames with flags it does not know

  std::uint64_t end_offset() const { return base_offset + record_count; }
};
static_assert(sizeof(FrameHeader) == 64);

/// Begins a record; key, attributes and value follow.
struct RecordHeader {
  std::uint32_t header_crc = 0;  ///< CRC-32C of what follows in the header: makes the lengths safe to use
  std::uint32_t data_crc = 0;    ///< CRC-32C of key, attributes and value
  TimeUs time = 0;
  std::uint32_t count = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t attributes_bytes = 0;
  std::uint16_t key_bytes = 0;
  std::uint16_t index = 0;  ///< its number within the frame

  std::size_t data_bytes() const { return std::size_t{key_bytes} + attributes_bytes + value_bytes; }
};
static_assert(sizeof(RecordHeader) == 32);

/// One append batch as it will lie in the file, but for what only the committer knows.
struct EncodedFrame {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
  std::uint32_t record_count = 0;
  std::uint64_t count = 0;
  TimeUs newest = 0;
};

/// Return how many bytes `batch` will take in the file.
std::size_t frame_bytes(std::span<const NewRecord> batch);

/// Lay out `batch` and compute the records' checksums. Its sizes must have been checked.
EncodedFrame encode_frame(std::span<const NewRecord> batch);

/// Where a frame goes.
struct FramePlace {
  std::uint64_t base_offset = 0;
  std::uint64_t durable_end = 0;
  std::uint64_t count_before = 0;
  std::uint32_t segment_id = 0;
};

/// Write the header of `frame` into its first bytes at `into`, and return it.
FrameHeader write_frame_header(const EncodedFrame& frame, const FramePlace& place, char* into);

/// Return the header at the start of `bytes` when it is whole and belongs to this segment.
std::optional<FrameHeader> parse_frame_header(std::string_view bytes, std::uint32_t segment_id);

/// Return the header at the start of `bytes` when its checksum and its number in the frame are right.
std::optional<RecordHeader> parse_record_header(std::string_view bytes, std::uint32_t index);

/// Return whether `data` (key, attributes, value) are the bytes written.
bool record_data_is_good(const RecordHeader& header, std::string_view data);

/// Return whether `frame` (all its bytes) holds exactly the records its header promises, all good.
bool frame_is_good(const FrameHeader& header, std::string_view frame);

/// Return the first block of a segment file.
std::string encode_segment_header(SegmentHeader header);
std::optional<SegmentHeader> parse_segment_header(std::string_view bytes);

}  // namespace millrace::log
