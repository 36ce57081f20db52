#include "source/source_events.h"

#include <chrono>
#include <future>
#include <memory>

#include "base/logging.h"
#include "base/time.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kWait{5};

std::string json_of(const SourceEvent& event, TimeUs now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("type", event.type)
      .member("source", event.source)
      .member("time", format_time(now));
  if (!event.table.empty()) json.member("table", event.table);
  if (event.since != 0) {
    json.member("since", format_time(event.since));
    json.member("seconds", static_cast<std::uint64_t>((now - event.since) / kSecondUs));
  }
  json.member("message", event.message);
  if (!event.before.empty()) json.key("before").raw(event.before);
  if (!event.after.empty()) json.key("after").raw(event.after);
  json.end_object();
  return out;
}

}  // namespace

void tell_source_event(EventLog& log, Env& env, const SourceEvent& event) {
  const std::string value = json_of(event, env.now());
  log_info("follow", "told those who use the source",
           {field("type", event.type), field("source", event.source), field("table", event.table),
            field("message", event.message)});
  const auto done = std::make_shared<std::promise<Status>>();
  auto durable = done->get_future();
  log.append({std::string(kSourceEventsTopic), PartitionId(0)},
             {{.key = event.source, .attributes = {}, .value = value, .time = env.now(), .count = 1}},
             [done](const Result<Offset>& offset) {
               done->set_value(offset ? Status() : Status(fail(offset.error())));
             });
  if (durable.wait_for(kWait) != std::future_status::ready) return;
  if (const Status told = durable.get(); !told)
    log_error("follow", "could not tell those who use the source", {field("error", told.error().text())});
}

}  // namespace millrace
