#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "stream/window.h"

namespace millrace {

/// Keeps every input, so that a test sees exactly which events a pane holds. In order of size.
struct Collected {
  using Input = std::int64_t;

  std::vector<std::int64_t> inputs;

  void add(const Input& input) { inputs.insert(std::ranges::upper_bound(inputs, input), input); }
  void merge(const Collected& other) {
    for (const auto input : other.inputs) add(input);
  }
  std::size_t bytes() const { return inputs.size() * sizeof(std::int64_t); }
  void encode(StateWriter& out) const {
    out.put_u64(inputs.size());
    for (const auto input : inputs) out.put_i64(input);
  }
  bool decode(StateReader& in) {
    inputs.resize(in.count(sizeof(std::int64_t)));
    for (auto& input : inputs) input = in.i64();
    return in.ok();
  }
};

/// Return "a [0,10) on_time 1 2 3" with times in `unit`.
inline std::string pane_text(std::string_view key, const Window& window, std::string_view timing,
                             const std::vector<std::int64_t>& inputs, DurationUs unit) {
  return fmt::format("{} [{},{}) {} {}", key, window.start / unit, window.end / unit, timing,
                     fmt::join(inputs, " "));
}

/// Writes each pane and each event that is too late as a line: `pane_text`, then for sessions "+1" or "-1"
/// when their number changed, and with `offsets` "@" and the last offset.
class PaneLines final : public PaneSink<Collected> {
 public:
  explicit PaneLines(DurationUs unit, bool offsets = false) : unit_(unit), offsets_(offsets) {}

  void on_pane(const Pane<Collected>& pane) override {
    auto line = pane_text(pane.key, pane.window, pane_timing_name(pane.timing), pane.value.inputs, unit_);
    if (pane.new_windows != 0) line += fmt::format(" {:+}", pane.new_windows);
    if (offsets_) line += fmt::format(" @{}", pane.last_offset.value());
    lines.push_back(std::move(line));
  }

  void on_too_late(const WindowEvent<std::int64_t>& event, const Window& window) override {
    lines.push_back(pane_text(event.key, window, "too_late", {event.input}, unit_));
  }

  std::vector<std::string> lines;

 private:
  DurationUs unit_;
  bool offsets_;
};

}  // namespace millrace
