#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "stream/window_journal.h"
#include "stream/window_marks.h"
#include "stream/window_operator.h"
#include "stream/window_partition.h"
#include "warehouse/published_rows.h"

namespace millrace {

/// The measures of a window, as a window operator adds them up.
struct PublishedValue {
  using Input = MeasureValues;

  MeasureValues total;

  void add(const MeasureValues& more) { total.merge(more); }
  void merge(const PublishedValue& other) { total.merge(other.total); }
  std::size_t bytes() const;
  void encode(StateWriter& out) const;
  bool decode(StateReader& in);
};

static_assert(Accumulator<PublishedValue>);

/// All that a step reads, of sources that are known.
struct StepFacts {
  std::vector<SourceMark> marks;
  std::vector<std::vector<PublishedRow>> rows;  ///< by aggregation
};

/// Receives what windows have to say. It must not call the state.
class WindowOutput {
 public:
  virtual ~WindowOutput() = default;
  virtual void on_pane(std::size_t aggregation, std::string_view source,
                       const Pane<PublishedValue>& pane) = 0;
  /// `events` came too late for one of their windows.
  virtual void on_too_late(std::uint64_t events) = 0;
};

struct WindowStateOptions {
  StateLimits limits{.entries_max = 1'000'000, .bytes_max = 128u << 20};  ///< of all together
  WatermarkOptions watermarks{.sources_max = 1'000};                      ///< over all partitions
};

/// What the windows job keeps: the windows of each source and published aggregation, over all partitions, and
/// how far the sources have come. The facts of a step are judged by the watermarks before it; then these move
/// on. A function of its calls. One thread.
class WindowState {
 public:
  /// `aggregations` must outlive it.
  WindowState(const std::vector<PublishedAggregation>& aggregations, std::size_t partitions,
              const WindowStateOptions& options);

  bool knows(std::string_view source) const { return sources_.contains(source); }
  /// Return the sources and how far they were at the last step.
  std::map<std::string, TimeUs> watermarks() const;
  /// Return how far those with open windows would be after a step without facts.
  std::map<std::string, TimeUs> waiting_after(const WindowStep& step) const;
  /// Return whether a step without facts would emit anything.
  bool completes(const WindowStep& step) const;

  void apply(const WindowStep& step, const StepFacts& facts, WindowOutput& output);

  /// Begin to follow a source, in a step before `apply`: it was at `watermark` before the step.
  void join(const std::string& source, TimeUs watermark);
  /// Take in what there was of such a source before the step. What has no room is given out early.
  void add_joined(std::size_t aggregation, const PublishedRow& row, WindowOutput& output);

  /// Return the earliest event time at which facts matter to windows of `aggregation` after `watermark`.
  TimeUs since(std::size_t aggregation, TimeUs watermark) const;
  /// Begin to fill an aggregation that is missing: with all facts that lie before the steps to come. Until
  /// `filled` steps pass it by.
  void begin_fill(std::size_t aggregation);
  /// Take in such a fact, without output: beyond the limits windows are given out early in the next step.
  /// False when that is more than can be borne: then give the aggregation up.
  [[nodiscard]] bool fill(std::size_t aggregation, const PublishedRow& row);
  /// Forget an aggregation for good.
  void give_up(std::size_t aggregation);
  /// Return the aggregations of which `load` found nothing, to be filled.
  const std::set<std::size_t>& missing() const { return missing_; }
  void filled() { missing_.clear(); }

  const StateUse& use() const { return use_; }
  std::uint64_t evicted() const { return evicted_; }

  void save(std::string& out) const;
  /// Take over what `save` wrote; false when it is damaged. Aggregations that are new or have changed since
  /// are `missing`. Needs a state that has seen nothing, as the next.
  bool load(std::string_view bytes);
  /// Write the watermarks alone; `load_marks` takes them with all aggregations missing.
  void save_marks(std::string& out) const;
  bool load_marks(std::string_view bytes);

 private:
  using Operator = WindowOperator<PublishedValue>;
  struct Source {
    TimeUs watermark = kBeforeAllTime;
    std::vector<std::unique_ptr<Operator>> operators;  ///< by aggregation; none: given up
  };
  class Sink;

  void add(std::size_t aggregation, const PublishedRow& row, Source& source, WindowOutput& output);
  void advance(WindowOutput& output);
  void drop_gone(WindowOutput& output);
  void keep_limits(WindowOutput& output);
  WindowOptions options_of(std::size_t aggregation) const;
  bool is_wanted(std::size_t aggregation) const { return !given_up_.contains(aggregation); }
  Operator* operator_of(const Source& source, std::size_t aggregation) const;
  WindowMarks marks_after(const WindowStep& step) const;
  bool load_sources(StateReader& in, const std::vector<std::size_t>& places);

  const std::vector<PublishedAggregation>& aggregations_;
  const WindowStateOptions options_;
  WindowMarks marks_;
  StateUse use_;  ///< before the operators, which tell it their end
  std::map<std::string, Source, std::less<>> sources_;
  std::set<std::size_t> given_up_;
  std::set<std::size_t> missing_;
  std::uint64_t evicted_ = 0;
};

}  // namespace millrace
