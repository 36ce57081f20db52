#include "app/config.h"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ConfigTest : public testing::Test {
 protected:
  Result<Config> load(std::string_view text) {
    EXPECT_TRUE(write_file_atomically(Env::system(), file_, text));
    return load_config(Env::system(), file_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  const Path dir_ = [] {
    std::string name = testing::TempDir() + "config_test_XXXXXX";
    return Path(mkdtemp(name.data()));
  }();
  const Path file_ = dir_ / "millrace.yaml";
};

TEST_F(ConfigTest, AnEmptyFileGivesTheDefaults) {
  const auto config = load("{}\n");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->listen, "127.0.0.1:8080");
  EXPECT_EQ(config->collect_limits.event_bytes_max, 32'000u);
  EXPECT_FALSE(config->events_partitions);
}

TEST_F(ConfigTest, ReadsApisWithTheirSecretsPagesAndLimits) {
  setenv("API_TOKEN", "token-of-the-api", 1);
  ASSERT_TRUE(write_file_atomically(Env::system(), dir_ / "orders.yaml",
                                    "source: web\nformat: jsonl\ntype: read\ntime: at\n"));
  const auto config = load(R"(
sources:
  orders:
    kind: http
    url: https://api.example/v1/orders
    parameters: {status: "paid&open"}
    auth: {bearer: "${env:API_TOKEN}"}
    items: data.orders
    paging: {cursor: /meta/next, parameter: after, more: meta.more, size_parameter: limit, size: 50}
    since: {field: updated.at, parameter: since, start: 2026-01-01}
    every: 10s
    map: orders.yaml
    limits: {page_bytes: 1MiB, requests_per_second: 0.5, timeout: 5s, pages_max: 10}
  people: {kind: http, url: "http://127.0.0.1:9/p", auth: {user: u, password: p}, format: native, paging: {link: header}}
)");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_TRUE(config->sources.empty());
  ASSERT_EQ(config->apis.size(), 2u);
  const HttpSource& orders = config->apis[0];
  EXPECT_EQ(orders.url.address, "api.example:443");
  EXPECT_EQ(orders.url.target, "/v1/orders?status=paid%26open");
  EXPECT_EQ(orders.headers[0].value, "Bearer token-of-the-api");
  EXPECT_EQ(orders.secrets, std::vector<std::string>{"token-of-the-api"});
  EXPECT_EQ(orders.items, "/data/orders");
  EXPECT_EQ(orders.paging.next, "/meta/next");
  EXPECT_EQ(orders.paging.more, "/meta/more");
  EXPECT_EQ(orders.since->field, "/updated/at");
  EXPECT_EQ(orders.source, "web");
  EXPECT_EQ(orders.limits.requests_per_second, 0.5);
  EXPECT_EQ(config->apis[1].source, "people");
  EXPECT_EQ(config->apis[1].headers[0].value, "Basic dTpw");
  EXPECT_EQ(config->apis[1].paging.kind, HttpPaging::Kind::kLink);
}

TEST_F(ConfigTest, WhatLooksSecretOfAnApiIsNeitherPrintedNorSentInTheOpen) {
  const auto config = load(R"(
sources:
  a:
    kind: http
    url: https://api.example/x?api_key=a%2Fb&n=5
    parameters: {sort: id, filter: "paid since the 1st"}
    headers: {Authorization: Bearer t-7731, X-Version: 2, User-Agent: a program of our own}
    format: native
)");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_THAT(config->apis[0].secrets,
              ElementsAre("a/b", "a%2Fb", "paid since the 1st", "paid%20since%20the%201st", "Bearer t-7731",
                          "Bearer%20t-7731", "t-7731"));
  const auto open = load(R"(
sources:
  a: {kind: http, url: "http://api.example/x?api_key=abc", format: native}
  b: {kind: http, url: "http://api.example/x", headers: {X-Tenant: t}, format: native}
  c: {kind: http, url: "http://api.example/x", parameters: {n: 5, token: abc}, format: native}
  d: {kind: http, url: "http://api.example/x?n=5", headers: {Accept: text/json}, format: native}
  e: {kind: http, url: "http://u:pw@api.example/x", format: native}
)");
  ASSERT_FALSE(open);
  for (const char* line : {"yaml:3: would go", "yaml:4: would go", "yaml:5: would go"})
    EXPECT_THAT(open.error().text(), HasSubstr(line));
  EXPECT_THAT(open.error().text(), Not(HasSubstr("yaml:6")));
  EXPECT_THAT(open.error().text(), Not(HasSubstr("pw")));
}

