#include "server/collector.h"

#include <mutex>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "event/contracts.h"
#include "event/quarantine.h"
#include "log/topics.h"

namespace millrace {

namespace {

/// Return the id a producer gave a message that was refused, if it can be read, so that the log's lines can
/// be found by it.
std::string message_id_in(std::string_view raw) {
  const auto message = nlohmann::json::parse(raw, nullptr, false);
  if (!message.is_object()) return "";
  for (const char* name : {"messageId", "message_id", "id"}) {
    const auto found = message.find(name);
    if (found != message.end() && found->is_string()) return found->get<std::string>();
  }
  return "";
}

/// A refused record that the log is to speak of.
struct RefusedNote {
  std::uint64_t index;  ///< within its append
  std::uint64_t left_out;
  std::string message_id;
  std::string source;
  Error reason;

  void log(Offset first) const {
    const TopicPartition quarantine{std::string(kQuarantineTopic), PartitionId(0)};
    log_warning("collect", "refused an event; it is in quarantine",
                {field("record", record_id(quarantine, first + index)), field("message_id", message_id),
                 field("source", source), field("code", code_name(reason.code)),
                 field("error", reason.text()), field("not_shown_before", left_out)});
  }
};

}  // namespace

/// What is left to do of one request. Shared by the callbacks of its appends.
struct Collector::Request {
  CollectCounts counts;
  Done done;
  std::atomic<int> appends_left{1};  ///< one more than were started, until all have been
  std::mutex mutex;
  std::optional<Error> error;  ///< the first one; guarded by mutex
};

Collector::Collector(EventLog& log, Env& env, BodyLimits limits, const BackPressure* pressure)
    : log_(log),
      env_(env),
      limits_(limits),
      pressure_(pressure),
      partitions_(log.topics().at(std::string(kEventsTopic)).partitions),
      accepted_(metrics::counter("millrace_collect_events_total", "Events accepted over HTTP, durable")),
      quarantined_(metrics::counter("millrace_collect_quarantined_total",
                                    "Pieces refused over HTTP, kept in quarantine")),
      turned_away_(metrics::counter("millrace_collect_failed_requests_total",
                                    "Collect requests answered with an error")),
      overloaded_(
          metrics::counter("millrace_collect_overloaded_total",
                           "Collect requests answered 429: a job is too far behind, or the log is full")) {}

void Collector::refuse(const Done& done, Error error) {
  turned_away_.Increment();
  if (error.code == Code::kOverloaded) overloaded_.Increment();
  done(fail(std::move(error)));
}

void Collector::finish_one(Request& request) {
  if (request.appends_left.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (request.error) return refuse(request.done, *std::move(request.error));
  accepted_.Increment(static_cast<double>(request.counts.accepted));
  quarantined_.Increment(static_cast<double>(request.counts.quarantined));
  request.done(request.counts);
}

void Collector::append(const TopicPartition& to, std::vector<NewRecord> records,
                       const std::shared_ptr<Request>& request, std::function<void(Offset)> then) {
  request->appends_left.fetch_add(1, std::memory_order_relaxed);
  log_.append(to, std::move(records), [this, request, then = std::move(then)](const Result<Offset>& offset) {
    if (offset && then) then(*offset);
    if (!offset) {
      const std::lock_guard lock(request->mutex);
      if (!request->error) request->error = offset.error();
    }
    finish_one(*request);
  });
}

void Collector::collect(CodecId codec, std::string_view body, const BodyFacts& facts, Done done) {
  if (pressure_) {
    if (Status room = pressure_->check(); !room) return refuse(done, std::move(room).error());
  }
  Result<BodySplit> split = split_body(codec, body, facts, limits_);
  if (!split) return refuse(done, std::move(split).error());

  if (limits_.contracts != nullptr) limits_.contracts->count(split->notes, facts.received_time);
  auto request = std::make_shared<Request>();
  request->done = std::move(done);
  request->counts.quarantined = split->refused.size();
  if (!split->refused.empty()) request->counts.first_error = split->refused.front().reason;

  std::vector<std::vector<NewRecord>> by_partition(partitions_);
  for (const BodyRecord& record : split->accepted) {
    const std::uint64_t spread = record.key.empty() ? spread_.fetch_add(1, std::memory_order_relaxed) : 0;
    const PartitionId partition = EventLog::partition_for(record.key, partitions_, spread);
    by_partition[partition.value()].push_back(
        {record.key, record.attributes, record.value, facts.received_time, record.count});
    request->counts.accepted += record.count;
  }
  for (std::uint32_t i = 0; i < partitions_; ++i) {
    if (by_partition[i].empty()) continue;
    append({std::string(kEventsTopic), PartitionId(i)}, std::move(by_partition[i]), request);
  }
  if (!split->refused.empty()) {
    std::vector<std::string> headers;
    headers.reserve(split->refused.size());
    std::vector<NewRecord> refused;
    std::vector<RefusedNote> notes;
    for (const RefusedRecord& record : split->refused) {
      if (const auto left_out = refused_lines_.take(env_.steady_now()))
        notes.push_back({refused.size(), *left_out, message_id_in(record.value), std::string(facts.source),
                         record.reason});
      Envelope envelope = decode_envelope(record.attributes).value_or(Envelope{});
      envelope.codec = record.codec;
      headers.push_back(quarantine_header("collect", envelope, record.reason, facts));
      refused.push_back({{}, headers.back(), record.value, facts.received_time, 1});
    }
    append({std::string(kQuarantineTopic), PartitionId(0)}, std::move(refused), request,
           [notes = std::move(notes)](Offset first) {
             for (const RefusedNote& note : notes) note.log(first);
           });
  }
  finish_one(*request);
}

}  // namespace millrace
