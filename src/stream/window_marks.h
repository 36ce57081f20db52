#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stream/state_snapshot_bytes.h"
#include "stream/watermark.h"
#include "warehouse/published_rows.h"

namespace millrace {

/// How far each source has come over all partitions of a topic. Watermarks belong to (partition, source);
/// that of a source is the least of its partitions', and a partition that has not brought it yet holds it
/// back as far as what was not read there may still bring it.
///
/// What was read of a partition was received in order, but for less than the disorder allowed: so a source
/// that is silent in one goes on at the pace at which that partition is read, as it does at the pace of the
/// wall clock once there is nothing more to read. One thread.
class WindowMarks {
 public:
  WindowMarks(std::size_t partitions, const WatermarkOptions& options);

  /// Note what the events of a step tell. A source that is told apart no longer is simply gone from
  /// `sources`.
  void observe(const std::vector<SourceMark>& marks);
  /// Note that everything `partition` had logged until `now` was read.
  void exhausted(std::size_t partition, TimeUs now);
  /// Let the sources that are silent go on, once all of a step is noted.
  void settle();

  /// Return the watermark of a source; `kBeforeAllTime` while too little is known.
  TimeUs of(std::string_view source) const;
  /// Return the sources known in some partition, by name.
  std::vector<std::string> sources() const;
  std::size_t partitions() const { return watermarks_.size(); }

  void save(StateWriter& out) const;
  /// Take over what `save` wrote for as many partitions; false when it is damaged. Needs one that has seen
  /// nothing.
  bool load(StateReader& in);

 private:
  DurationUs disorder_;
  std::vector<Watermarks> watermarks_;  ///< by partition
  std::vector<TimeUs> read_until_;      ///< by partition: what was received before is read
};

}  // namespace millrace