TEST_F(ConfigTest, ReadsSourcesWithTheirSecretsTablesAndLimits) {
  setenv("SOURCE_PASSWORD", "source-secret", 1);
  const auto config = load(R"(
sources:
  shop:
    kind: mysql
    host: db.example
    user: reader
    password: ${env:SOURCE_PASSWORD}
    database: shop_live
    zone: Europe/Paris
    tables: {orders: {cursor: updated_at, exclude: [note]}, lines: {whole: true}}
    limits: {rows_per_second: 1000, bytes_per_second: 1MB, lag_max: 10s, threads_running_max: 20, wait: 5s}
  here: {kind: mysql, user: u, database: d, tables: [a, b], allow_primary: true}
)");
  ASSERT_TRUE(config) << config.error().text();
  ASSERT_EQ(config->sources.size(), 2u);
  const MysqlSource& shop = config->sources[0];
  EXPECT_EQ(shop.name, "shop");
  EXPECT_EQ(shop.password, "source-secret");
  EXPECT_EQ(shop.tls, MysqlSource::Tls::kVerify);
  EXPECT_FALSE(shop.allow_primary);
  ASSERT_EQ(shop.tables->size(), 2u);
  EXPECT_EQ(shop.tables->at(0).cursor, "updated_at");
  EXPECT_TRUE(shop.tables->at(1).whole);
  EXPECT_EQ(shop.limits.bytes_per_second, 1'000'000u);
  EXPECT_EQ(shop.limits.wait, 5 * kSecondUs);
  EXPECT_EQ(config->sources[1].tls, MysqlSource::Tls::kOff);
  EXPECT_EQ(config->sources[1].tables->at(1).name, "b");
}

TEST_F(ConfigTest, ReadsWhichTablesOfASourceMakeOrders) {
  EXPECT_TRUE(write_file_atomically(
      Env::system(), dir_ / "orders.yaml",
      "type: purchase\ntime: orders.placed\norder: {order_id: orders.id}\nitem: {item_id: lines.product}\n"));
  const auto config = load(R"(
sources:
  shop:
    kind: mysql
    user: u
    database: d
    orders:
      map: orders.yaml
      head: {orders: id}
      lines: {lines: order_id}
      join: {people: {id: orders.who}, places: {code: people.place}}
      wait: 5s
)");
  ASSERT_TRUE(config) << config.error().text();
  const OrderMapping& orders = *config->sources[0].orders;
  EXPECT_EQ(orders.tables.source, "shop");
  EXPECT_EQ(orders.tables.head.text(), "orders.id");
  EXPECT_EQ(orders.tables.lines.text(), "lines.order_id");
  ASSERT_EQ(orders.tables.joins.size(), 2u);
  EXPECT_EQ(orders.tables.joins[1].own.text(), "places.code");
  EXPECT_EQ(orders.tables.joins[1].to.text(), "people.place");
  EXPECT_EQ(orders.tables.wait, 5 * kSecondUs);
  EXPECT_EQ(orders.mapping.source, "shop");
}

TEST_F(ConfigTest, RefusesSourcesThatCannotBe) {
  const auto config = load(R"(
sources:
  main: {kind: mysql, user: u, database: d}
  shop: {user: u, database: d, zone: Mars/Phobos, tables: some}
)");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().text(), HasSubstr("a source cannot be called main"));
  EXPECT_THAT(config.error().text(), HasSubstr("Mars/Phobos"));
  EXPECT_THAT(config.error().text(), HasSubstr("takes all, a list of tables, or a map of them"));
  EXPECT_THAT(config.error().text(), HasSubstr("kind"));
}

