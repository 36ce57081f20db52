#include "source/ingest.h"

#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "log/topics.h"
#include "net/gzip.h"
#include "source/file_reader.h"
#include "source/ingest_testing.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr std::string_view kSales = R"(
source: shop
type: purchase
time: at
group_by: [no]
fields: {user_id: who}
order: {order_id: no}
item: {item_id: code, quantity: n, price: price}
)";

class IngestTest : public testing::Test {
 protected:
  IngestRequest sales(std::string_view name, std::string_view content) {
    return {.format = "csv",
            .map = bench_.folder.write("sales.yaml", kSales),
            .files = {bench_.folder.write(name, content)}};
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    bench_.for_each_event([&](const Event& event) { ids.emplace_back(event.message_id); });
    return ids;
  }
  /// Return how many events in the log say that they replace others.
  std::size_t replacing() const {
    std::size_t found = 0;
    bench_.for_each_event([&](const Event& event) { found += event.replaces; });
    return found;
  }

  IngestBench bench_;
};

TEST_F(IngestTest, PutsMappedRowsIntoTheLogWithTheirLineAndSource) {
  const auto request =
      sales("jan.csv",
            "no,who,code,n,price,at\n1,7,a,1,2.5,2024-01-01\n2,,b,1,1,2024-01-02\n1,7,c,2,1,2024-01-01\n");
  const auto result = bench_.run(request);
  EXPECT_EQ(result.counts.rows, 3u);
  EXPECT_EQ(result.counts.events, 2u);
  EXPECT_EQ(result.counts.quarantined, 0u);
  const auto hash = to_hex(hash_file(Env::system(), request.files[0]).value());
  EXPECT_THAT(ids(), testing::UnorderedElementsAre(hash + ":2", hash + ":3"));
  bench_.for_each_event([](const Event& event) {
    EXPECT_EQ(event.source, "shop");
    EXPECT_EQ(event.type, EventType::kPurchase);
    EXPECT_EQ(event.items.size(), event.order->order_id == "1" ? 2u : 1u);
    EXPECT_EQ(event.user_id, event.order->order_id == "1" ? "7" : "");
  });
}

TEST_F(IngestTest, QuarantinesBadRowsWithFileAndLine) {
  const auto result = bench_.run(
      sales("jan.csv", "no,who,code,n,price,at\n1,7,a,x,2.5,2024-01-01\n2,7\n3,7,c,2,1,2024-01-01\n"));
  EXPECT_EQ(result.counts.rows, 3u);
  EXPECT_EQ(result.counts.events, 1u);
  EXPECT_EQ(result.counts.quarantined, 2u);
  const auto refused = bench_.records(kQuarantineTopic);
  ASSERT_EQ(refused.size(), 2u);
  const auto first = Json::parse(refused[0].first);
  EXPECT_EQ(first["stage"], "ingest");
  EXPECT_EQ(first["where"], "jan.csv:2");
  EXPECT_EQ(first["codec"], "csv");
  EXPECT_EQ(first["source"], "shop");
  EXPECT_THAT(first["message"].get<std::string>(), HasSubstr("'x' is not a number"));
  EXPECT_EQ(refused[0].second, "1,7,a,x,2.5,2024-01-01");
  EXPECT_EQ(Json::parse(refused[1].first)["where"], "jan.csv:3");
}

TEST_F(IngestTest, QuarantinesMappedEventsThatTheValidationRefuses) {
  const auto result =
      bench_.run(sales("jan.csv", "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n2,7,b,1,1,2100-01-01\n"));
  EXPECT_EQ(result.counts.events, 1u);
  EXPECT_EQ(result.counts.quarantined, 1u);
  const auto refused = bench_.records(kQuarantineTopic);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(Json::parse(refused[0].first)["where"], "jan.csv:3");
  EXPECT_EQ(Json::parse(refused[0].first)["codec"], "native");
  EXPECT_EQ(Json::parse(refused[0].second)["order"]["order_id"], "2");
}

