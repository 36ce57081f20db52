#include "stream/quarantine_desk.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "event/quarantine.h"
#include "stream/stream_testing.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class QuarantineDeskTest : public StreamTest {
 protected:
  QuarantineDeskTest() { open(); }

  /// Make the job and the desk anew, as a restart does.
  void open() {
    desk_.reset();
    queries_.reset();
    job_ = load_job();
    queries_ = QueryService::open(*warehouse_, {}).value();
    desk_ = std::make_unique<QuarantineDesk>(QuarantineDesk::Tools{*log_, env_, *queries_,
                                                                   [this]() -> std::optional<JobPosition> {
                                                                     if (loads_) run(*job_);
                                                                     return job_->position().next;
                                                                   },
                                                                   /*wait_max=*/100 * kMillisecondUs});
  }

  /// Have a piece of Segment's refused over HTTP, a second after the last.
  void refuse(std::string_view bytes, std::string_view source = "web",
              std::string_view message = "is wrong") {
    BodyFacts facts{.source = source, .received_time = kTestDay + refused_ * kSecondUs, .ip = "10.0.0.1"};
    facts.user_agent = "Agent/1";
    Envelope envelope{.codec = CodecId::kSegment, .source = source};
    envelope.context = R"({"context":{"locale":"de"}})";
    const auto header = quarantine_header("collect", envelope,
                                          {Code::kInvalid, std::string(message), "batch[0].type"}, facts);
    EXPECT_TRUE(append_and_wait(*log_, {std::string(kQuarantineTopic), PartitionId(0)},
                                {{.attributes = header, .value = bytes, .time = facts.received_time}}));
    ++refused_;
    run(*job_);
  }

  static QuarantineAction named(std::vector<std::uint64_t> offsets) {
    QuarantineAction action;
    action.filter.state.clear();
    for (const auto offset : offsets)
      action.filter.records.push_back({{std::string(kQuarantineTopic), PartitionId(0)}, Offset(offset)});
    return action;
  }
  static QuarantineAction mended(std::string mend, std::string note = "") {
    return {.mend = std::move(mend), .note = std::move(note)};
  }
  /// "done/failed: the reasons"
  static std::string text_of(const Result<QuarantineResult>& result) {
    if (!result) return result.error().text();
    std::string text = fmt::format("{}/{}", result->done, result->failed);
    for (const auto& outcome : result->outcomes)
      if (outcome.error) text += " " + outcome.error->text();
    return text;
  }
  std::string states() {
    return fmt::format("{}", fmt::join(rows("SELECT state FROM quarantine_desk ORDER BY log_offset"), " "));
  }

  static constexpr const char* kTypo =
      R"({"type":"trak","event":"Product Viewed","anonymousId":"a1","properties":{"product_id":"p1"}})";
  static constexpr const char* kMend = R"(json_merge_patch(data, '{"type":"track"}'))";

  std::unique_ptr<LoadJob> job_;
  std::unique_ptr<QueryService> queries_;
  std::unique_ptr<QuarantineDesk> desk_;
  bool loads_ = true;
  int refused_ = 0;
};

TEST_F(QuarantineDeskTest, AMendedRecordIsTakenInAsItCame) {
  refuse(kTypo);
  const auto result = desk_->replay(mended(kMend, "typo in the app"));
  ASSERT_EQ(text_of(result), "1/0");
  EXPECT_THAT(rows("SELECT type, source, message_id, anonymous_id, locale, user_agent, ip, "
                   "epoch_us(received_time) FROM events"),
              ElementsAre(fmt::format("item_view|web|quarantine:0:0|a1|de|Agent/1|10.0.0.1|{}", kTestDay)));
  EXPECT_THAT(
      rows("SELECT state, note, mend, replayed_as FROM quarantine_desk"),
      ElementsAre(fmt::format("replayed|typo in the app|{}|{}", kMend, result->outcomes[0].replayed_as)));
  EXPECT_EQ(books(*job_), "1 1 0 0 0");
}

TEST_F(QuarantineDeskTest, ATrialChangesNothing) {
  refuse(kTypo);
  refuse("{nonsense");
  const auto result = desk_->try_out(mended(kMend));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->done, 1u);
  ASSERT_EQ(result->outcomes.size(), 2u);
  EXPECT_EQ(result->outcomes[0].before, "{nonsense");
  EXPECT_THAT(result->outcomes[0].error->message, HasSubstr("attributes->>'raw'"));
  EXPECT_EQ(result->outcomes[1].before, kTypo);
  EXPECT_THAT(*result->outcomes[1].after, HasSubstr(R"("type":"track")"));
  EXPECT_EQ(states(), "waiting waiting");
  EXPECT_EQ(log_->stats(events_partition())->end, Offset(0));
}

