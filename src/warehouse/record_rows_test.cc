#include <gmock/gmock.h>

#include "warehouse/fact_writer.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;

class RecordWriterTest : public WarehouseTest {
 protected:
  void SetUp() override { out_ = writer(); }

  /// Write records of one topic in one transaction.
  template <class Add>
  Status write_all(std::vector<std::string> values, Add add) {
    MILLRACE_TRY(out_->begin());
    for (auto& value : values) {
      const auto size = value.size();
      value.append(64, ' ');
      const RecordPlace place{partition_, Offset(next_++), kTestDay};
      MILLRACE_TRY(add(place, std::string_view(value).substr(0, size)));
    }
    return out_->commit();
  }
  Status items(std::vector<std::string> values) {
    return write_all(std::move(values), [&](const auto&... args) { return out_->add_item_change(args...); });
  }
  Status users(std::vector<std::string> values) {
    return write_all(std::move(values), [&](const auto&... args) { return out_->add_user_change(args...); });
  }
  Status answers(std::vector<std::string> values) {
    return write_all(std::move(values),
                     [&](const auto&... args) { return out_->add_recommendation(args...); });
  }

  TopicPartition partition_{"items", PartitionId(0)};
  std::uint64_t next_ = 0;
  std::unique_ptr<FactWriter> out_;
};

TEST_F(RecordWriterTest, PutsReplacesAndDeletesItems) {
  ASSERT_TRUE(
      items({R"({"op":"put","id":"p1","attributes":{"name":"Rake","category":"Garden/Tools","price":"19.90",)"
             R"("currency":"EUR","colour":["red"]}})",
             R"({"op":"put","id":"p2","attributes":{"price":0.1,"available":false}})"}));
  EXPECT_THAT(
      rows("SELECT item_id, name, category_top, price, currency, available, attributes->>'$.colour[0]' "
           "FROM items ORDER BY item_id"),
      ElementsAre("p1|Rake|Garden|19.9000|EUR|true|red", "p2|NULL|NULL|0.1000|NULL|false|NULL"));
  ASSERT_TRUE(items({R"({"op":"put","id":"p1","attributes":{"name":"Fork"}})", R"({"op":"delete","id":"p2"})",
                     R"({"op":"put","id":"p3","attributes":{"name":"Old"}})",
                     R"({"op":"put","id":"p3","attributes":{"name":"New"}})"}));
  EXPECT_THAT(rows("SELECT item_id, name, log_offset FROM items ORDER BY item_id"),
              ElementsAre("p1|Fork|2", "p3|New|5"));
}

TEST_F(RecordWriterTest, RemembersTheLastDeletion) {
  ASSERT_TRUE(
      items({R"({"op":"delete","id":"p1"})", R"({"op":"put","id":"p1"})", R"({"op":"delete","id":"p2"})"}));
  ASSERT_TRUE(items({R"({"op":"delete","id":"p2"})", R"({"op":"put","id":"p3"})"}));
  ASSERT_TRUE(users({R"({"op":"delete","id":"u1"})"}));
  ASSERT_TRUE(users({R"({"op":"put","id":"u1"})"}));
  EXPECT_THAT(rows("SELECT log_topic, id, deleted_time FROM _deleted ORDER BY ALL"),
              ElementsAre("items|p1|2025-07-08 18:40:00", "items|p2|2025-07-08 18:40:00",
                          "users|u1|2025-07-08 18:40:00"));
  EXPECT_THAT(rows("SELECT item_id FROM items ORDER BY ALL"), ElementsAre("p1", "p3"));
}

TEST_F(RecordWriterTest, WritesUsers) {
  ASSERT_TRUE(users({R"({"op":"put","id":"u\u00e41","attributes":{"country":"DE","tier":3}})"}));
  EXPECT_THAT(rows("SELECT user_id, country, attributes->>'$.tier' FROM users"), ElementsAre("uä1|DE|3"));
}

TEST_F(RecordWriterTest, RefusesWhatIsNoChange) {
  for (const auto* bad : {"", "[]", "{}", R"({"op":"put"})", R"({"op":"drop","id":"p1"})",
                          R"({"op":"put","id":"p1")", R"({"op":"put","id":""})"}) {
    const auto done = items({bad});
    ASSERT_FALSE(done) << bad;
    EXPECT_EQ(done.error().code, Code::kInvalid) << bad;
    out_->rollback();
  }
  EXPECT_EQ(cell("SELECT count(*) FROM items"), "0");
}

