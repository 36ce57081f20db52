#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {

/// Watermarks before anything is known, and after everything has come. Far beyond any event's time, yet near
/// enough to zero that adding a window or a lateness never overflows.
inline constexpr TimeUs kBeforeAllTime = -(std::int64_t{1} << 60);
inline constexpr TimeUs kAfterAllTime = std::int64_t{1} << 60;

/// A stretch of event time: `start` belongs to it, `end` does not.
struct Window {
  TimeUs start = 0;
  TimeUs end = 0;

  bool contains(TimeUs time) const { return start <= time && time < end; }
  /// Windows that only touch do not overlap.
  bool overlaps(const Window& other) const { return start < other.end && other.start < end; }
  auto operator<=>(const Window&) const = default;
};

enum class WindowKind : std::uint8_t { kFixed, kSliding, kSession };

/// How event time is cut into windows. Make one with `fixed`, `sliding` or `session`.
struct WindowSpec {
  WindowKind kind = WindowKind::kFixed;
  DurationUs size = kMinuteUs;    ///< fixed, sliding: how long a window is
  DurationUs period = kMinuteUs;  ///< sliding: a window begins so often; fixed: the size
  DurationUs offset = 0;          ///< fixed, sliding: windows begin at multiples of `period` plus this
  DurationUs gap = 0;             ///< session: so long after its last event a session ends

  static WindowSpec fixed(DurationUs size, DurationUs offset = 0);
  static WindowSpec sliding(DurationUs size, DurationUs period, DurationUs offset = 0);
  static WindowSpec session(DurationUs gap);

  bool operator==(const WindowSpec&) const = default;
};

/// What becomes of a window's value once it was emitted.
enum class Accumulation : std::uint8_t {
  kDiscard,     ///< each pane holds only what no pane held before: to be added up (delta rows)
  kAccumulate,  ///< each pane holds everything so far and takes the place of the one before
};

struct WindowOptions {
  WindowSpec spec;
  /// So long after its end, in event time, a window still takes late events; then they are too late.
  DurationUs allowed_lateness = 0;
  Accumulation accumulation = Accumulation::kDiscard;

  bool operator==(const WindowOptions&) const = default;
};

inline constexpr DurationUs kWindowSpanMax = 3'660 * kDayUs;  ///< of sizes, gaps and latenesses
inline constexpr std::int64_t kSlicesPerWindowMax = 10'000;

/// Check the lengths: positive, at most ten years; a period no longer than the size (else events would belong
/// to no window); a size of at most `kSlicesPerWindowMax` times the greatest common divisor of size and
/// period. Errors: kInvalid.
Status validate(const WindowOptions& options);

/// The windows of a fixed or sliding specification. Neighbouring windows share *slices*: stretches that lie
/// wholly inside or outside of any window, so that an event is counted once, however many windows it is in
/// (the "panes" of Li et al., No pane, no gain, 2005). A fixed window is one slice.
class WindowGrid {
 public:
  /// Needs a fixed or sliding specification that `validate` accepts.
  explicit WindowGrid(const WindowSpec& spec);

  TimeUs slice_start(TimeUs time) const { return floor_to(time, slice_); }
  /// Return the earliest and the latest window around the slice that begins at `slice_start`. The windows
  /// between them begin every `period`.
  Window first_window(TimeUs slice_start) const;
  Window last_window(TimeUs slice_start) const;
  DurationUs period() const { return period_; }
  Window ending_at(TimeUs end) const { return {end - size_, end}; }

 private:
  TimeUs floor_to(TimeUs time, DurationUs step) const;

  DurationUs size_;
  DurationUs period_;
  DurationUs offset_;
  DurationUs slice_;
};

/// Why a pane was emitted.
enum class PaneTiming : std::uint8_t {
  kEarly,   ///< there was no room to wait: a part, to be added up in either accumulation
  kOnTime,  ///< the watermark passed the window's end
  kLate,    ///< an event came after that, within the allowed lateness
};

/// Return "early", "on_time", "late".
std::string_view pane_timing_name(PaneTiming timing);

/// The value of one key in one window. Views and references live as long as the call they are passed to.
template <class Value>
struct Pane {
  std::string_view key;
  Window window;
  PaneTiming timing = PaneTiming::kOnTime;
  const Value& value;
  Offset last_offset;  ///< the highest offset among the events in `value`
  /// Sessions: by how many the number of sessions grew: 1 for the first pane of a session, 0 for a further
  /// one, −1 when it joined two that had been emitted. Summed over all panes it is the number of sessions.
  /// Otherwise 0.
  int new_windows = 0;
};

/// An event of which a window is told.
template <class Input>
struct WindowEvent {
  std::string_view key;
  TimeUs time = 0;
  Offset offset;
  const Input& input;
};

/// Receives what a window operator emits. It must not call the operator.
template <class Value>
class PaneSink {
 public:
  virtual ~PaneSink() = default;
  virtual void on_pane(const Pane<Value>& pane) = 0;

  /// Take an event that came after `window` (one of its windows) and the allowed lateness had passed. Nothing
  /// else keeps it: whoever counts adds it here. For a session the window is the event's own, [time, time +
  /// gap).
  virtual void on_too_late(const WindowEvent<typename Value::Input>& event, const Window& window) = 0;
};

/// A value built up from inputs: a count, a sum, a sketch. `merge` must give what `add` of all inputs of both
/// would. `bytes()` is what it holds beside itself, for the limits. `decode` reads what `encode` wrote, false
/// when damaged.
template <class T>
concept Accumulator =
    std::default_initializable<T> && std::movable<T> &&
    requires(T value, const T& other, const typename T::Input& input, StateWriter& out, StateReader& in) {
      value.add(input);
      value.merge(other);
      { other.bytes() } -> std::convertible_to<std::size_t>;
      other.encode(out);
      { value.decode(in) } -> std::same_as<bool>;
    };

/// What all operators of a job hold together, to be compared with its limits.
struct StateUse {
  std::uint64_t entries = 0;  ///< keys times windows (slices, sessions)
  std::uint64_t bytes = 0;    ///< about: tables may be up to half empty
  std::uint64_t too_late = 0;
};

/// Write and compare the options a saved state was made with.
void save_options(const WindowOptions& options, StateWriter& out);
bool same_options(const WindowOptions& options, StateReader& in);

}  // namespace millrace
