#include "server/flow_routes.h"

#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/record_address.h"
#include "base/text.h"
#include "event/codec.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kShownBytesMax = 64 << 10;
constexpr QueryLimits kQueryLimits{.rows_max = 100, .time_max = 5 * kSecondUs};

std::string place_condition(const RecordAddress& place) {
  return fmt::format("log_topic = {} AND log_partition = {} AND log_offset = {}",
                     sql_literal(place.partition.topic), place.partition.partition.value(),
                     place.offset.value());
}

/// "text" where the bytes are text, else "base64"; long ones are cut, and "truncated" says so.
void write_bytes(JsonWriter& json, std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, kShownBytesMax);
  json.member("bytes", bytes.size()).member("truncated", shown.size() < bytes.size());
  if (is_utf8(bytes)) {
    json.member("text", shown);
  } else {
    json.member("base64", base64_encode(shown));
  }
}

/// The events of a record of topic `events`, as native events; what is wrong with one that has none.
void write_events(JsonWriter& json, const Record& record) {
  const auto envelope = decode_envelope(record.attributes);
  if (!envelope) return;
  json.member("source", envelope->source).member("codec", codec_name(envelope->codec));
  EventBatch events;
  json.key("events").begin_array();
  if (const Status decoded = decode_record(*envelope, record.value, events); decoded)
    for (const Event& event : events.events) {
      std::string text;
      append_native_event(event, text);
      json.raw(text);
    }
  json.end_array();
}

class RecordRoutes {
 public:
  explicit RecordRoutes(RecordSources sources) : sources_(std::move(sources)) {}

  /// {"record","received_time","key","bytes",…,"warehouse":{"state","events","quarantine"}}
  Result<std::string> describe(std::string_view id) const {
    MILLRACE_ASSIGN(const RecordAddress place, parse_record_id(id));
    std::string out;
    JsonWriter json(out);
    json.begin_object().member("record", record_id(place.partition, place.offset));
    MILLRACE_TRY(write_record(json, place));
    MILLRACE_TRY(write_warehouse(json, place));
    json.end_object();
    return out;
  }

  /// {"columns","rows"}: where events and refused records of a message id are.
  Result<std::string> find(std::string_view message_id) const {
    const std::string wanted = sql_literal(message_id);
    return sources_.queries.run(
        fmt::format(
            "SELECT concat(log_topic, ':', log_partition, ':', log_offset) AS record, received_time, source, "
            "type, 'events' AS \"table\" FROM events WHERE message_id = {0} UNION ALL "
            "SELECT concat(log_topic, ':', log_partition, ':', log_offset), received_time, source, "
            "code, 'quarantine' FROM quarantine WHERE message_id = {0} ORDER BY received_time DESC",
            wanted),
        kQueryLimits);
  }

 private:
  /// What the log keeps of it. Retention may have removed it: then only the tables know.
  Status write_record(JsonWriter& json, const RecordAddress& place) const {
    const auto batch = sources_.log.read(place.partition, place.offset, {.records_max = 1});
    if (!batch && batch.error().code != Code::kOutOfRange) return fail(batch.error());
    const bool there = batch && !batch->records.empty() && batch->records.front().offset == place.offset;
    json.member("in_log", there);
    if (!there) return {};
    const Record& record = batch->records.front();
    json.key("received_time").time(record.time).member("key", record.key).member("count", record.count);
    write_bytes(json, record.value);
    if (place.partition.topic == kEventsTopic) write_events(json, record);
    if (place.partition.topic == kQuarantineTopic && is_utf8(record.attributes))
      json.member("reason", record.attributes);
    return {};
  }

  /// What became of it in the tables.
  Status write_warehouse(JsonWriter& json, const RecordAddress& place) const {
    if (place.partition.topic != kEventsTopic && place.partition.topic != kQuarantineTopic) return {};
    const auto next = sources_.loaded().next;
    const auto at = next.find(place.partition);
    const bool done = at != next.end() && place.offset < at->second;
    const std::string where = place_condition(place);
    MILLRACE_ASSIGN(
        const std::string events,
        sources_.queries.run("SELECT event_time, source, type, message_id, visitor FROM events WHERE " +
                                 where + " ORDER BY event_index",
                             kQueryLimits));
    MILLRACE_ASSIGN(
        const std::string refused,
        sources_.queries.run("SELECT stage, code, message, where_, source, codec, message_id FROM "
                             "quarantine WHERE " +
                                 where,
                             kQueryLimits));
    const bool any_event = events.find(R"("rows":[])") == std::string::npos;
    const bool any_refused = refused.find(R"("rows":[])") == std::string::npos;
    json.key("warehouse")
        .begin_object()
        .member("state", !done         ? "pending"
                         : any_refused ? "quarantined"
                         : any_event   ? "applied"
                                       : "duplicate");
    json.key("events").raw(events).key("quarantine").raw(refused).end_object();
    return {};
  }

  const RecordSources sources_;
};

/// Answer with what `draw` gives, on a worker.
template <class Draw>
void answer(WorkerPool& workers, const std::shared_ptr<Exchange>& exchange, Draw draw) {
  Status queued = workers.submit([exchange, draw] {
    Result<std::string> text = draw();
    if (!text) return exchange->send_error(text.error());
    exchange->send(HttpResponse::json(200, *std::move(text)));
  });
  if (!queued) exchange->send_error(queued.error());
}

}  // namespace

void add_flow_routes(Router& router, Flow& flow, RecordSources sources, WorkerPool& workers) {
  constexpr RouteRule kRead = {Access::kRead, false};
  const auto records = std::make_shared<RecordRoutes>(std::move(sources));
  router.add("GET", "/v1/flow", kRead, [&](const std::shared_ptr<Exchange>& exchange) {
    answer(workers, exchange, [&flow] { return flow.snapshot(); });
  });
  router.add("GET", "/v1/flow/stream", kRead, [&flow](const std::shared_ptr<Exchange>& exchange) {
    const std::shared_ptr<ResponseStream> stream = exchange->start_stream("text/event-stream");
    if (Status added = flow.add_stream(stream); !added) stream->end();
  });
  router.add("GET", "/v1/records/{record}", kRead,
             [&workers, records](const std::shared_ptr<Exchange>& exchange) {
               answer(workers, exchange,
                      [exchange, records] { return records->describe(exchange->path_values.front()); });
             });
  router.add("GET", "/v1/records", kRead, [&workers, records](const std::shared_ptr<Exchange>& exchange) {
    answer(workers, exchange, [exchange, records]() -> Result<std::string> {
      const std::string_view id = exchange->request.query().get("message_id");
      if (id.empty()) return fail(Code::kInvalid, "name the message: /v1/records?message_id=ID");
      return records->find(id);
    });
  });
}

}  // namespace millrace
