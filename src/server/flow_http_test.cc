#include "server/flow_http.h"

#include <array>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Outcome = FlowOutcome::Kind;

class FlowHttpTest : public ::testing::Test {
 protected:
  FlowHttpTest() {
    for (std::uint64_t i = 0; i < 3; ++i) {
      messages_[i].topic = "orders";
      messages_[i].ack_id.place = {PartitionId(0), Offset(i)};
      messages_[i].data = "m" + std::to_string(i);
      messages_[i].publish_time = 1'700'000'000'123'456;
      pointers_[i] = &messages_[i];
    }
  }

  /// Return the outcomes as texts, or the error.
  std::vector<std::string> outcomes(const std::string& records) {
    const auto read = function_outcomes(pointers_, R"({"records":[)" + records + "]}");
    if (!read) return {read.error().text()};
    std::vector<std::string> texts;
    for (const FlowOutcome& outcome : *read) {
      switch (outcome.kind) {
        case Outcome::kPublish:
          texts.push_back(outcome.data);
          break;
        case Outcome::kDrop:
          texts.emplace_back("dropped");
          break;
        case Outcome::kFailed:
          texts.push_back("failed: " + outcome.error.message);
          break;
        case Outcome::kAgain:
          texts.push_back("again: " + outcome.error.message);
          break;
      }
    }
    return texts;
  }

  static std::string record(int n, const std::string& result, const std::string& data = "") {
    return R"({"recordId":"orders:0:)" + std::to_string(n) + R"(","result":")" + result + R"(","data":")" +
           base64_encode(data) + R"("})";
  }

  std::array<SubscriptionMessage, 3> messages_;
  std::array<const SubscriptionMessage*, 3> pointers_;
};

TEST_F(FlowHttpTest, SpeaksFirehosesContract) {
  EXPECT_EQ(
      function_request(std::span(pointers_).first(1)),
      R"({"records":[{"recordId":"orders:0:0","approximateArrivalTimestamp":1700000000123,"data":"bTA="}]})");
  EXPECT_THAT(
      outcomes(record(2, "Ok", "c") + "," + record(0, "Dropped") + "," + record(1, "ProcessingFailed")),
      ElementsAre("dropped", "failed: the function answered ProcessingFailed", "c"));
}

TEST_F(FlowHttpTest, TriesAgainWhatIsLeftOutOrMakesNoSense) {
  EXPECT_THAT(outcomes(record(0, "Fine") + R"(,{"recordId":"orders:0:1","result":"Ok","data":"%"})"),
              ElementsAre(HasSubstr("again: the function's result"), HasSubstr("again: the function's data"),
                          HasSubstr("again: the function left the record out")));
}

TEST_F(FlowHttpTest, TrustsNoAnswerWithForeignOrRepeatedIds) {
  EXPECT_THAT(outcomes(record(0, "Ok", "a") + "," + record(7, "Ok", "b")).front(),
              HasSubstr("was not given"));
  EXPECT_THAT(outcomes(record(0, "Ok", "a") + "," + record(0, "Ok", "b")).front(), HasSubstr("twice"));
  EXPECT_THAT(outcomes("17").front(), HasSubstr("was not given"));
  for (const char* garbage : {"", "null", "{}", R"({"records":{}})", "{\"records\":[", "[]"})
    EXPECT_FALSE(function_outcomes(pointers_, garbage)) << garbage;
}

}  // namespace
}  // namespace millrace
