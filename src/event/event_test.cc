#include "event/event.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(EventType, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(EventType::kIdentify); ++i) {
    const auto type = static_cast<EventType>(i);
    EXPECT_EQ(event_type_of(event_type_name(type)), type);
  }
  EXPECT_EQ(event_type_of("Product Viewed"), EventType::kCustom);
  EXPECT_EQ(event_type_of(""), EventType::kCustom);
}

TEST(EventBatch, KeepsTextAndItemsThroughAMove) {
  EventBatch batch;
  std::string text = "short-lived";
  const std::string_view kept = batch.keep(text);
  const auto items = batch.new_items(3);
  items[2].item_id = kept;
  text = "overwritten";
  const EventBatch moved = std::move(batch);
  EXPECT_EQ(kept, "short-lived");
  EXPECT_EQ(items[2].item_id, "short-lived");
  EXPECT_FALSE(items[0].price.has_value());
}

TEST(EventBatch, KeepsNothingOfNothing) {
  EventBatch batch;
  EXPECT_TRUE(batch.keep("").empty());
  EXPECT_TRUE(batch.new_items(0).empty());
}

TEST(Event, VisitorIsTheBestKnownName) {
  Event event;
  EXPECT_EQ(event.visitor(), "");
  event.session_id = "s";
  EXPECT_EQ(event.visitor(), "s");
  event.anonymous_id = "a";
  EXPECT_EQ(event.visitor(), "a");
  event.user_id = "u";
  EXPECT_EQ(event.visitor(), "u");
}

}  // namespace
}  // namespace millrace
