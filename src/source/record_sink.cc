#include "source/record_sink.h"

#include <algorithm>

#include <fmt/format.h>

#include "event/contracts.h"
#include "event/quarantine.h"
#include "log/topics.h"
#include "source/row_reader.h"

namespace millrace {
namespace {

constexpr std::size_t kReadableBytesAfter = 64;  // what simdjson reads past the end
constexpr std::size_t kIdBytesMax = 512;         // as PUT /v1/items has it
constexpr std::size_t kEventsMax = 10'000'000;

/// Return what a row that is put aside is known by: the id that its event would have, for its first piece.
std::string refused_id(std::string_view topic, std::string_view content, const RowPlace& place,
                       std::uint64_t piece) {
  auto id = fmt::format("{}:{}", content, place.text());
  if (piece > 1) id += fmt::format("#{}", piece);
  return topic == kEventsTopic ? id : fmt::format("{}:{}", topic, id);
}

}  // namespace

std::string_view topic_of(Produce produce) {
  return produce == Produce::kEvents ? kEventsTopic : produce == Produce::kItems ? kItemsTopic : kUsersTopic;
}

RecordSink::RecordSink(EventLog& log, Env& env, const IngestLimits& limits, const std::stop_token& stop)
    : env_(env),
      limits_(limits),
      writer_(log, env, {.batch_bytes = limits.batch_bytes, .appends_in_flight = limits.appends_in_flight},
              stop) {}

void RecordSink::begin(About about) {
  about_ = std::move(about);
}

Status RecordSink::send() {
  auto status = writer_.send();
  if (!status) log_failed_ = true;
  return status;
}

Status RecordSink::flush() {
  auto status = writer_.flush();
  if (!status) log_failed_ = true;
  return status;
}

BodyFacts RecordSink::facts() const {
  BodyFacts facts;
  facts.source = about_.source;
  facts.replaces = about_.replaces;
  facts.received_time = env_.now();
  return facts;
}

Status RecordSink::add_record(std::string_view topic, const NewRecord& record) {
  if (is_known_ && is_known_(topic, record)) return {};
  auto status = writer_.add(topic, record, spread_++);
  if (!status) log_failed_ = true;
  return status;
}

Status RecordSink::quarantine(const RowPlace& place, std::string_view raw, std::string_view codec,
                              Error reason) {
  if (!reason.where.empty()) reason.message = fmt::format("{}: {}", reason.where, reason.message);
  reason.where = fmt::format("{}:{}", about_.file, place.text());
  refused_pieces_ = place == refused_place_ ? refused_pieces_ + 1 : 1;
  refused_place_ = place;
  const auto id = refused_id(about_.topic, about_.id, place, refused_pieces_);
  auto about = facts();
  about.message_id = id;
  const auto header = quarantine_header("ingest", codec, reason, about);
  ++counts_.quarantined;
  return add_record(
      kQuarantineTopic,
      {.attributes = header, .value = raw.substr(0, kBadRowBytesMax), .time = about.received_time});
}

Status RecordSink::add_split(const BodySplit& split) {
  const auto time = env_.now();
  if (limits_.contracts != nullptr) limits_.contracts->count(split.notes, time);
  for (const auto& record : split.accepted) {
    counts_.events += record.count;
    MILLRACE_TRY(add_record(kEventsTopic, {record.key, record.attributes, record.value, time, record.count}));
  }
  return {};
}

Status RecordSink::add_event(const Row& row, CodecId codec) {
  const auto message_id = fmt::format("{}:{}", about_.id, row.place.text());
  auto about = facts();
  about.message_id = message_id;
  const BodyLimits limits{limits_.event_bytes_max, limits_.event_bytes_max, kEventsMax, limits_.contracts};
  const auto split = split_body(codec, row.raw, about, limits, env_);
  if (!split) return quarantine(row.place, row.raw, codec_name(codec), split.error());
  for (const auto& refused : split->refused) {
    MILLRACE_TRY(quarantine(row.place, refused.value, codec_name(codec), refused.reason));
  }
  return add_split(*split);
}

Status RecordSink::add_mapped(Produce produce, MappedRecords& mapped) {
  auto status = Status();
  if (!mapped.pieces.empty()) {
    status = produce == Produce::kEvents ? add_mapped_events(mapped)
                                         : add_mapped_changes(topic_of(produce), mapped);
  }
  mapped.clear();
  return status;
}

/// Check mapped events as the collector checks what comes over HTTP.
Status RecordSink::add_mapped_events(MappedRecords& mapped) {
  mapped.text.reserve(mapped.text.size() + kReadableBytesAfter);
  const BodyLimits limits{limits_.event_bytes_max, SIZE_MAX, kEventsMax, limits_.contracts};
  MILLRACE_ASSIGN(const auto split, split_body(CodecId::kNative, mapped.text, facts(), limits, env_));
  for (const auto& refused : split.refused) {
    const auto begin = static_cast<std::size_t>(refused.value.data() - mapped.text.data());
    const auto after = std::ranges::upper_bound(mapped.pieces, begin, {}, &MappedRecords::Piece::begin);
    MILLRACE_TRY(
        quarantine(std::prev(after)->place, refused.value, codec_name(CodecId::kNative), refused.reason));
  }
  return add_split(split);
}

Status RecordSink::add_mapped_changes(std::string_view topic, const MappedRecords& mapped) {
  const auto time = env_.now();
  for (const auto& piece : mapped.pieces) {
    std::string reason;
    if (piece.key.size() > kIdBytesMax || piece.key.contains('\0'))
      reason = fmt::format("the id has more than {} bytes or holds a NUL", kIdBytesMax);
    if (piece.size > EventLog::kRecordBytesMax)
      reason = fmt::format("the row is larger than {} bytes", EventLog::kRecordBytesMax);
    if (!reason.empty()) {
      MILLRACE_TRY(
          quarantine(piece.place, mapped.json(piece), "change", {Code::kInvalid, std::move(reason), ""}));
      continue;
    }
    ++counts_.events;
    MILLRACE_TRY(add_record(topic, {.key = piece.key, .value = mapped.json(piece), .time = time}));
  }
  return {};
}

}  // namespace millrace