TEST_F(IngestTest, ARowWithoutAnyColumnIsRefusedLikeOthers) {
  const auto map =
      bench_.folder.write("m.yaml", "format: jsonl\ntype: login\ntime: at\nfields: {user_id: who}\n");
  const auto file = bench_.folder.write("rows.jsonl", "{}\n{\"at\":\"2024-01-01\",\"who\":\"u\"}\n");
  const auto result = bench_.run({.format = "jsonl", .map = map, .files = {file}});
  EXPECT_EQ(result.counts.events, 1u);
  EXPECT_EQ(result.counts.quarantined, 1u);
}

TEST_F(IngestTest, RecognisesTheSameContentUnlessAskedAgain) {
  constexpr std::string_view kContent = "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n";
  bench_.run(sales("jan.csv", kContent));
  auto other_name = sales("copy.csv", kContent);
  EXPECT_EQ(bench_.run(other_name).skipped_files, 1u);
  EXPECT_EQ(ids().size(), 1u);
  bench_.ingest = Ingest::open(*bench_.log, Env::system(), bench_.folder.path() / "ingested.sqlite").value();
  EXPECT_TRUE(bench_.run(other_name).files[0].skipped) << "also after a restart";
  other_name.again = true;
  EXPECT_EQ(bench_.run(other_name).skipped_files, 0u);
  EXPECT_EQ(ids().size(), 2u);
  EXPECT_EQ(ids()[0], ids()[1]) << "so that the warehouse keeps one of them";
  EXPECT_EQ(replacing(), 1u);
}

TEST_F(IngestTest, LoadsTheSameContentReadInAnotherWayAndReplacesWhatItWas) {
  auto request = sales("jan.csv", "no,who,code,n,price,at\n1,7,a,x,1,2024-01-01\n");
  bench_.run(request);
  const auto refused = Json::parse(bench_.records(kQuarantineTopic).at(0).first);
  EXPECT_FALSE(refused.contains("replaces"));

  auto mapping = std::string(kSales);
  mapping.replace(mapping.find("quantity: n, "), 13, "");
  request.map = bench_.folder.write("mended.yaml", mapping);
  EXPECT_EQ(bench_.run(request).skipped_files, 0u);
  EXPECT_EQ(replacing(), 1u);
  EXPECT_EQ(ids().at(0), refused["message_id"]) << "so that the event takes the refused row's place";
  EXPECT_EQ(bench_.run(request).skipped_files, 1u);
  request.map = bench_.folder.write("sales.yaml", kSales);
  EXPECT_EQ(bench_.run(request).skipped_files, 1u) << "it was loaded in this way too";

  request.source = "elsewhere";
  bench_.run(request);
  EXPECT_FALSE(Json::parse(bench_.records(kQuarantineTopic).at(1).first).contains("replaces"));
}

