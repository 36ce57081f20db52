#include "log/format.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "log/sparse_index.h"

namespace millrace::log {
namespace {

EncodedFrame example() {
  EncodedFrame frame = encode_frame(
      std::vector<NewRecord>{{.key = "u1", .value = "hello", .time = 1'700'000'000 * kSecondUs, .count = 1}});
  write_frame_header(frame,
                     {.base_offset = 42, .durable_end = 42, .count_before = 50, .segment_id = 0x1234abcd},
                     frame.bytes.get());
  return frame;
}

TEST(Format, FrameHasTheBytesOfTheDocumentedExample) {
  const EncodedFrame frame = example();
  std::string hex;
  for (std::size_t i = 0; i < frame.size; ++i) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(frame.bytes[i]));
  }
  EXPECT_EQ(hex,
            "4d524631be556f7b6800000001000000"
            "2a000000000000002a00000000000000"
            "32000000000000000100000000000000"
            "00401e18240a0600cdab341200000000"
            "e59e2b3cc67da1d800401e18240a0600"
            "01000000050000000000000002000000"
            "753168656c6c6f00");
}

TEST(Format, EveryFlippedBitOfAFrameIsNoticed) {
  const EncodedFrame frame = example();
  std::string bytes(frame.bytes.get(), frame.size);
  ASSERT_TRUE(frame_is_good(*parse_frame_header(bytes, 0x1234abcd), bytes));
  EXPECT_FALSE(parse_frame_header(bytes, 0x1234abce)) << "the frame of another segment";
  for (std::size_t bit = 0; bit < (bytes.size() - 1) * 8; ++bit) {  // the last byte is padding
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const auto header = parse_frame_header(bytes, 0x1234abcd);
    EXPECT_FALSE(header && frame_is_good(*header, bytes)) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
}

TEST(Format, ShortBytesAreNoHeader) {
  const EncodedFrame frame = example();
  const std::string_view bytes(frame.bytes.get(), frame.size);
  EXPECT_FALSE(parse_frame_header(bytes.substr(0, 63), 0x1234abcd));
  EXPECT_FALSE(parse_record_header(bytes.substr(64, 31), 0));
  EXPECT_FALSE(parse_record_header(bytes.substr(64), 1)) << "another record's place";
  EXPECT_FALSE(parse_segment_header(std::string(511, 'x')));
}

TEST(Format, SegmentHeaderComesBack) {
  const std::string block = encode_segment_header({.base_offset = 7, .count_before = 9, .segment_id = 3});
  ASSERT_EQ(block.size(), kSegmentHeaderBytes);
  const auto header = parse_segment_header(block);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->base_offset, 7u);
  EXPECT_EQ(header->count_before, 9u);
  EXPECT_EQ(header->segment_id, 3u);
}

FrameHeader frame_of(std::uint64_t base, std::uint32_t records, std::uint32_t bytes, TimeUs newest) {
  FrameHeader header;
  header.base_offset = base;
  header.record_count = records;
  header.frame_bytes = bytes;
  header.count_before = base;
  header.count = records;
  header.newest = newest;
  return header;
}

/// Frames of 40 KiB with 10 records each; times go up, but for the third, whose clock was ahead.
SegmentSummary summary_of_five() {
  SegmentSummary summary;
  summary.used_bytes = kSegmentHeaderBytes;
  const TimeUs newest[] = {100, 200, 900, 400, 500};
  for (std::uint64_t i = 0; i < 5; ++i) {
    summary.add_frame(summary.used_bytes, frame_of(i * 10, 10, 40 << 10, newest[i]));
  }
  return summary;
}

TEST(SparseIndex, FindsTheFrameAtOrBefore) {
  const SegmentSummary summary = summary_of_five();
  ASSERT_EQ(summary.entries.size(), 3u) << "one in 64 KiB";
  EXPECT_EQ(summary.find_offset(0)->offset, 0u);
  EXPECT_EQ(summary.find_offset(19)->offset, 0u);
  EXPECT_EQ(summary.find_offset(20)->offset, 20u);
  EXPECT_EQ(summary.find_offset(49)->offset, 40u);
  EXPECT_EQ(summary.end_offset, 50u);
  EXPECT_EQ(summary.count_after, 50u);
  EXPECT_EQ(summary.newest, 900);
}

TEST(SparseIndex, FindsTheLastPlaceBeforeATime) {
  const SegmentSummary summary = summary_of_five();
  EXPECT_FALSE(summary.find_time(0));
  EXPECT_EQ(summary.find_time(150)->offset, 0u);
  EXPECT_EQ(summary.find_time(201)->offset, 20u);
  EXPECT_EQ(summary.find_time(450)->offset, 20u) << "the clock that was ahead reached it first";
  EXPECT_EQ(summary.find_time(901)->offset, 40u);
}

TEST(SparseIndex, SummaryComesBackOrIsRefused) {
  const SegmentSummary summary = summary_of_five();
  const std::string bytes = encode_summary(summary);
  EXPECT_EQ(parse_summary(bytes).value(), summary);
  EXPECT_EQ(parse_summary(encode_summary({})).value(), SegmentSummary());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(parse_summary(bytes.substr(0, size)).error().code, Code::kCorrupt);
  }
}

}  // namespace
}  // namespace millrace::log
