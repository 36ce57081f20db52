#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "warehouse/duck.h"
#include "warehouse/transform_set.h"

namespace millrace {

/// What was made of a transform.
struct TransformRecord {
  TransformFile file;  ///< as it was when it ran last
  std::uint32_t version = 0;
  std::string hash;
  std::optional<TimeUs> run_time;
  DurationUs duration = 0;
  std::uint64_t rows = 0;
  std::string error;         ///< of the last try; "" when it went well
  std::uint64_t filled = 0;  ///< intervals that hold what their facts say
  std::uint64_t stale = 0;   ///< and that are to be made again
  std::optional<TimeUs> filled_from;
  std::optional<TimeUs> filled_to;
};

/// Intervals next to each other that one statement makes.
struct TransformSpan {
  TimeUs start = 0;
  TimeUs end = 0;
  std::size_t intervals = 0;
};

/// A run's range of time; empty ends reach on.
struct TransformRange {
  std::optional<TimeUs> from;
  std::optional<TimeUs> to;
  bool is_given() const { return from || to; }
};

/// The books of transforms: which intervals are filled, from which facts, by which SQL. Over one connection;
/// what belongs together is for the caller to put into one transaction. Threads: one at a time.
class TransformLedger {
 public:
  explicit TransformLedger(duck::Connection& connection) : connection_(connection) {}

  Result<std::map<std::string, TransformRecord>> records();

  /// Return a number for a run, larger than that of any before.
  Result<std::int64_t> next_run();

  /// Forget what was made of a transform, so that everything is to be made.
  Status forget(const std::string& name);

  /// Note which intervals of an incremental transform are to be made: those with facts that it has not seen,
  /// and those that what it reads has made anew. With `range`, also all there are in it.
  Status find_stale(const SoundTransform& one, const TransformSet& set, const TransformRange& range);

  /// Return what is to be made, in order, `batch` intervals together at most.
  Result<std::vector<TransformSpan>> stale_spans(const Transform& transform, const TransformRange& range);

  struct Made {
    std::int64_t run = 0;
    TimeUs time = 0;
    DurationUs duration = 0;
  };
  /// Note that the intervals of `span` are filled, with the rows that the table has in each, and return how
  /// many that are together. Errors: kInvalid when rows have no time.
  Result<std::uint64_t> note_filled(const SoundTransform& one, const TransformSpan& span, const Made& made);

  /// Note that a run of a transform ended well: all of it, as far as it was asked for.
  Status note_run(const SoundTransform& one, const Made& made);
  Status note_error(const Transform& transform, std::string_view error, TimeUs time);

 private:
  Status touch_facts(const SoundTransform& one);
  Status touch_changes(const SoundTransform& one);
  Status touch_refs(const SoundTransform& one, const TransformSet& set);
  Status mark_touched(const Transform& transform);
  Status note_seen(const SoundTransform& one);

  duck::Connection& connection_;
};

}  // namespace millrace
