#include "server/topic_routes.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::int64_t kReadRecordsMax = 1'000;
constexpr std::size_t kReadBytesMax = 4 << 20;

Status check_writable(std::string_view topic) {
  if (!is_reserved_topic(topic)) return {};
  return fail(Code::kDenied,
              "the topic '" + std::string(topic) + "' is written by Millrace alone; use the collect routes");
}

constexpr std::string_view kAttributePrefix = "x-attribute-";

/// Return what follows "X-Attribute-" in a header's name, in small letters; "" for another header.
std::string attribute_name(std::string_view header) {
  std::string name(header);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name.starts_with(kAttributePrefix) ? name.substr(kAttributePrefix.size()) : "";
}

/// The small header of a published message: its content type, as it came, and its attributes.
std::string message_header(const HttpRequest& request) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("content_type", request.header("Content-Type"));
  bool any = false;
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const auto [header, value] = request.header_at(i);
    const std::string name = attribute_name(header);
    if (name.empty()) continue;
    if (!std::exchange(any, true)) json.key("attributes").begin_object();
    json.member(name, value);
  }
  if (any) json.end_object();
  json.end_object();
  return out;
}

class TopicRoutes {
 public:
  TopicRoutes(EventLog& log, Env& env) : log_(log), env_(env) {}

  void list(Exchange& exchange) const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("topics").begin_array();
    for (const auto& [name, config] : log_.topics()) write_topic(json, name, config);
    json.end_array().end_object();
    exchange.send(HttpResponse::json(200, out));
  }

  void make(Exchange& exchange) const {
    const std::string& topic = exchange.path_values.front();
    if (Status writable = check_writable(topic); !writable) return exchange.send_error(writable.error());
    TopicConfig config;
    if (const auto known = log_.topics(); known.contains(topic)) config = known.at(topic);
    if (Status read = read_config(exchange.request.query(), config); !read)
      return exchange.send_error(read.error());
    if (Status made = log_.create_topic(topic, config); !made) return exchange.send_error(made.error());
    exchange.send(HttpResponse::json(200, R"({"success":true})"));
  }

  void publish(const std::shared_ptr<Exchange>& exchange) {
    const std::string& topic = exchange->path_values.front();
    if (Status writable = check_writable(topic); !writable) return exchange->send_error(writable.error());
    const auto topics = log_.topics();
    const auto found = topics.find(topic);
    if (found == topics.end())
      return exchange->send(HttpResponse::error(
          404, "not_found", "there is no topic '" + topic + "'; make it with PUT /v1/topics/" + topic));
    const std::string_view key = exchange->request.header("X-Key");
    const PartitionId partition =
        EventLog::partition_for(key, found->second.partitions, spread_.fetch_add(1));
    const std::string header = message_header(exchange->request);
    log_.append({topic, partition}, {{key, header, exchange->request.body(), env_.now(), 1}},
                [exchange, partition](const Result<Offset>& offset) {
                  if (!offset) return exchange->send_error(offset.error());
                  exchange->send(HttpResponse::json(200, fmt::format(R"({{"partition":{},"offset":{}}})",
                                                                     partition.value(), offset->value())));
                });
  }

  void read(Exchange& exchange) const {
    const QueryParameters& query = exchange.request.query();
    const auto partition = query.integer("partition", 0, 0, 1'023);
    const auto offset = query.integer("offset", 0, 0, std::numeric_limits<std::int64_t>::max());
    const auto n = query.integer("n", 100, 1, kReadRecordsMax);
    for (const auto* number : {&partition, &offset, &n})
      if (!*number) return exchange.send_error(number->error());
    const TopicPartition from{exchange.path_values.front(),
                              PartitionId(static_cast<std::uint32_t>(*partition))};
    const auto batch = log_.read(from, Offset(static_cast<std::uint64_t>(*offset)),
                                 {static_cast<std::size_t>(*n), kReadBytesMax, 0});
    if (!batch) return exchange.send_error(batch.error());
    exchange.send(HttpResponse::json(200, messages_json(*batch)));
  }

 private:
  static Status read_config(const QueryParameters& query, TopicConfig& config) {
    MILLRACE_ASSIGN(const std::int64_t partitions, query.integer("partitions", config.partitions, 1, 1'024));
    config.partitions = static_cast<std::uint32_t>(partitions);
    if (const std::string* retention = query.find("retention")) {
      MILLRACE_ASSIGN(config.retention, parse_duration(*retention));
      if (config.retention < kDayUs) return fail(Code::kInvalid, "retention must be at least 24h");
    }
    if (const std::string* type = query.find("content_type")) config.content_type = *type;
    return {};
  }

  void write_topic(JsonWriter& json, const std::string& name, const TopicConfig& config) const {
    json.begin_object()
        .member("name", name)
        .member("partitions", config.partitions)
        .member("retention_s", config.retention / kSecondUs)
        .member("content_type", config.content_type)
        .key("partition_stats")
        .begin_array();
    for (std::uint32_t i = 0; i < config.partitions; ++i) {
      const auto stats = log_.stats({name, PartitionId(i)});
      if (!stats) continue;
      json.begin_object()
          .member("start", stats->start.value())
          .member("end", stats->end.value())
          .member("count", stats->count_total)
          .member("bytes", stats->bytes)
          .end_object();
    }
    json.end_array().end_object();
  }

  static std::string messages_json(const RecordBatch& batch) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("messages").begin_array();
    for (const Record& record : batch.records)
      json.begin_object()
          .member("offset", record.offset.value())
          .key("time")
          .time(record.time)
          .member("key", record.key)
          .member("attributes_base64", base64_encode(record.attributes))
          .member("value_base64", base64_encode(record.value))
          .end_object();
    json.end_array().member("next", batch.next.value()).end_object();
    return out;
  }

  EventLog& log_;
  Env& env_;
  std::atomic<std::uint64_t> spread_{0};
};

}  // namespace

void add_topic_routes(Router& router, EventLog& log, Env& env) {
  const auto routes = std::make_shared<TopicRoutes>(log, env);
  constexpr RouteRule kRead = {Access::kRead, false};
  router.add("GET", "/v1/topics", kRead, [routes](const auto& exchange) { routes->list(*exchange); });
  router.add("PUT", "/v1/topics/{topic}", kRead, [routes](const auto& exchange) { routes->make(*exchange); });
  router.add("POST", "/v1/topics/{topic}/messages", {Access::kCollect, false},
             [routes](const auto& exchange) { routes->publish(exchange); });
  router.add("GET", "/v1/topics/{topic}/messages", kRead,
             [routes](const auto& exchange) { routes->read(*exchange); });
}

}  // namespace millrace