TEST_F(IngestTest, KeepsWhatCameBeforeTheCutOfAGzipFileAndDoesNotCountItAsLoaded) {
  std::string content = "no,who,code,n,price,at\n";
  for (int i = 0; i < 50'000; ++i) content += fmt::format("{0},{0},a,1,{1},2024-01-01\n", i, i * 7919 % 9973);
  const auto whole = gzip(content);
  const auto request = sales("cut.csv.gz", std::string_view(whole).substr(0, whole.size() / 2));
  const auto result = bench_.run(request);
  EXPECT_EQ(result.failed_files, 1u);
  EXPECT_THAT(result.files[0].error->text(), HasSubstr("cut short"));
  EXPECT_GT(result.counts.events, 10'000u);
  EXPECT_LT(result.counts.events, 40'000u);
  EXPECT_EQ(ids().size(), result.counts.events);
  EXPECT_EQ(replacing(), 0u);
  EXPECT_EQ(bench_.run(request).skipped_files, 0u);
  EXPECT_EQ(replacing(), result.counts.events) << "it was begun";
}

TEST_F(IngestTest, TakesVisitsInBothShapes) {
  const auto path = bench_.folder.write(
      "visits.jsonl",
      R"({"session_id":"S-1","user_id":"U-1","device_type":"mobile","geolocation":"1.5,2.5",)"
      R"("user_agent":"x","events":[{"event":{"event_type":"page_view","timestamp":"2024-01-01T10:00:00",)"
      R"("details":{"page_url":"https://a.example/home","referrer_url":null}}}]})"
      "\nnot json\n"
      R"({"session_id":"S-2","user_id":"U-2","events":[{"event_type":"page_view",)"
      R"("timestamp":"2024-01-01T10:00:00Z","details":{"page_url":"https://a.example/"}}]})"
      "\n");
  const auto result = bench_.run({.format = "visits", .files = {path}});
  EXPECT_EQ(result.counts.rows, 3u);
  EXPECT_EQ(result.counts.events, 2u);
  EXPECT_EQ(result.counts.quarantined, 1u);
  EXPECT_EQ(Json::parse(bench_.records(kQuarantineTopic)[0].first)["where"], "visits.jsonl:2");
  bench_.for_each_event([](const Event& event) { EXPECT_EQ(event.source, "visits"); });
}

TEST_F(IngestTest, TakesEveryFamilyOfEvents) {
  const auto run = [&](std::string_view format, std::string_view content) {
    return bench_.run({.format = std::string(format), .files = {bench_.folder.write(format, content)}})
        .counts;
  };
  EXPECT_EQ(
      run("segment",
          R"([{"type":"track","event":"Order Completed","userId":"u","messageId":"m1","timestamp":"2024-01-01T00:00:00Z",
      "properties":{"order_id":"o","products":[{"product_id":"p","price":2,"quantity":1}]}}])")
          .events,
      1u);
  EXPECT_EQ(run("native",
                "{\"type\":\"read\",\"user_id\":\"u\",\"event_time\":\"2024-01-01T00:00:00Z\",\"items\":[{"
                "\"item_id\":\"a\"}]}")
                .events,
            1u);
  EXPECT_EQ(
      run("cloudevents",
          R"({"specversion":"1.0","id":"c1","source":"s","type":"page_view","time":"2024-01-01T00:00:00Z",
      "data":{"user_id":"u","page_url":"https://a.example/x"}})")
          .events,
      1u);
  EXPECT_EQ(
      run("activity",
          R"({"session_id":"s","customer_number":7,"city":"Paris","country":"France","credit_limit":1000,
      "browse_history":[{"product_code":"P1","quantity":"1","in_shopping_cart":true}]})")
          .events,
      1u);
  EXPECT_EQ(
      run("ga4",
          R"({"client_id":"c","timestamp_micros":1704067200000000,"events":[{"name":"page_view","params":{"session_id":"1"}}]})")
          .events,
      1u);
  EXPECT_EQ(bench_.records(kQuarantineTopic).size(), 0u);
}

TEST_F(IngestTest, PutsItemsAndUsersWithoutAMapping) {
  const auto items = bench_.folder.write("items.csv", "item_id,name,price\na,Tea,1.5\n,None,1\nb,Mug,\n");
  const auto users = bench_.folder.write("users.jsonl", "{\"id\":7,\"country\":\"France\",\"age\":30}\n");
  EXPECT_EQ(bench_.run({.format = "items", .files = {items}}).counts.events, 2u);
  EXPECT_EQ(bench_.run({.format = "users", .files = {users}}).counts.events, 1u);
  const auto put = bench_.records(kItemsTopic);
  ASSERT_EQ(put.size(), 2u);
  EXPECT_EQ(put[0].second, R"({"op":"put","id":"a","attributes":{"name":"Tea","price":"1.5"}})");
  EXPECT_EQ(put[1].second, R"({"op":"put","id":"b","attributes":{"name":"Mug"}})");
  EXPECT_EQ(bench_.records(kUsersTopic)[0].second,
            R"({"op":"put","id":"7","attributes":{"country":"France","age":30}})");
  EXPECT_EQ(bench_.records(kQuarantineTopic).size(), 1u);
}

TEST_F(IngestTest, RefusesRequestsThatMakeNoSenseBeforeLoadingAnything) {
  const auto good = sales("jan.csv", "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n");
  const auto code = [&](IngestRequest request) { return bench_.ingest->run(request).error().code; };
  auto request = good;
  request.format = "xml";
  EXPECT_EQ(code(request), Code::kInvalid);
  request.format = "segment";
  EXPECT_EQ(code(request), Code::kInvalid) << "a mapping is of no use";
  request.format = "items";
  EXPECT_EQ(code(request), Code::kInvalid) << "the mapping is for events";
  request = good;
  request.map.clear();
  EXPECT_EQ(code(request), Code::kInvalid);
  request.map = "/no/such/mapping.yaml";
  EXPECT_EQ(code(request), Code::kNotFound);
  request = good;
  request.files.push_back("/no/such/file.csv");
  EXPECT_EQ(code(request), Code::kNotFound);
  EXPECT_TRUE(ids().empty());
}

