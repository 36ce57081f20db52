#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

DecodedBody native(std::string_view text, const BodyLimits& limits = {}) {
  return decode_body(CodecId::kNative, text, test_facts(), limits);
}

std::string where(const DecodedBody& decoded, std::size_t i = 0) {
  return decoded.split->refused.at(i).reason.where;
}

TEST(SplitBody, OneArrayOrLines) {
  const std::string one = R"({"type":"x","user_id":"u"})";
  const std::pair<std::string, std::size_t> kBodies[] = {
      {one, 1},
      {" \n" + one + "\r\n", 1},
      {"[" + one + "," + one + "]", 2},
      {one + "\n" + one, 2},
      {one + "\n\n \n" + one + "\r\n" + one + "\n", 3},
      {"{\n  \"type\": \"x\",\n  \"properties\": {\n    \"a\": [\n      1\n    ]\n  }\n}\n", 1},
      {"[\n" + one + ",\n" + one + "\n]", 2},
      {"[]", 0}};
  for (const auto& [body, count] : kBodies) {
    const DecodedBody decoded = native(body);
    ASSERT_EQ(decoded.reason(), "") << body;
    EXPECT_EQ(decoded.events().size(), count) << body;
  }
}

TEST(SplitBody, WhatCannotBeParsedFailsWhole) {
  for (const std::string_view body : {"", "  \n", "hello", "{", "[1", R"({"type":"x")", R"({"type":"x"} x)",
                                      R"([{"type":"x"}] 1)", R"({"type":"x",})", R"({"type":01})", "\"text\"",
                                      "12", "{\"type\":\"\xFF\"}", "{\"type\":\"a\tb\"}", "\xEF\xBB\xBF{}"}) {
    const DecodedBody decoded = native(body);
    ASSERT_FALSE(decoded.split.has_value()) << body;
    EXPECT_EQ(decoded.split.error().code, Code::kInvalid);
    EXPECT_FALSE(decoded.split.error().message.empty());
  }
}

TEST(SplitBody, OneBadEventNeverStopsTheRest) {
  const DecodedBody decoded = decode_body(CodecId::kSegment,
                                          "{\"batch\":[{\"type\":\"track\",\"event\":\"a\"},{\"type\":"
                                          "\"track\"},{\"type\":\"track\",\"event\":\"\xFF\"},"
                                          "{\"type\":01},7,null,{\"type\":\"track\",\"event\":\"b\"}]}");
  ASSERT_TRUE(decoded.split.has_value()) << decoded.reason();
  EXPECT_EQ(decoded.events().size(), 2u);
  ASSERT_EQ(decoded.split->refused.size(), 5u);
  EXPECT_EQ(where(decoded, 0), "batch[1].event");
  EXPECT_EQ(decoded.split->refused[1].reason.text(), "batch[2]: not valid UTF-8");
  EXPECT_EQ(decoded.split->refused[1].value, "{\"type\":\"track\",\"event\":\"\xFF\"}");
  EXPECT_EQ(where(decoded, 2), "batch[3].type");
  EXPECT_EQ(where(decoded, 3), "batch[4]");
  EXPECT_EQ(decode_envelope(decoded.split->refused[0].attributes)->codec, CodecId::kSegment);
}

TEST(SplitBody, WhatStandsBesideABatchMustBeRight) {
  for (const std::string_view body :
       {R"({"batch":[],"context":01})", R"({"batch":[]}})", R"({"batch":[}})", R"({"batch":[{}],)",
        R"({"batch":[{})", R"({"batch":{}})", R"({"batch":7})", R"({"batch":[] "a":1})"}) {
    const DecodedBody decoded = decode_body(CodecId::kSegment, body);
    ASSERT_FALSE(decoded.split.has_value()) << body;
    EXPECT_EQ(decoded.split.error().code, Code::kInvalid) << body;
  }
}

TEST(SplitBody, BadLinesAreNamedByTheirNumber) {
  const DecodedBody decoded =
      native("{\"type\":\"a\"}\nnot json\n\n{\"type\":\"b\"}\n{\"type\":7,\"user_id\":[]}\n");
  ASSERT_TRUE(decoded.split.has_value()) << decoded.reason();
  EXPECT_EQ(decoded.events().size(), 2u);
  ASSERT_EQ(decoded.split->refused.size(), 2u);
  EXPECT_EQ(where(decoded, 0), "line 2");
  EXPECT_EQ(where(decoded, 1), "line 5: user_id");
}