TEST_F(RecordWriterTest, WritesOneRowForEachItemServed) {
  ASSERT_TRUE(answers(
      {R"({"recommendation_id":"r1","served_us":1752000000000000,"kind":"recommend","user":"u1","session":null,)"
       R"("placement":"home","model":"popular@1","fallback":null,"latency_us":412,"items":[)"
       R"({"id":"p1","score":0.5,"source":"popular","reason":{"code":"popular","text":"Sold \"most\"","because":[]}},)"
       R"({"id":"p2","score":0.25,"source":"cooccurrence","reason":{"because":["p7"]},"features":{"als":0.5}}],"request":{"n":2},"models":["als@3"]})",
       R"({"recommendation_id":"r2","fallback":"error","items":[]})"}));
  EXPECT_THAT(
      rows("SELECT recommendation_id, dt, user_id, session_id, model, fallback, latency_us, position, "
           "item_id, score, "
           "candidate_source, reason_code, reason_text, because, request, event_index FROM recommendations "
           "ORDER BY ALL"),
      ElementsAre(
          "r1|2025-07-08|u1|NULL|popular@1|NULL|412|1|p1|0.5|popular|popular|Sold \"most\"|[]|{\"n\":2}|0",
          "r1|2025-07-08|u1|NULL|popular@1|NULL|412|2|p2|0.25|cooccurrence|NULL|NULL|[\"p7\"]|{\"n\":2}|1",
          "r2|2025-07-08|NULL|NULL|NULL|error|NULL|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0"));
  EXPECT_THAT(rows("SELECT models, features FROM recommendations ORDER BY ALL"),
              ElementsAre("[\"als@3\"]|{\"als\":0.5}", "[\"als@3\"]|NULL", "NULL|NULL"));
  EXPECT_FALSE(answers({R"({"items":[]})"}));
}

TEST_F(RecordWriterTest, WritesWhatIsSimilarToTheProductsOfAnActivityEvent) {
  ASSERT_TRUE(answers(
      {R"({"session_id":"s1","customer_number":478,"browse_history":[{"product_code":"p1"}],)"
       R"("recommended_items":[{"id":"p7","score":0.5},{"id":"p8","score":0.25}],)"
       R"("similar_items":{"product_code":"p1","similar_items":[{"id":"p2","distance":0.5}]},)"
       R"("similar_by_product":[{"product_code":"p1","similar_items":[{"id":"p2","distance":0.5},)"
       R"({"id":"p3","distance":0.75}]},{"product_code":"p9","similar_items":[{"id":"p2","distance":1}]}],)"
       R"("model":"m@1","latency_us":900,"recommendation_id":"r1","fallback":null,"kind":"activity",)"
       R"("served_us":1752000000000000,"user":"478","session":"s1","placement":"home"})",
       R"({"recommendation_id":"r2","recommended_items":[],"similar_items":null,"similar_by_product":[]})"}));
  EXPECT_THAT(
      rows("SELECT recommendation_id, kind, user_id, session_id, position, item_id, score, similar_to, "
           "distance, event_index FROM recommendations ORDER BY recommendation_id, event_index"),
      ElementsAre("r1|activity|478|s1|1|p7|0.5|NULL|NULL|0", "r1|activity|478|s1|2|p8|0.25|NULL|NULL|1",
                  "r1|activity|478|s1|1|p2|NULL|p1|0.5|2", "r1|activity|478|s1|2|p3|NULL|p1|0.75|3",
                  "r1|activity|478|s1|1|p2|NULL|p9|1.0|4", "r2|NULL|NULL|NULL|0|NULL|NULL|NULL|NULL|0"));
}

TEST_F(RecordWriterTest, QuarantineKeepsRawBytesAndCountsByTopic) {
  const TopicPartition refused{"quarantine", PartitionId(0)};
  ASSERT_TRUE(out_->begin());
  ASSERT_TRUE(
      out_->add_quarantine({refused, Offset(0), kTestDay}, {.received_time = kTestDay,
                                                            .stage = "collect",
                                                            .code = "invalid",
                                                            .message = "must be a number",
                                                            .where = "batch[3].price",
                                                            .raw = std::string_view("\x00\xFF{", 3)}));
  ASSERT_TRUE(out_->add_quarantine({events_partition(), Offset(9), kTestDay},
                                   {.received_time = kTestDay, .stage = "decode", .events = 4, .raw = "x"}));
  ASSERT_TRUE(out_->commit());
  EXPECT_THAT(
      rows(
          "SELECT stage, where_, hex(raw), events, first_attempt_time, log_topic, log_offset FROM quarantine "
          "ORDER BY stage"),
      ElementsAre("collect|batch[3].price|00FF7B|1|NULL|quarantine|0", "decode|NULL|78|4|NULL|events|9"));
  EXPECT_EQ(out_->books().at(refused), (BookEntry{.applied = 1}));
  EXPECT_EQ(out_->books().at(events_partition()), (BookEntry{.quarantined = 4}));
}

}  // namespace
}  // namespace millrace