TEST_F(ConfigTest, ReadsEverySection) {
  const auto config = load(R"(
data: my-data
listen: 127.0.0.1:9000
server: {threads: 3, hosts: [shop.example], request_timeout: 10s}
collect:
  event_bytes_max: 64KB
  lag_records_max: 500000
  write_keys: {web: abc, app: def}
log: {retention: 14d, partitions: 8}
warehouse: {memory: 1GiB, duplicate_ids_max: 50000}
recommend: {deadline: 20ms, exclude_bought: false, weights: {view: 0.5}, limits: {items: 1000, attribute_bytes: 1MB},
            snapshot_interval: 30m,
            streaming: {enabled: false, age_max: 5s}}
lake: {interval: 10s, file_bytes: 8MB, memory: 32MB, lateness: 1m, compression_level: -3}
logging: {format: json, level: warning}
)");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->data, dir_ / "my-data");
  EXPECT_EQ(config->hosts, std::vector<std::string>{"shop.example"});
  EXPECT_EQ(config->write_keys.at("def"), "app");
  EXPECT_EQ(config->events_topic.retention, 14 * kDayUs);
  EXPECT_EQ(config->events_partitions, 8u);
  EXPECT_EQ(config->duplicate_ids_max, 50'000u);
  EXPECT_EQ(config->lag_records_max, 500'000u);
  EXPECT_TRUE(config->archive);
  EXPECT_EQ(config->lake.interval, 10 * kSecondUs);
  EXPECT_EQ(config->lake.file_bytes_max, 8'000'000u);
  EXPECT_EQ(config->lake.memory_bytes_max, 32'000'000u);
  EXPECT_EQ(config->lake.lateness, kMinuteUs);
  EXPECT_EQ(config->lake.compression_level, -3);
  EXPECT_EQ(config->model.deadline, 20 * kMillisecondUs);
  EXPECT_FALSE(config->model.exclude_bought);
  EXPECT_DOUBLE_EQ(config->model.weights.view, 0.5);
  EXPECT_EQ(config->recommender.items, 1000u);
  EXPECT_EQ(config->recommender_snapshot_interval, 30 * kMinuteUs);
  EXPECT_EQ(config->recommender.attribute_bytes, 1'000'000u);
  EXPECT_FALSE(config->streaming.enabled);
  EXPECT_EQ(config->streaming.age_max, 5 * kSecondUs);
  EXPECT_EQ(config->log_format, LogFormat::kJson);
}

TEST_F(ConfigTest, ATypoIsRefusedWithItsLineAndTheNearestName) {
  const auto config = load("listen: 127.0.0.1:1\nlog:\n  retenton: 7d\n");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().text(), HasSubstr("millrace.yaml:3"));
  EXPECT_THAT(config.error().text(), HasSubstr("retention"));
}

TEST_F(ConfigTest, PushTargetsAreUrlsOrMapsWithSecretsThatNoMessageShows) {
  setenv("MILLRACE_TEST_HOOK_SECRET", "s3cret", 1);
  const auto config = load(R"(
subscriptions:
  push_targets:
    - http://127.0.0.1:9000/hooks/
    - {url: "http://b/", secret: "${env:MILLRACE_TEST_HOOK_SECRET}", authorization: Bearer t}
)");
  ASSERT_TRUE(config) << config.error().text();
  ASSERT_EQ(config->push_targets.size(), 2u);
  EXPECT_EQ(config->push_targets[0].url, "http://127.0.0.1:9000/hooks/");
  EXPECT_EQ(config->push_targets[1].secret, "s3cret");
  EXPECT_EQ(config->push_targets[1].authorization, "Bearer t");
  const auto wrong = load(
      "subscriptions:\n  push_targets:\n    - {url: 'ftp://b/', secret: "
      "'${env:MILLRACE_TEST_HOOK_SECRET}'}\n");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(), HasSubstr("millrace.yaml:3"));
  EXPECT_THAT(wrong.error().text(), HasSubstr("http(s)://HOST"));
  EXPECT_THAT(wrong.error().text(), testing::Not(HasSubstr("s3cret")));
}

TEST_F(ConfigTest, ListeningBeyondThisMachineNeedsAToken) {
  Config config;
  EXPECT_TRUE(check_config(config));
  config.listen = "0.0.0.0:8080";
  EXPECT_EQ(check_config(config).error().code, Code::kDenied);
  config.token = "secret";
  EXPECT_TRUE(check_config(config));
  config.token = "open sesame";
  EXPECT_EQ(check_config(config).error().code, Code::kInvalid);
  config.token = "s\xC3\xA9same";
  EXPECT_EQ(check_config(config).error().code, Code::kInvalid);
  config.token = "s3same-._~+/=";
  EXPECT_TRUE(check_config(config));
  config.listen = "8080";
  EXPECT_EQ(check_config(config).error().code, Code::kInvalid);
}

