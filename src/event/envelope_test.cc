#include <gtest/gtest.h>

#include "event/codec.h"

namespace millrace {
namespace {

Envelope full_envelope(std::string_view context) {
  return {.codec = CodecId::kGa4,
          .codec_version = 1,
          .source = "web",
          .received_time = -5,
          .sent_time = 1'719'835'200,
          .ip = "192.0.2.1",
          .user_agent = "ua",
          .message_id = "m",
          .context = context};
}

TEST(Envelope, ReadsBackTheSame) {
  const std::string long_context = "{\"a\":\"" + std::string(40'000, 'x') + "\"}";
  for (const std::string_view context :
       {std::string_view(), std::string_view("{}"), std::string_view(long_context)}) {
    std::string bytes;
    encode_envelope(full_envelope(context), bytes);
    const auto read = decode_envelope(bytes);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->codec, CodecId::kGa4);
    EXPECT_EQ(read->source, "web");
    EXPECT_EQ(read->received_time, -5);
    EXPECT_EQ(read->sent_time, 1'719'835'200);
    EXPECT_EQ(read->ip, "192.0.2.1");
    EXPECT_EQ(read->user_agent, "ua");
    EXPECT_EQ(read->message_id, "m");
    EXPECT_EQ(read->context, context);
  }
}

TEST(Envelope, SaysWhetherItsEventsReplaceOthers) {
  for (const bool replaces : {false, true}) {
    auto envelope = full_envelope("{}");
    envelope.replaces = replaces;
    std::string bytes;
    encode_envelope(envelope, bytes);
    EXPECT_EQ(decode_envelope(bytes)->replaces, replaces);
    EXPECT_EQ(bytes[3], replaces ? 3 : 1);
    envelope.owns_order = true;
    bytes.clear();
    encode_envelope(envelope, bytes);
    EXPECT_TRUE(decode_envelope(bytes)->owns_order);
    EXPECT_EQ(decode_envelope(bytes)->replaces, replaces);
    EXPECT_EQ(bytes[3], replaces ? 7 : 5);
  }
}

TEST(Envelope, WithoutSentTimeHasNone) {
  Envelope envelope;
  std::string bytes;
  encode_envelope(envelope, bytes);
  EXPECT_EQ(bytes.size(), 4u + 8 + 5);
  EXPECT_FALSE(decode_envelope(bytes)->sent_time.has_value());
}

TEST(Envelope, BytesAreAsDocumented) {
  Envelope envelope;
  envelope.codec = CodecId::kVisit;
  envelope.received_time = 0x0102;
  envelope.source = "ab";
  std::string bytes;
  encode_envelope(envelope, bytes);
  EXPECT_EQ(bytes, std::string("\x01\x04\x01\x00"
                               "\x02\x01\0\0\0\0\0\0"
                               "\x02"
                               "ab"
                               "\0\0\0\0",
                               19));
}

TEST(Envelope, DamagedBytesAreCorrupt) {
  std::string bytes;
  encode_envelope(full_envelope("{}"), bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto read = decode_envelope(std::string_view(bytes).substr(0, length));
    ASSERT_FALSE(read.has_value()) << length;
    EXPECT_EQ(read.error().code, Code::kCorrupt);
  }
  EXPECT_FALSE(decode_envelope(bytes + "x").has_value());
  for (const auto& [at, value] : {std::pair{0, 9}, {1, 0}, {1, 99}, {3, 2}}) {
    std::string wrong = bytes;
    wrong[static_cast<std::size_t>(at)] = static_cast<char>(value);
    EXPECT_FALSE(decode_envelope(wrong).has_value()) << at;
  }
}

TEST(Codec, NamesAreUnique) {
  for (int id = 1; id <= 7; ++id) {
    const auto codec = static_cast<CodecId>(id);
    EXPECT_EQ(codec_of(codec_name(codec)), codec);
  }
  EXPECT_EQ(codec_name(static_cast<CodecId>(0)), "");
  EXPECT_FALSE(codec_of("").has_value());
}

TEST(Codec, ANewerVersionIsRefused) {
  Envelope envelope;
  envelope.codec_version = 2;
  EventBatch batch;
  std::string value = "{\"type\":\"x\"}";
  const std::size_t size = value.size();
  value.append(64, ' ');
  EXPECT_FALSE(decode_record(envelope, std::string_view(value).substr(0, size), batch).has_value());
}

}  // namespace
}  // namespace millrace
