#include "event/source_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/contract_testing.h"
#include "event/contracts.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class SourceGateTest : public testing::Test {
 protected:
  SourceGateTest() { use("0"); }

  void use(std::string_view stop_after) {
    contracts_ = std::make_unique<Contracts>(
        std::vector<Contract>{test_contract(contract_text(
            {}, "customProperties: [{property: stopAfter, value: " + std::string(stop_after) + "}]\n"))},
        true);
    contracts_->gate().set_on_fault([this](const SourceFault& fault) { told_.push_back(fault); });
  }

  Status send(std::string_view source, bool has_user, std::string_view country = "DE",
              bool has_revenue = true) {
    Event event;
    event.received_time = now_;
    event.type = EventType::kPurchase;
    event.type_name = "purchase";
    event.source = source;
    if (has_user) event.user_id = "u";
    event.country = country;
    event.order.emplace();
    if (has_revenue) event.order->revenue = Decimal::from_integer(1);
    return contracts_->check(event, notes_);
  }

  std::unique_ptr<Contracts> contracts_;
  std::vector<SourceFault> told_;
  ContractNotes notes_;
  TimeUs now_ = kDayUs;
};

TEST_F(SourceGateTest, AFaultIsToldOnceForAsLongAsItLastsAndOnceAnHourAtTheMost) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(send("web", false));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].text(), "20 events in a row lack user_id");
  EXPECT_FALSE(told_[0].is_stopped);
  EXPECT_TRUE(send("web", true)) << "without stopAfter only what is wrong is put aside";
  EXPECT_THAT(contracts_->gate().faults(), IsEmpty());
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
    EXPECT_EQ(contracts_->gate().faults().size(), 1u);
    EXPECT_TRUE(send("web", true));
  }
  EXPECT_EQ(told_.size(), 1u) << "a source that is right in between does not fill the topic";
  now_ += kHourUs;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(SourceGateTest, AFaultThatLastsIsToldWhenTheHourIsOver) {
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
  EXPECT_TRUE(send("web", true));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
  EXPECT_EQ(told_.size(), 1u);
  now_ += kHourUs;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[1].text(), "21 events in a row lack user_id");
  now_ += kHourUs;
  EXPECT_FALSE(send("web", false));
  EXPECT_EQ(told_.size(), 2u) << "once for as long as it lasts";
}

TEST_F(SourceGateTest, EachPropertyIsToldOnceAnHour) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", false));
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("web", true, "DE", false));
  }
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[0].property, "user_id");
  EXPECT_EQ(told_[1].text(), "20 events in a row lack order.revenue");
}

TEST_F(SourceGateTest, ValuesThatAreWrongAreNoFaultOfTheSource) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(send("web", true, "US"));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(SourceGateTest, StopsThatSourceAloneUntilItIsResumed) {
  use("3");
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(send("web", false));
  EXPECT_TRUE(send("web", true));
  EXPECT_FALSE(send("web", false));
  EXPECT_THAT(told_, IsEmpty()) << "not in a row";
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(send("web", false));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].is_stopped);
  EXPECT_THAT(send("web", true).error().text(),
              HasSubstr("contract shop 1.0.0: the source 'web' is stopped: 3 events in a row lack user_id"));
  EXPECT_TRUE(send("app", true));
  EXPECT_EQ(contracts_->gate().resume("web").size(), 1u);
  EXPECT_TRUE(send("web", true));
}

TEST_F(SourceGateTest, TheNumberOfSourcesThatAreWatchedIsBounded) {
  for (std::size_t i = 0; i < SourceGate::kWatchedMax + 100; ++i)
    EXPECT_FALSE(send("s" + std::to_string(i), false));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(send("s" + std::to_string(SourceGate::kWatchedMax + 50), false));
  EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace millrace