TEST_F(ConfigTest, ReadsTheAggregationsBesideIt) {
  EXPECT_TRUE(load("{}\n")->aggregations->empty());
  std::filesystem::create_directories(dir_ / "aggregations");
  for (const auto* name : {"b.yaml", "a.yaml", "README.md"})
    ASSERT_TRUE(write_file_atomically(Env::system(), dir_ / "aggregations" / name, name));
  const auto config = load("{}\n");
  ASSERT_TRUE(config) << config.error().text();
  ASSERT_EQ(config->aggregations->size(), 2u);
  EXPECT_EQ((*config->aggregations)[0].path, dir_ / "aggregations" / "a.yaml");
  EXPECT_EQ((*config->aggregations)[1].text, "b.yaml");
  ASSERT_TRUE(write_file_atomically(Env::system(), dir_ / "aggregations" / "c.yml", ""));
  EXPECT_EQ(load("{}\n")->aggregations->size(), 3u)
      << "refused with the other mistakes, when they are declared";
  EXPECT_FALSE(Config().aggregations);
}

TEST_F(ConfigTest, NoTrainingSetLiesWithinThePathOfAnother) {
  Env& env = Env::system();
  std::filesystem::create_directories(dir_ / "sets");
  const auto put = [&](const char* name, const std::string& path) {
    ASSERT_TRUE(write_file_atomically(env, dir_ / "sets" / name,
                                      "labels: {from: SELECT 1 AS a, key: a}\npath: " + path + "\n"));
  };
  put("a.yaml", "exports");
  put("b.yaml", "exports_b");
  EXPECT_EQ(load_training_sets(env, dir_ / "sets", {})->sets.size(), 2u);
  put("b.yaml", "exports/b");
  const auto within = load_training_sets(env, dir_ / "sets", {});
  ASSERT_EQ(within->sets.size(), 1u);
  EXPECT_EQ(within->sets[0].name, "a");
  EXPECT_THAT(within->problems.at("b").text(),
              testing::AllOf(HasSubstr("b.yaml"), HasSubstr("exports/b lies within exports, the path of a")));
  put("b.yaml", "exports");
  EXPECT_TRUE(load_training_sets(env, dir_ / "sets", {})->sets.empty());
}

TEST_F(ConfigTest, ABrokenTrainingSetKeepsNobodyFromTheOthers) {
  Env& env = Env::system();
  std::filesystem::create_directories(dir_ / "sets");
  ASSERT_TRUE(
      write_file_atomically(env, dir_ / "sets" / "good.yaml", "labels: {from: SELECT 1 AS a, key: a}\n"));
  ASSERT_TRUE(write_file_atomically(env, dir_ / "sets" / "bad.yaml", "lables: {}\n"));
  auto project = load_training_sets(env, dir_ / "sets", {});
  ASSERT_TRUE(project);
  EXPECT_TRUE(find_training_set(*project, "good"));
  EXPECT_THAT(find_training_set(*project, "bad").error().text(),
              testing::AllOf(HasSubstr("bad.yaml:1"), HasSubstr("labels")));
  EXPECT_THAT(find_training_set(*project, "goood").error().text(), HasSubstr("did you mean good?"));
}

TEST_F(ConfigTest, AMissingFolderOfTransformsIsNotOneWithoutAny) {
  Env& env = Env::system();
  EXPECT_FALSE(load_sql_transforms(env, dir_ / "transforms")->has_value());
  std::filesystem::create_directories(dir_ / "transforms");
  EXPECT_TRUE(load_sql_transforms(env, dir_ / "transforms")->value().empty());
  ASSERT_TRUE(write_file_atomically(env, dir_ / "transforms" / "a.sql", "SELECT 1 AS i"));
  EXPECT_EQ(load_sql_transforms(env, dir_ / "transforms")->value().size(), 1u);
}

}  // namespace
}  // namespace millrace
