#include <array>

#include <gmock/gmock.h>

#include "warehouse/visit_tracker.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;

/// An event without a session id.
Event loose(std::string_view who, std::uint64_t number, TimeUs time) {
  auto event = make_event(EventType::kPageView, number, time);
  event.anonymous_id = who;
  event.session_id = {};
  return event;
}

TEST(VisitTracker, ASessionIdDecidesWithSourceAndVisitor) {
  VisitTracker tracker(10);
  const auto event = make_event(EventType::kPageView, 1, kTestDay);
  auto later = make_event(EventType::kPageView, 2, kTestDay + kDayUs);
  later.user_id = "u1";  // has logged in meanwhile
  auto other_visitor = event;
  other_visitor.anonymous_id = "otto";
  auto other_source = event;
  other_source.source = "app";
  const auto visit = tracker.visit_of(event);
  EXPECT_EQ(tracker.visit_of(later), visit);
  EXPECT_NE(tracker.visit_of(other_visitor), visit);
  EXPECT_NE(tracker.visit_of(other_source), visit);
  EXPECT_EQ(VisitTracker(1).visit_of(event), visit);  // the same in any process
}

TEST(VisitTracker, ThirtyMinutesWithoutASessionId) {
  VisitTracker tracker(10);
  const auto first = tracker.visit_of(loose("anna", 1, kTestDay));
  EXPECT_EQ(tracker.visit_of(loose("anna", 2, kTestDay + 30 * kMinuteUs)), first);
  EXPECT_EQ(tracker.visit_of(loose("anna", 3, kTestDay - 30 * kMinuteUs)), first);  // late, joins in front
  EXPECT_NE(tracker.visit_of(loose("otto", 4, kTestDay)), first);
  const auto second = tracker.visit_of(loose("anna", 5, kTestDay + 60 * kMinuteUs + 1));
  EXPECT_NE(second, first);
  EXPECT_EQ(tracker.visit_of(loose("anna", 6, kTestDay + 70 * kMinuteUs)), second);
}

TEST(VisitTracker, NobodyHasNoVisit) {
  VisitTracker tracker(10);
  EXPECT_EQ(tracker.visit_of(loose("", 1, kTestDay)), std::nullopt);
}

TEST(VisitTracker, ARollbackUndoesWhatItMoved) {
  VisitTracker tracker(10);
  const auto first = tracker.visit_of(loose("anna", 1, kTestDay));
  tracker.commit();
  EXPECT_EQ(tracker.visit_of(loose("anna", 2, kTestDay + 29 * kMinuteUs)), first);
  tracker.rollback();
  EXPECT_NE(tracker.visit_of(loose("anna", 3, kTestDay + 45 * kMinuteUs)), first);
}

TEST(VisitTracker, KeepsItsBound) {
  VisitTracker tracker(100);
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("v" + std::to_string(i));
  for (std::size_t i = 0; i < names.size(); ++i) {
    tracker.visit_of(loose(names[i], i, kTestDay + static_cast<TimeUs>(i)));
    tracker.commit();
    ASSERT_LE(tracker.size(), 100u);
  }
  const auto last = tracker.visit_of(loose(names.back(), 5000, kTestDay + kMinuteUs));
  EXPECT_EQ(tracker.visit_of(loose(names.back(), 5001, kTestDay + 2 * kMinuteUs)), last);
}

using VisitsTest = WarehouseTest;

TEST_F(VisitsTest, TheViewTellsWhoCameAndWithWhat) {
  auto first = make_event(EventType::kPageView, 1, kTestDay);
  first.page_path = "/";
  first.device_type = "tablet";
  auto second = make_event(EventType::kItemView, 2, kTestDay + 90 * kSecondUs);
  second.user_id = "u1";
  second.device_type = "desktop";
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{second, first}));  // out of order
  EXPECT_THAT(rows("SELECT dt, visitor, user_id, anonymous_id, session_id, start_time, duration_s, events, "
                   "page_views, "
                   "item_views, purchases, landing_page, device_type FROM visits"),
              ElementsAre("2025-07-08|u1|u1|anna|s1|2025-07-08 18:40:00|90.0|2|1|1|0|/|tablet"));
}

TEST_F(VisitsTest, AVisitGoesOnAfterARestart) {
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{loose("anna", 1, kTestDay), loose("otto", 2, kTestDay)}));
  restart(out);
  out = writer();
  ASSERT_TRUE(write(*out, std::array{loose("anna", 3, kTestDay + 20 * kMinuteUs)}));
  restart(out);
  out = writer();
  ASSERT_TRUE(write(
      *out, std::array{loose("anna", 4, kTestDay + 45 * kMinuteUs), loose("otto", 5, kTestDay + kHourUs)}));
  EXPECT_THAT(rows("SELECT visitor, events FROM visits ORDER BY visitor, start_time"),
              ElementsAre("anna|3", "otto|1", "otto|1"));
}

}  // namespace
}  // namespace millrace