TEST_F(QuarantineDeskTest, WhatIsStillWrongStaysAndIsToldWhy) {
  refuse(kTypo);
  EXPECT_THAT(text_of(desk_->replay({})), HasSubstr("0/1 type: must be track"));
  EXPECT_THAT(text_of(desk_->replay(mended("data->>"))), HasSubstr("yntax"));
  EXPECT_EQ(states(), "waiting");
}

TEST_F(QuarantineDeskTest, ATextThatIsNoJsonIsMendedByItsRawText) {
  refuse(R"({"type":"page","anonymousId":"a1",})");
  EXPECT_EQ(text_of(desk_->replay(mended("replace(attributes->>'raw', ',}', '}')"))), "1/0");
  EXPECT_EQ(cell("SELECT type FROM events"), "page_view");
}

TEST_F(QuarantineDeskTest, AMendGetsALongRawTextWhole) {
  const std::string long_text(100 << 10, 'x');
  refuse(fmt::format(R"({{"type":"page","anonymousId":"a1","properties":{{"note":"{}"}},}})", long_text));
  EXPECT_EQ(text_of(desk_->replay(mended("replace(attributes->>'raw', ',}', '}')"))), "1/0");
}

TEST_F(QuarantineDeskTest, OnlyWhatLooksAtTheRawTextMendsWhatIsNoJson) {
  refuse("{nonsense");
  const auto result = desk_->replay(
      mended(R"(json_merge_patch(data, json_object('type', 'page', 'anonymousId', attributes->>'source')))"));
  EXPECT_THAT(text_of(result), HasSubstr("0/1 is no JSON"));
}

TEST_F(QuarantineDeskTest, ReplayedTwiceItCountsOnce) {
  refuse(kTypo);
  EXPECT_EQ(text_of(desk_->replay(mended(kMend))), "1/0");
  EXPECT_EQ(text_of(desk_->replay(mended(kMend))), "0/0");
  auto again = named({0});
  again.mend = kMend;
  EXPECT_THAT(text_of(desk_->replay(again)), HasSubstr("0/1 was replayed before"));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "1");
}

TEST_F(QuarantineDeskTest, CutOffBeforeItWasNotedItCountsOnce) {
  refuse(kTypo);
  log_->lose_news_of = kDecisionsTopic;
  EXPECT_THAT(text_of(desk_->replay(mended(kMend))), HasSubstr("lost"));
  // As if the decision had never been written: only the event is there.
  execute("DELETE FROM quarantine_decisions");
  log_->lose_news_of.clear();
  open();
  run(*job_);
  execute("DELETE FROM quarantine_decisions");
  env_.now_is = env_.now() + 3 * kDayUs;  // no longer recognised as a repeat by the loader
  const auto result = desk_->replay(mended(kMend));
  EXPECT_EQ(text_of(result), "1/0");
  EXPECT_EQ(result->outcomes[0].replayed_as,
            cell("SELECT concat(log_topic,':',log_partition,':',log_offset) FROM events"));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "1");
  EXPECT_EQ(states(), "replayed");
}

TEST_F(QuarantineDeskTest, DoesNothingBeforeTheTablesKnowWhatWasDecided) {
  refuse(kTypo);
  loads_ = false;
  EXPECT_EQ(text_of(desk_->drop({.note = "no"})), "1/0");  // durable; the tables take it in later
  EXPECT_THAT(text_of(desk_->replay(mended(kMend))), HasSubstr("try again in a moment"));
  loads_ = true;
  EXPECT_EQ(text_of(desk_->replay(mended(kMend))), "0/0") << "it was dropped";
}

TEST_F(QuarantineDeskTest, DroppedWithANoteAndReopened) {
  refuse(kTypo);
  refuse(kTypo);
  EXPECT_THAT(text_of(desk_->drop({})), HasSubstr("give a note"));
  QuarantineAction drop = named({1});
  drop.note = "a test of the app";
  EXPECT_EQ(text_of(desk_->drop(drop)), "1/0");
  EXPECT_EQ(states(), "waiting dropped");
  EXPECT_EQ(text_of(desk_->reopen(named({1}))), "1/0");
  EXPECT_EQ(states(), "waiting waiting");
  EXPECT_THAT(text_of(desk_->drop({.filter = named({7}).filter, .note = "x"})),
              HasSubstr("0/1 is not in the"));
}