TEST_F(IngestTest, GoesOnWithTheNextFileWhenOneFails) {
  auto request = sales("bad.csv", "a,b\n1,2\n");
  request.files.push_back(bench_.folder.write("good.csv", "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n"));
  const auto result = bench_.run(request);
  EXPECT_EQ(result.failed_files, 1u);
  EXPECT_THAT(result.files[0].error->text(), HasSubstr("no column"));
  EXPECT_EQ(result.counts.events, 1u);
}

TEST_F(IngestTest, StopsWhenAskedAndDoesNotCountTheFileAsLoaded) {
  const auto request = sales("jan.csv", "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(bench_.ingest->run(request, {}, stop.get_token()).error().code, Code::kCancelled);
  EXPECT_EQ(bench_.run(request).skipped_files, 0u);
}

TEST_F(IngestTest, TellsHowFarItIs) {
  std::vector<IngestProgress> seen;
  const auto request = sales("jan.csv", "no,who,code,n,price,at\n1,7,a,1,1,2024-01-01\n");
  ASSERT_TRUE(bench_.ingest->run(request, [&](const IngestProgress& progress) { seen.push_back(progress); }));
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().bytes_done, seen.back().bytes_total);
  EXPECT_EQ(seen.back().counts.rows, 1u);
  EXPECT_GT(seen.back().rows_per_second, 0);
}

TEST_F(IngestTest, SaysWhenTheDelimiterIsWrongAndWhatToWrite) {
  const auto refusal = [&](const IngestRequest& request) {
    const auto result = bench_.run(request);
    EXPECT_EQ(result.failed_files, 1u);
    return result.files[0].error ? result.files[0].error->text() : "";
  };
  EXPECT_THAT(refusal(sales("semicolons.csv", "no;who;code;n;price;at\n1;7;a;1;2,5;2024-01-01\n")),
              testing::AllOf(HasSubstr("semicolons.csv: "), HasSubstr("one column, 'no;who;code"),
                             HasSubstr("delimiter: \";\"")));
  EXPECT_THAT(refusal({.format = "items", .files = {bench_.folder.write("tabs.csv", "id\tname\na\tTea\n")}}),
              testing::AllOf(HasSubstr("separated by tabs"), HasSubstr("delimiter: tab")));
  EXPECT_THAT(refusal({.format = "items", .files = {bench_.folder.write("name.csv", "name\nTea\n")}}),
              HasSubstr("name.csv: the file has no column 'id'"));
}

TEST_F(IngestTest, NamesEveryColumnThatIsNotThere) {
  const auto result = bench_.run(sales("jan.csv", "num,who,code,n,pric\n1,7,a,1,2.5\n"));
  const auto map = (bench_.folder.path() / "sales.yaml").string();
  EXPECT_EQ(result.files[0].error->text(),
            fmt::format("{0}:4: the file has no column 'at'\n{0}:5: the file has no column 'no'\n"
                        "{0}:7: the file has no column 'no'\n"
                        "{0}:8: the file has no column 'price'; did you mean 'pric'?",
                        map));
}

TEST_F(IngestTest, HintsAtADecimalComma) {
  const auto result = bench_.run(sales("jan.csv", "no,who,code,n,price,at\n1,7,a,1,\"2,55\",2024-01-01\n"));
  EXPECT_EQ(result.counts.quarantined, 1u);
  EXPECT_THAT(bench_.records(kQuarantineTopic).at(0).first,
              HasSubstr("column 'price': '2,55' is not a number; write a point before the decimals"));
}

