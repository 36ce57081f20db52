#include "stream/slice_writer.h"

#include <algorithm>

#include "log/topics.h"
#include "stream/quarantine_record.h"

namespace millrace {

bool blames_record(const Error& error) {
  return error.code == Code::kInvalid || error.code == Code::kOutOfRange || error.code == Code::kCorrupt;
}

Status SliceWriter::write(const Slice& slice, FactWriter& writer) {
  const auto& partition = slice.batch->partition;
  if (partition.topic == kEventsTopic) {
    const auto events = slice.batch->events_from(slice.from);
    const auto end = std::ranges::lower_bound(events, slice.to, {}, &Event::log_offset);
    MILLRACE_TRY(writer.add_events(partition, {events.begin(), end}));
    MILLRACE_TRY(write_failures(slice, writer));
  } else {
    for (const auto& record : slice.batch->records_from(slice.from)) {
      if (slice.holds(record.offset)) MILLRACE_TRY(write_record(partition, record, writer));
    }
  }
  writer.set_next(partition, slice.to);
  return {};
}

/// Put the records that could not be decoded aside.
Status SliceWriter::write_failures(const Slice& slice, FactWriter& writer) {
  for (const auto& failure : slice.batch->failures) {
    const auto& record = slice.batch->records.records[failure.record];
    if (!slice.holds(record.offset)) continue;
    MILLRACE_TRY(put_aside(slice.batch->partition, record, "decode", failure.error, writer));
  }
  return {};
}

/// Write a record that is not an event; one that cannot be read goes aside.
Status SliceWriter::write_record(const TopicPartition& partition, const Record& record, FactWriter& writer) {
  const RecordPlace place{partition, record.offset, record.time};
  if (partition.topic == kQuarantineTopic) {
    return writer.add_quarantine(place, QuarantineRecord::of_refused(record).row());
  }
  const auto written = partition.topic == kItemsTopic       ? writer.add_item_change(place, record.value)
                       : partition.topic == kUsersTopic     ? writer.add_user_change(place, record.value)
                       : partition.topic == kDecisionsTopic ? writer.add_decision(place, record.value)
                                                            : writer.add_recommendation(place, record.value);
  if (written || !blames_record(written.error())) return written;
  return put_aside(partition, record, "decode", written.error(), writer);
}

Status SliceWriter::put_aside(const TopicPartition& partition, const Record& record, std::string_view stage,
                              const Error& reason, FactWriter& writer) {
  if (const auto left_out = lines_.take(env_.steady_now()))
    log_warning(job_, "put a record aside; it is in the table quarantine",
                {field("record", record_id(partition, record.offset)), field("stage", stage),
                 field("error", reason.text()), field("not_shown_before", *left_out)});
  return writer.add_quarantine({partition, record.offset, record.time},
                               QuarantineRecord::of_unfit(record, stage, reason).row());
}

}  // namespace millrace