TEST_F(QuarantineDeskTest, RowsOfFilesAndRecordsOfOtherTopicsNameTheirRemedy) {
  append(kQuarantineTopic, 0, "a,b",
         quarantine_header("ingest", "csv", {Code::kInvalid, "no number", "x.csv:3"}, {.source = "x"}));
  append(kItemsTopic, 0, R"({"op":"fly"})", "");
  run(*job_);
  EXPECT_THAT(text_of(desk_->replay({})), testing::AllOf(HasSubstr("0/2"), HasSubstr("ingest it again"),
                                                         HasSubstr("a record of items: send it again")));
}

TEST_F(QuarantineDeskTest, ARecordThatWasLoggedButCouldNotBeReadIsMendedToo) {
  append(kEventsTopic, 2, "{broken", envelope_of(make_event(EventType::kPageView, 0, kTestDay)));
  run(*job_);
  EXPECT_EQ(books(*job_), "1 0 0 1 0");
  const std::string mend =
      R"(replace(attributes->>'raw', '{broken', '{"type":"page_view","anonymous_id":"a1"}'))";
  ASSERT_EQ(text_of(desk_->replay(mended(mend))), "1/0");
  EXPECT_EQ(cell("SELECT type || ' ' || anonymous_id FROM events"), "page_view a1");
  EXPECT_EQ(books(*job_), "2 1 0 1 0");
}

TEST_F(QuarantineDeskTest, PagesAndFiltersGiveEachRecordOnce) {
  for (int i = 0; i < 25; ++i) refuse(kTypo, i % 5 == 0 ? "app" : "web", i % 2 == 0 ? "even" : "odd");
  std::set<std::string> seen;
  QuarantinePage page{.limit = 4, .cursor = ""};
  for (int parts = 1;; ++parts) {
    const auto part = nlohmann::json::parse(desk_->list({}, page).value());
    for (const auto& row : part["rows"]) EXPECT_TRUE(seen.insert(row[0]).second) << row[0];
    if (part["cursor"].is_null()) {
      EXPECT_EQ(parts, 7);
      break;
    }
    page.cursor = part["cursor"];
  }
  EXPECT_EQ(seen.size(), 25u);
  const auto count = [&](const QuarantineFilter& filter) {
    return nlohmann::json::parse(desk_->list(filter, {.limit = 100, .cursor = ""}).value())["rows"].size();
  };
  EXPECT_EQ(count({.source = "app"}), 5u);
  EXPECT_EQ(count({.message = "even"}), 13u);
  EXPECT_EQ(count({.text = "PRODUCT viewed"}), 25u);
  EXPECT_EQ(count({.text = "nothing of this"}), 0u);
  EXPECT_EQ(count({.since = kTestDay + 20 * kSecondUs}), 5u);
  EXPECT_EQ(count({.until = kTestDay + 20 * kSecondUs}), 20u);
  EXPECT_EQ(count({.text = "' OR true --"}), 0u);
  EXPECT_FALSE(desk_->list({}, {.limit = 4, .cursor = "1@events:0"}));
  const auto groups = nlohmann::json::parse(desk_->groups({}).value());
  EXPECT_EQ(groups["rows"].size(), 4u);  // two sources, two reasons
}

TEST_F(QuarantineDeskTest, NamedRecordsOfOtherPagesAreNotMissing) {
  for (int i = 0; i < 5; ++i) refuse(kTypo);
  QuarantineAction action = named({0, 1, 2, 3, 4});
  action.mend = kMend;
  action.page.limit = 2;
  std::string texts;
  do {
    const auto result = desk_->try_out(action);
    ASSERT_TRUE(result) << result.error().text();
    texts += text_of(result) + ",";
    action.page.cursor = result->cursor;
  } while (!action.page.cursor.empty());
  EXPECT_EQ(texts, "2/0,2/0,1/0,");
}

TEST_F(QuarantineDeskTest, ActsOnAllPartByPart) {
  for (int i = 0; i < 12; ++i) refuse(kTypo);
  refuse("{nonsense");
  QuarantineAction action = mended(kMend);
  action.page.limit = 5;
  std::uint64_t done = 0, failed = 0;
  do {
    const auto result = desk_->replay(action);
    ASSERT_TRUE(result) << result.error().text();
    done += result->done;
    failed += result->failed;
    action.page.cursor = result->cursor;
  } while (!action.page.cursor.empty());
  EXPECT_EQ(done, 12u);
  EXPECT_EQ(failed, 1u);
  EXPECT_EQ(cell("SELECT count(DISTINCT message_id) FROM events"), "12");
}

}  // namespace
}  // namespace millrace