TEST_F(IngestTest, RefusesItemsWithAnUnreadablePrice) {
  const auto plain = bench_.folder.write("items.csv", "id,price\na,1.5\nb,\"1,5\"\nc,\n");
  EXPECT_EQ(bench_.run({.format = "items", .files = {plain}}).counts.quarantined, 1u);
  const auto lines = bench_.folder.write("items.jsonl", R"({"id":"d","price":1.5}
{"id":"e","price":"cheap"}
{"id":"f","price":true}
{"id":"g","price":null}
)");
  EXPECT_EQ(bench_.run({.format = "items", .files = {lines}}).counts.quarantined, 2u);
  const auto map = bench_.folder.write("items.yaml", "produce: items\nid: no\nattributes: {price: Preis}\n");
  const auto mapped = bench_.folder.write("mapped.csv", "no,Preis\nh,2\ni,free\n");
  EXPECT_EQ(bench_.run({.format = "csv", .map = map, .files = {mapped}}).counts.quarantined, 1u);
  EXPECT_EQ(bench_.records(kItemsTopic).size(), 5u);
  EXPECT_THAT(bench_.records(kQuarantineTopic).back().first, HasSubstr("column 'Preis': 'free' is not"));
}

/// Answers kOverloaded to every second append, as a log under pressure does: at once, or, as a full disk is
/// found out, when others have been handed over already.
class OverloadedLog final : public EventLog {
 public:
  enum class Refuses : std::uint8_t { kAtOnce, kLate };

  explicit OverloadedLog(EventLog& log, Refuses refuses = Refuses::kAtOnce) : log_(log), refuses_(refuses) {}

  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override {
    if (++appends_ % 2 == 0) return log_.append(to, std::move(batch), std::move(done));
    if (refuses_ == Refuses::kAtOnce) return done(fail(Code::kOverloaded, "try again later"));
    late_.emplace_back([done = std::move(done)] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      done(fail(Code::kNoSpace, "the disk is full"));
    });
  }
  Status create_topic(std::string_view topic, const TopicConfig& config) override {
    return log_.create_topic(topic, config);
  }
  Status delete_topic(std::string_view topic) override { return log_.delete_topic(topic); }
  std::map<std::string, TopicConfig> topics() const override { return log_.topics(); }
  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override {
    return log_.read(partition, from, limits);
  }
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    return log_.offset_at_time(partition, time);
  }
  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    return log_.stats(partition);
  }
  Status commit(std::string_view group, const TopicPartition& partition, Offset next) override {
    return log_.commit(group, partition, next);
  }
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override {
    return log_.committed(group, partition);
  }
  Status delete_group(std::string_view group, std::string_view topic) override {
    return log_.delete_group(group, topic);
  }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const override {
    return log_.wait_for_append(seen, wait);
  }

 private:
  EventLog& log_;
  const Refuses refuses_;
  int appends_ = 0;
  std::vector<std::jthread> late_;  ///< last: they end before the rest
};

TEST_F(IngestTest, WaitsAndTriesAgainWhenTheLogIsOverloaded) {
  OverloadedLog overloaded(*bench_.log);
  IngestLimits limits;
  limits.batch_bytes = 4'000;
  auto ingest =
      Ingest::open(overloaded, Env::system(), bench_.folder.path() / "other.sqlite", limits).value();
  std::string content = "no,who,code,n,price,at\n";
  for (int i = 0; i < 200; ++i) content += fmt::format("{0},{0},a,1,1,2024-01-01\n", i);
  const auto result = ingest->run(sales("jan.csv", content));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->counts.events, 200u);
  EXPECT_EQ(ids().size(), 200u);
}

TEST_F(IngestTest, KeepsTheOrderOfAnItemsChangesWhenTheLogRefusesSome) {
  OverloadedLog overloaded(*bench_.log, OverloadedLog::Refuses::kLate);
  IngestLimits limits;
  limits.batch_bytes = 4'000;
  auto ingest =
      Ingest::open(overloaded, Env::system(), bench_.folder.path() / "other.sqlite", limits).value();
  std::string content = "id,price\n";
  for (int i = 0; i < 500; ++i) content += fmt::format("a,{}\n", i);
  const auto result = ingest->run({.format = "items", .files = {bench_.folder.write("items.csv", content)}});
  ASSERT_TRUE(result) << result.error().text();
  const auto changes = bench_.records(kItemsTopic);
  ASSERT_EQ(changes.size(), 500u);
  for (int i = 0; i < 500; ++i)
    EXPECT_EQ(changes[static_cast<std::size_t>(i)].second,
              fmt::format(R"({{"op":"put","id":"a","attributes":{{"price":"{}"}}}})", i));
}

}  // namespace
}  // namespace millrace