TEST(SplitBody, Limits) {
  const std::string one = R"({"type":"x","user_id":"u"})";
  EXPECT_EQ(native(one, {.batch_bytes_max = 10}).reason(),
            "out_of_range: the body is 26 bytes; send at most 10 at once");
  EXPECT_EQ(native(one + "\n" + one, {.events_max = 1}).reason(),
            "out_of_range: the body holds 2 events; send at most 1 at once");
  const DecodedBody large =
      native("[" + one + R"(,{"type":"x","user_id":"uuuuuuuu"}])", {.event_bytes_max = 30});
  EXPECT_EQ(large.reason(), "invalid: [1]: too large: 33 bytes; at most 30");
  EXPECT_EQ(large.events().size(), 1u);
  const std::string visit =
      R"({"events":[{"event_type":"a","timestamp":"2024-07-01"},{"event_type":"b","timestamp":"2024-07-01"}]})";
  EXPECT_THAT(decode_body(CodecId::kVisit, visit, test_facts(), {.events_max = 1}).reason(),
              HasSubstr("holds 2 events"));
}

TEST(SplitBody, KeyIsAnonymousThenSessionThenUser) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {R"({"type":"x","user_id":"u","session_id":"s","anonymous_id":"a"})", "a"},
      {R"({"type":"x","user_id":"u","session_id":"s"})", "s"},
      {R"({"type":"x","user_id":"u\n"})", "u\n"},
      {R"({"type":"x"})", ""}};
  for (const auto& [body, key] : kCases) EXPECT_EQ(native(body).split->accepted[0].key, key) << body;
}

TEST(SplitBody, EachPieceMayBeACloudEventByItsOwnKeys) {
  const std::string cloud = R"({"id":"c","source":"/s","type":"com.example.x", "specversion" : "1.0"})";
  const std::string says_the_word =
      R"({"type":"x","message_id":"n","properties":{"specversion":"1.0","note":"has \"specversion\": in it"}})";
  const std::string bad_cloud = R"({"specversion":"1.0","id":"b","type":"t"})";
  BodyFacts facts = test_facts();
  const auto codecs = [&](std::string_view body) {
    std::vector<CodecId> found;
    const DecodedBody decoded = decode_body(CodecId::kNative, body, facts);
    for (const BodyRecord& record : decoded.split->accepted)
      found.push_back(decode_envelope(record.attributes)->codec);
    for (const RefusedRecord& record : decoded.split->refused) {
      EXPECT_EQ(decode_envelope(record.attributes)->codec, record.codec);
      found.push_back(record.codec);
    }
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(codecs(cloud), ElementsAre(CodecId::kNative)) << "not offered";
  facts.may_be_cloud_events = true;
  EXPECT_THAT(codecs(cloud), ElementsAre(CodecId::kCloudEvents));
  EXPECT_THAT(codecs(says_the_word), ElementsAre(CodecId::kNative));
  EXPECT_THAT(codecs("[" + says_the_word + "," + cloud + "," + says_the_word + "]"),
              ElementsAre(CodecId::kNative, CodecId::kCloudEvents, CodecId::kNative));
  EXPECT_THAT(codecs(cloud + "\n" + says_the_word + "\n" + bad_cloud + "\nspecversion\n[\"specversion\"]\n"),
              ElementsAre(CodecId::kCloudEvents, CodecId::kNative, CodecId::kCloudEvents, CodecId::kNative,
                          CodecId::kNative));
}

TEST(SplitBody, IdsAreTheClientsElseTheRequestsElseNew) {
  BodyFacts facts = test_facts();
  facts.message_id = "req";
  const auto ids = [&facts](std::string_view body) {
    std::vector<std::string> found;
    const DecodedBody decoded = decode_body(CodecId::kNative, body, facts);
    for (const Event& event : decoded.events()) found.emplace_back(event.message_id);
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(ids(R"({"type":"x"})"), ElementsAre("req"));
  EXPECT_THAT(ids(R"([{"type":"x"},{"type":"x","message_id":"own"},{"type":"x"}])"),
              ElementsAre("req:0", "own", "req:2"));
  facts.message_id = "";
  const auto made = ids(R"([{"type":"x"},{"type":"x"}])");
  EXPECT_EQ(made[0].size(), 38u);
  EXPECT_EQ(made[0].substr(0, 36), made[1].substr(0, 36));
  EXPECT_NE(made[0], made[1]);
  EXPECT_NE(ids(R"({"type":"x"})"), ids(R"({"type":"x"})"));
}

TEST(SplitBody, HeadersThatCannotBeStoredAreMade) {
  BodyFacts facts = test_facts();
  const std::string long_id(2'000, 'i');
  facts.message_id = long_id;
  facts.user_agent = "caf\xE9/1";
  const DecodedBody decoded = decode_body(CodecId::kNative, R"({"type":"x"})", facts);
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].message_id.size(), 32u) << "its hash";
  EXPECT_EQ(decoded.events()[0].user_agent, "caf?/1");
}

TEST(SplitBody, DuplicateIdsPassAndAreTheWarehousesAffair) {
  EXPECT_EQ(native(R"([{"type":"x","message_id":"1"},{"type":"x","message_id":"1"}])").events().size(), 2u);
}

}  // namespace
}  // namespace millrace
