#include "stream/source_notices.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "event/contract_testing.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimeUs kNow = 1'767'571'200 * kSecondUs;  // 2026-01-05

class SourceNoticesTest : public StreamTest {
 protected:
  SourceNoticesTest() { use(""); }
  ~SourceNoticesTest() override { notices_.reset(); }

  /// Begin anew at `time`, as a process that starts then.
  void open(TimeUs time) {
    notices_.reset();
    env_.now_is = time;
    auto opened = SourceNotices::open({*log_, env_, *contracts_, kMillisecondUs});
    ASSERT_TRUE(opened) << opened.error().text();
    notices_ = *std::move(opened);
  }

  void use(std::string_view more, std::vector<Contract> others = {}) {
    notices_.reset();
    others.push_back(
        test_contract(contract_text({},
                                    "team: {members: [{username: ada, role: Owner}]}\ncustomProperties:\n"
                                    "  - {property: consumers, value: [bi@example.com]}\n" +
                                        std::string(more))));
    contracts_ = std::make_unique<Contracts>(std::move(others), true);
  }

  std::vector<Json> messages() {
    std::vector<Json> list;
    const auto batch = log_->read({std::string(kNoticesTopic), PartitionId(0)}, Offset(0), {});
    if (!batch) return list;
    for (const Record& record : batch->records) list.push_back(Json::parse(record.value));
    return list;
  }

