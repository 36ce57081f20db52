#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "stream/window.h"

namespace millrace {

/// How many events there were.
struct EventCount {
  struct Input {};

  std::uint64_t events = 0;

  void add(const Input&) { ++events; }
  void merge(const EventCount& other) { events += other.events; }
  std::size_t bytes() const { return 0; }
  void encode(StateWriter& out) const { out.put_u64(events); }
  bool decode(StateReader& in) {
    events = in.u64();
    return in.ok();
  }

  bool operator==(const EventCount&) const = default;
};

/// How many events there were, and the exact sum of what they carried: units of a Decimal (base/decimal.h),
/// or any other whole number. The sum wraps around beyond 64 bits, far beyond what a DECIMAL(18,4) column
/// takes.
struct EventSum {
  using Input = std::int64_t;

  std::uint64_t events = 0;
  std::uint64_t units = 0;  ///< two's complement, so that overflow is defined

  std::int64_t sum() const { return static_cast<std::int64_t>(units); }

  void add(const Input& amount) {
    ++events;
    units += static_cast<std::uint64_t>(amount);
  }
  void merge(const EventSum& other) {
    events += other.events;
    units += other.units;
  }
  std::size_t bytes() const { return 0; }
  void encode(StateWriter& out) const {
    out.put_u64(events);
    out.put_u64(units);
  }
  bool decode(StateReader& in) {
    events = in.u64();
    units = in.u64();
    return in.ok();
  }

  bool operator==(const EventSum&) const = default;
};

static_assert(Accumulator<EventCount> && Accumulator<EventSum>);

}  // namespace millrace
