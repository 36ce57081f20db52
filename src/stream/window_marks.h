#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stream/state_snapshot_bytes.h"
#include "stream/watermark.h"
#include "warehouse/published_rows.h"

namespace millrace {

/// How far each source has come over all partitions of a topic: the least of what its partitions say.
///
/// *A partition that brings the source* says: its newest event there less the disorder allowed, and while the
/// source is silent there that time goes on at the pace at which the partition is read, as it does at the
/// pace of the wall clock once there is nothing more to read.
///
/// *A partition in which the source is silent* for longer than the disorder, or was never heard of, says no
/// more than that it was read so far: by then the source was as far as the partition that is furthest tells.
/// So one old event alone in a partition holds nothing back for long. What was received later than the
/// partition is read counts for nothing here: a file runs through months in a second.
///
/// *An event far behind* what the source's pace in a partition promises, as of a phone that was offline over
/// a quiet night, does not set the pace anew, unless nothing else has come for longer than the disorder: then
/// it is the source that is behind.
///
/// At most `WatermarkOptions::sources_max` sources are told apart. One thread.
class WindowMarks {
 public:
  WindowMarks(std::size_t partitions, const WatermarkOptions& options)
      : options_(options), read_until_(partitions, kBeforeAllTime) {}

  /// Note what the events of a step tell. Of too many sources the one not heard of for longest is simply gone
  /// from `sources`.
  void observe(const std::vector<SourceMark>& marks);
  /// Note that everything `partition` had logged until `now` was read.
  void exhausted(std::size_t partition, TimeUs now);
  /// Let the sources that are silent go on, once all of a step is noted.
  void settle();

  /// Return the watermark of a source; `kBeforeAllTime` while too little is known.
  TimeUs of(std::string_view source) const;
  /// Return the sources that are known, by name.
  std::vector<std::string> sources() const;

  void save(StateWriter& out) const;
  /// Take over what `save` wrote for as many partitions; false when it is damaged. Needs one that has seen
  /// nothing.
  bool load(StateReader& in);

 private:
  /// An event time that was seen, and when it was received.
  struct Pace {
    TimeUs newest = 0;
    TimeUs received = kBeforeAllTime;  ///< none yet
  };
  /// A source in one partition.
  struct Mark {
    Pace last;
    Pace before;                           ///< the one before `last`
    TimeUs heard = kBeforeAllTime;         ///< when its last event was received
    TimeUs behind_since = kBeforeAllTime;  ///< since when only events far behind have come
    TimeUs watermark = kBeforeAllTime;
  };
  struct Source {
    std::uint64_t heard = 0;  ///< number of the last observation
    TimeUs first = 0;         ///< reception of the first event
    std::vector<Mark> marks;  ///< by partition
  };

  Source& source_of(const SourceMark& mark);
  void note(const SourceMark& seen, Mark& mark) const;
  TimeUs reached(const Source& source, TimeUs until) const;

  const WatermarkOptions options_;
  std::vector<TimeUs> read_until_;  ///< by partition: what was received before is read
  std::map<std::string, Source, std::less<>> sources_;
  std::uint64_t observed_ = 0;
};

}  // namespace millrace