  /// Wait until there are `n` messages, and return their phases.
  std::vector<std::string> phases(std::size_t n) {
    for (int i = 0; i < 2'000 && messages().size() < n; ++i) Env::system().sleep_for(kMillisecondUs);
    Env::system().sleep_for(10 * kMillisecondUs);  // for one too many
    std::vector<std::string> list;
    for (const Json& message : messages()) list.push_back(message["phase"]);
    return list;
  }

  static SourceNotice maintenance(TimeUs effective) {
    SourceNotice notice;
    notice.source = "web";
    notice.kind = "maintenance";
    notice.text = "the shop moves";
    notice.effective = effective;
    notice.until = effective + kHourUs;
    return notice;
  }

  std::unique_ptr<Contracts> contracts_;
  std::unique_ptr<SourceNotices> notices_;
};

TEST_F(SourceNoticesTest, ANoticeIsToldAtOnceADayBeforeWhenItTakesEffectAndWhenItIsOver) {
  open(kNow);
  const auto answer = notices_->announce(maintenance(kNow + 3 * kDayUs));
  ASSERT_TRUE(answer) << answer.error().text();
  const Json told = Json::parse(*answer);
  EXPECT_EQ(told["effective"], "2026-01-08T00:00:00Z");
  EXPECT_EQ(told["owners"],
            Json::parse(R"([{"name":"ada","contract":"shop"},{"name":"bi@example.com","contract":"shop"}])"));
  EXPECT_THAT(phases(1), ElementsAre("announced"));
  open(kNow + 2 * kDayUs + kHourUs);
  EXPECT_THAT(phases(2), ElementsAre("announced", "day_before"));
  open(kNow + 3 * kDayUs);
  EXPECT_THAT(phases(3), ElementsAre("announced", "day_before", "effective"));
  EXPECT_THAT(notices_->list("web"), HasSubstr(R"("phase":"effective")"));
  open(kNow + 4 * kDayUs);
  EXPECT_THAT(phases(4), ElementsAre("announced", "day_before", "effective", "over"));
  open(kNow + 5 * kDayUs);
  EXPECT_EQ(phases(4).size(), 4u) << "each once";
  EXPECT_EQ(Json::parse(notices_->list("other"))["notices"], Json::array());
}

TEST_F(SourceNoticesTest, WhatTakesEffectAtOnceIsToldOnce) {
  open(kNow);
  SourceNotice outage;
  outage.source = "web";
  outage.kind = "outage";
  outage.text = "the site is down";
  ASSERT_TRUE(notices_->announce(outage));
  EXPECT_THAT(phases(1), ElementsAre("announced"));
}

TEST_F(SourceNoticesTest, BadOnesAreRefused) {
  open(kNow);
  SourceNotice notice = maintenance(kNow);
  notice.kind = "holiday";
  EXPECT_EQ(notices_->announce(notice).error().text(), "kind: is change, maintenance or outage");
  notice = maintenance(kNow);
  notice.text = "";
  EXPECT_THAT(notices_->announce(notice).error().text(), HasSubstr("text: say what comes"));
  notice = maintenance(kNow);
  notice.until = kNow;
  EXPECT_THAT(notices_->announce(notice).error().text(), HasSubstr("until: must be after effective"));
  notice = maintenance(kNow);
  notice.contract = "shop";
  notice.version = "9";
  EXPECT_EQ(notices_->announce(notice).error().code, Code::kNotFound);
  EXPECT_THAT(phases(0), IsEmpty());
}

TEST_F(SourceNoticesTest, AVersionThatComesIsAnnouncedByItselfWithWhatBreaks) {
  std::string next = contract_text();
  next.replace(next.find("1.0.0"), 5, "2.0.0");
  next.replace(next.find("[DE, FR, GB]"), 12, "[DE, FR]");
  next += "customProperties: [{property: effectiveDate, value: 2026-01-08}]\n";
  use("", {test_contract(next)});
  open(kNow);
  ASSERT_THAT(phases(1), ElementsAre("announced"));
  const Json message = messages().front();
  EXPECT_EQ(message["kind"], "change");
  EXPECT_EQ(message["source"], "*");
  EXPECT_EQ(
      message["breaks"],
      Json::parse(
          R"([{"place":"purchase.country","what":"the value 'GB' is removed","why":"producers that send it are refused"}])"));
  EXPECT_THAT(notices_->list("anybody"), HasSubstr("version 2.0.0 of the contract shop takes effect"));
  open(kNow + kHourUs);
  EXPECT_THAT(phases(1), ElementsAre("announced")) << "not again by the next process";
  open(kNow + 3 * kDayUs);
  EXPECT_THAT(phases(2), ElementsAre("announced", "effective"));
}

TEST_F(SourceNoticesTest, AVersionThatIsPostponedTakesEffectOnItsNewDateAlone) {
  const auto use_version = [&](const std::string& date) {
    std::string next = contract_text();
    next.replace(next.find("1.0.0"), 5, "2.0.0");
    use("", {test_contract(next + "customProperties: [{property: effectiveDate, value: " + date + "}]\n")});
  };
  use_version("2026-01-08");
  open(kNow);
  ASSERT_THAT(phases(1), ElementsAre("announced"));
  use_version("2026-02-20");
  open(kNow + kHourUs);
  ASSERT_THAT(phases(3), ElementsAre("announced", "over", "announced"));
  open(kNow + 4 * kDayUs);
  EXPECT_THAT(phases(3), ElementsAre("announced", "over", "announced")) << "not on the old date";
}

TEST_F(SourceNoticesTest, AVersionThatIsPutBackOnItsFirstDateIsAnnouncedAgain) {
  const auto use_version = [&](const std::string& date) {
    std::string next = contract_text();
    next.replace(next.find("1.0.0"), 5, "2.0.0");
    use("", {test_contract(next + "customProperties: [{property: effectiveDate, value: " + date + "}]\n")});
  };
  for (int change = 0; change < 4; ++change) {
    use_version(change % 2 == 0 ? "2026-01-08" : "2026-02-20");
    open(kNow + change * kHourUs);
    phases(1 + 2 * static_cast<std::size_t>(change));  // waits until they are told
  }
  use_version("2026-01-08");
  open(kNow + 5 * kHourUs);
  phases(9);
  open(kNow + 6 * kHourUs);
  const auto told = phases(9);
  EXPECT_EQ(told.size(), 9u) << "each once";
  EXPECT_EQ(std::ranges::count(told, "announced"), 5);
  EXPECT_EQ(std::ranges::count(told, "over"), 4);
  open(kNow + 4 * kDayUs);
  EXPECT_EQ(phases(10).back(), "effective");
}

TEST_F(SourceNoticesTest, AStopIsToldOutlastsAProcessAndEndsWhenResumed) {
  use("  - {property: stopAfter, value: 3}\n");
  open(kNow);
  contracts_->gate().set_on_fault([&](const SourceFault& fault) { notices_->report(fault); });
  Event event;
  event.type = EventType::kPurchase;
  event.type_name = "purchase";
  event.source = "app";
  ContractNotes notes;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(contracts_->check(event, notes));
  ASSERT_THAT(phases(1), ElementsAre("announced"));
  EXPECT_EQ(messages().front()["text"], "3 events in a row lack user_id; the source is stopped");
  EXPECT_EQ(messages().front()["stopped"], true);
  use("  - {property: stopAfter, value: 3}\n");  // as a new process has it
  open(kNow + kHourUs);
  EventOrder order;
  order.order_id = "o";
  order.revenue = Decimal::from_integer(1);
  event.user_id = "u";
  event.order = order;
  EXPECT_THAT(contracts_->check(event, notes).error().text(),
              HasSubstr("the source 'app' is stopped: 3 events in a row lack user_id"));
  event.source = "web";
  EXPECT_TRUE(contracts_->check(event, notes)) << "others go on";
  EXPECT_EQ(notices_->resume("app"), 1u);
  event.source = "app";
  EXPECT_TRUE(contracts_->check(event, notes));
  EXPECT_THAT(phases(2), ElementsAre("announced", "over"));
}

TEST_F(SourceNoticesTest, AMendedContractLetsTheSourceThroughAgain) {
  use("  - {property: stopAfter, value: 1}\n");
  open(kNow);
  contracts_->gate().set_on_fault([&](const SourceFault& fault) { notices_->report(fault); });
  Event event;
  event.type = EventType::kPurchase;
  event.type_name = "purchase";
  event.source = "app";
  ContractNotes notes;
  EXPECT_FALSE(contracts_->check(event, notes));
  ASSERT_THAT(phases(1), ElementsAre("announced"));
  use("");
  open(kNow + kHourUs);
  EXPECT_THAT(contracts_->gate().faults(), IsEmpty());
  EXPECT_THAT(phases(2), ElementsAre("announced", "over"));
}

}  // namespace
}  // namespace millrace
