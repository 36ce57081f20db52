#include "stream/window.h"

#include <cassert>
#include <numeric>

#include <fmt/format.h>

namespace millrace {
namespace {

Status check_span(std::string_view what, DurationUs span, DurationUs min) {
  if (span >= min && span <= kWindowSpanMax) return {};
  return fail(Code::kInvalid, fmt::format("the {} of a window must be {} ten years", what,
                                          min > 0 ? "more than nothing and at most" : "from nothing to"));
}

}  // namespace

WindowSpec WindowSpec::fixed(DurationUs size, DurationUs offset) {
  return {.kind = WindowKind::kFixed, .size = size, .period = size, .offset = offset};
}

WindowSpec WindowSpec::sliding(DurationUs size, DurationUs period, DurationUs offset) {
  return {.kind = WindowKind::kSliding, .size = size, .period = period, .offset = offset};
}

WindowSpec WindowSpec::session(DurationUs gap) {
  return {.kind = WindowKind::kSession, .size = 0, .period = 0, .offset = 0, .gap = gap};
}

Status validate(const WindowOptions& options) {
  const WindowSpec& spec = options.spec;
  MILLRACE_TRY(check_span("lateness", options.allowed_lateness, 0));
  if (spec.kind == WindowKind::kSession) return check_span("gap", spec.gap, 1);
  MILLRACE_TRY(check_span("size", spec.size, 1));
  MILLRACE_TRY(check_span("period", spec.period, 1));
  MILLRACE_TRY(check_span("offset", spec.offset, -kWindowSpanMax));
  if (spec.kind == WindowKind::kFixed && spec.period != spec.size) {
    return fail(Code::kInvalid, "the period of a fixed window is its size");
  }
  if (spec.period > spec.size) {
    return fail(Code::kInvalid, "sliding windows with a period longer than their size would miss events");
  }
  if (spec.size / std::gcd(spec.size, spec.period) > kSlicesPerWindowMax) {
    return fail(Code::kInvalid,
                "size and period of a sliding window have too small a common divisor; make the size a "
                "multiple of the period, at most 10,000 times as long");
  }
  return {};
}

WindowGrid::WindowGrid(const WindowSpec& spec)
    : size_(spec.size), period_(spec.period), offset_(spec.offset), slice_(std::gcd(spec.size, spec.period)) {
  assert(spec.kind != WindowKind::kSession && slice_ > 0 && period_ <= size_);
}

/// Return the last multiple of `step`, plus the offset, at or before `time`; also for times before 1970.
TimeUs WindowGrid::floor_to(TimeUs time, DurationUs step) const {
  const TimeUs beyond = (time - offset_) % step;
  return time - (beyond < 0 ? beyond + step : beyond);
}

Window WindowGrid::last_window(TimeUs slice_start) const {
  const TimeUs start = floor_to(slice_start, period_);
  return {start, start + size_};
}

Window WindowGrid::first_window(TimeUs slice_start) const {
  const Window last = last_window(slice_start);
  const DurationUs back = (last.end - slice_start - 1) / period_ * period_;
  return {last.start - back, last.end - back};
}

std::string_view pane_timing_name(PaneTiming timing) {
  switch (timing) {
    case PaneTiming::kEarly:
      return "early";
    case PaneTiming::kOnTime:
      return "on_time";
    case PaneTiming::kLate:
      return "late";
  }
  return "?";
}

void save_options(const WindowOptions& options, StateWriter& out) {
  const WindowSpec& spec = options.spec;
  out.put_u64(static_cast<std::uint64_t>(spec.kind));
  for (const DurationUs span : {spec.size, spec.period, spec.offset, spec.gap, options.allowed_lateness}) {
    out.put_i64(span);
  }
  out.put_u64(static_cast<std::uint64_t>(options.accumulation));
}

bool same_options(const WindowOptions& options, StateReader& in) {
  std::string bytes;
  StateWriter expected(bytes);
  save_options(options, expected);
  return in.raw(bytes.size()) == bytes;
}

}  // namespace millrace
