#include "stream/window_state.h"

#include <algorithm>

#include "base/hash.h"

namespace millrace {
namespace {

constexpr std::uint32_t kLayout = 2;
constexpr std::size_t kNowhere = SIZE_MAX;

void put_wide(Int128 n, StateWriter& out) {
  out.put_u64(static_cast<std::uint64_t>(n));
  out.put_i64(static_cast<std::int64_t>(n >> 64));
}

Int128 take_wide(StateReader& in) {
  const auto low = in.u64();
  return static_cast<Int128>(static_cast<Int128>(in.i64()) << 64) | low;
}

void encode(const MeasureValue& value, StateWriter& out) {
  out.put_u32(static_cast<std::uint32_t>(value.kind) | static_cast<std::uint32_t>(value.type) << 8 |
              static_cast<std::uint32_t>(value.known) << 16);
  put_wide(value.number, out);
  out.put_u64(std::bit_cast<std::uint64_t>(value.real));
  out.put_i64(value.at);
  out.put_text(value.text);
  out.put_text(value.shown);
}

MeasureValue decode(StateReader& in) {
  MeasureValue value;
  const auto flags = in.u32();
  value.kind = static_cast<Measure::Kind>(flags & 0xff);
  value.type = static_cast<MeasureType>(flags >> 8 & 0xff);
  value.known = (flags >> 16 & 1) != 0;
  value.number = take_wide(in);
  value.real = std::bit_cast<double>(in.u64());
  value.at = in.i64();
  value.text = in.text();
  value.shown = in.text();
  return value;
}

/// Let silent sources go on, and all of them where nothing was left to read.
void note_exhausted(const WindowStep& step, WindowMarks& marks) {
  for (std::size_t i = 0; i < step.exhausted.size(); ++i) {
    if (step.exhausted[i]) marks.exhausted(i, step.now);
  }
  marks.settle();
}

/// Throws everything away.
class Nothing final : public WindowOutput {
 public:
  void on_pane(std::size_t, std::string_view, const Pane<PublishedValue>&) override {}
  void on_too_late(std::uint64_t) override {}
};

}  // namespace

std::size_t PublishedValue::bytes() const {
  std::size_t bytes = total.values.capacity() * sizeof(MeasureValue);
  for (const MeasureValue& value : total.values) bytes += value.bytes();
  return bytes;
}

void PublishedValue::encode(StateWriter& out) const {
  out.put_u64(total.events);
  out.put_u64(total.values.size());
  for (const MeasureValue& value : total.values) millrace::encode(value, out);
}

bool PublishedValue::decode(StateReader& in) {
  constexpr std::size_t kValueBytesMin = 44;
  total.events = in.u64();
  const auto values = in.count(kValueBytesMin);
  for (std::uint64_t i = 0; i < values && in.ok(); ++i) total.values.push_back(millrace::decode(in));
  const auto sound = [](const MeasureValue& value) {
    return value.kind <= Measure::Kind::kTop && value.type <= MeasureType::kText;
  };
  return in.ok() && std::ranges::all_of(total.values, sound);
}

/// Says of an operator's panes whose they are.
class WindowState::Sink final : public PaneSink<PublishedValue> {
 public:
  Sink(std::size_t aggregation, std::string_view source, WindowOutput& output)
      : aggregation_(aggregation), source_(source), output_(output) {}
  void on_pane(const Pane<PublishedValue>& pane) override { output_.on_pane(aggregation_, source_, pane); }
  void on_too_late(const WindowEvent<MeasureValues>& event, const Window&) override {
    output_.on_too_late(event.input.events);
  }

 private:
  const std::size_t aggregation_;
  const std::string_view source_;
  WindowOutput& output_;
};

WindowState::WindowState(const std::vector<PublishedAggregation>& aggregations, std::size_t partitions,
                         const WindowStateOptions& options)
    : aggregations_(aggregations), options_(options), marks_(partitions, options.watermarks) {}

WindowOptions WindowState::options_of(std::size_t aggregation) const {
  const Aggregation& declared = aggregations_[aggregation].aggregation;
  const AggregationWindow& window = declared.window;
  WindowOptions options;
  options.spec = window.kind == AggregationWindow::Kind::kSliding
                     ? WindowSpec::sliding(window.size, window.period, window.offset)
                     : WindowSpec::fixed(window.size, window.offset);
  options.allowed_lateness = declared.lateness.value_or(0);
  options.accumulation = Accumulation::kAccumulate;
  return options;
}

TimeUs WindowState::since(std::size_t aggregation, TimeUs watermark) const {
  const WindowOptions options = options_of(aggregation);
  return watermark - options.allowed_lateness - options.spec.size;
}

std::map<std::string, TimeUs> WindowState::watermarks() const {
  std::map<std::string, TimeUs> all;
  for (const auto& [name, source] : sources_) all.emplace(name, source.watermark);
  return all;
}

std::map<std::string, TimeUs> WindowState::waiting_after(const WindowStep& step) const {
  const WindowMarks then = marks_after(step);
  std::map<std::string, TimeUs> all;
  for (const auto& [name, source] : sources_) {
    const bool waits = std::ranges::any_of(source.operators, [](const auto& windows) {
      return windows && windows->next_due() != kAfterAllTime;
    });
    if (waits) all.emplace(name, std::max(source.watermark, then.of(name)));
  }
  return all;
}

WindowMarks WindowState::marks_after(const WindowStep& step) const {
  WindowMarks then = marks_;
  note_exhausted(step, then);
  return then;
}

/// Return the windows that steps see to, or nothing: one that is missing has yet to be filled.
WindowState::Operator* WindowState::operator_of(const Source& source, std::size_t aggregation) const {
  return missing_.contains(aggregation) ? nullptr : source.operators[aggregation].get();
}

bool WindowState::completes(const WindowStep& step) const {
  const WindowMarks then = marks_after(step);
  return std::ranges::any_of(sources_, [&](const auto& one) {
    const TimeUs watermark = then.of(one.first);
    for (std::size_t i = 0; i < aggregations_.size(); ++i) {
      const Operator* windows = operator_of(one.second, i);
      if (windows != nullptr && windows->next_due() <= watermark) return true;
    }
    return false;
  });
}

void WindowState::join(const std::string& name, TimeUs watermark) {
  Source& source = sources_[name];
  source.watermark = watermark;
  source.operators.resize(aggregations_.size());
  Nothing nothing;
  for (std::size_t i = 0; i < aggregations_.size(); ++i) {
    if (!is_wanted(i)) continue;
    source.operators[i] = std::make_unique<Operator>(options_of(i), use_);
    Sink sink(i, name, nothing);
    source.operators[i]->advance(watermark, sink);
  }
}

void WindowState::add(std::size_t aggregation, const PublishedRow& row, Source& source,
                      WindowOutput& output) {
  Operator* const windows = operator_of(source, aggregation);
  if (windows == nullptr) return;
  Sink sink(aggregation, row.source, output);
  windows->add({row.keys, row.slice, Offset(), row.measures}, sink);
}

void WindowState::add_joined(std::size_t aggregation, const PublishedRow& row, WindowOutput& output) {
  const auto source = sources_.find(row.source);
  if (source == sources_.end()) return;
  Nothing nothing;
  add(aggregation, row, source->second, nothing);
  keep_limits(output);
}

void WindowState::apply(const WindowStep& step, const StepFacts& facts, WindowOutput& output) {
  keep_limits(output);  // of what was filled
  for (std::size_t i = 0; i < facts.rows.size(); ++i) {
    for (const PublishedRow& row : facts.rows[i]) {
      const auto source = sources_.find(row.source);
      if (source == sources_.end()) continue;
      add(i, row, source->second, output);
      keep_limits(output);
    }
  }
  marks_.observe(facts.marks);
  note_exhausted(step, marks_);
  advance(output);
  drop_gone(output);
}

void WindowState::advance(WindowOutput& output) {
  for (auto& [name, source] : sources_) {
    source.watermark = std::max(source.watermark, marks_.of(name));
    for (std::size_t i = 0; i < source.operators.size(); ++i) {
      Sink sink(i, name, output);
      Operator* const windows = operator_of(source, i);
      if (windows != nullptr) windows->advance(source.watermark, sink);
    }
  }
}

/// Emit the windows of sources that are not told apart any more.
void WindowState::drop_gone(WindowOutput& output) {
  const auto known = marks_.sources();
  std::erase_if(sources_, [&](auto& one) {
    if (std::ranges::binary_search(known, one.first)) return false;
    for (std::size_t i = 0; i < one.second.operators.size(); ++i) {
      Sink sink(i, one.first, output);
      Operator* const windows = operator_of(one.second, i);
      if (windows != nullptr) windows->advance(kAfterAllTime, sink);
    }
    return true;
  });
}

void WindowState::keep_limits(WindowOutput& output) {
  const StateLimits& limits = options_.limits;
  while (use_.entries > limits.entries_max || use_.bytes > limits.bytes_max) {
    Operator* oldest = nullptr;
    std::size_t aggregation = 0;
    std::string_view of;
    for (auto& [name, source] : sources_) {
      for (std::size_t i = 0; i < source.operators.size(); ++i) {
        Operator* one = operator_of(source, i);
        if (one == nullptr || (oldest != nullptr && one->oldest() >= oldest->oldest())) continue;
        oldest = one;
        aggregation = i;
        of = name;
      }
    }
    Sink sink(aggregation, of, output);
    const std::size_t entries = oldest == nullptr ? 0 : oldest->evict_oldest(sink);
    if (entries == 0) return;
    evicted_ += entries;
  }
}

void WindowState::begin_fill(std::size_t aggregation) {
  Nothing nothing;
  for (auto& [name, source] : sources_) {
    Sink sink(aggregation, name, nothing);
    if (source.operators[aggregation]) source.operators[aggregation]->advance(source.watermark, sink);
  }
}

bool WindowState::fill(std::size_t aggregation, const PublishedRow& row) {
  const auto source = sources_.find(row.source);
  if (source == sources_.end() || !source->second.operators[aggregation]) return true;
  Nothing nothing;
  Sink sink(aggregation, row.source, nothing);
  source->second.operators[aggregation]->add({row.keys, row.slice, Offset(), row.measures}, sink);
  constexpr std::uint64_t kOverfull = 2;  // times the limits
  return use_.entries / kOverfull <= options_.limits.entries_max &&
         use_.bytes / kOverfull <= options_.limits.bytes_max;
}

void WindowState::give_up(std::size_t aggregation) {
  given_up_.insert(aggregation);
  missing_.erase(aggregation);
  for (auto& [name, source] : sources_) source.operators[aggregation].reset();
}

void WindowState::save_marks(std::string& out) const {
  StateWriter writer(out);
  writer.put_u32(kLayout);
  marks_.save(writer);
  writer.put_u64(sources_.size());
  for (const auto& [name, source] : sources_) {
    writer.put_text(name);
    writer.put_i64(source.watermark);
  }
}

bool WindowState::load_marks(std::string_view bytes) {
  StateReader in(bytes);
  if (in.u32() != kLayout || !marks_.load(in)) return false;
  const auto sources = in.count(12);
  for (std::uint64_t i = 0; i < sources && in.ok(); ++i) {
    const std::string name(in.text());
    join(name, in.i64());
  }
  for (std::size_t i = 0; i < aggregations_.size(); ++i) missing_.insert(i);
  return in.done();
}

void WindowState::save(std::string& out) const {
  std::string marks;
  save_marks(marks);
  StateWriter writer(out);
  writer.put_text(marks);
  writer.put_u64(aggregations_.size());
  for (std::size_t i = 0; i < aggregations_.size(); ++i) {
    writer.put_text(aggregations_[i].aggregation.name);
    writer.put_u64(is_wanted(i) ? hash64(aggregations_[i].compiled) : 0);
  }
  std::string one;
  for (const auto& [name, source] : sources_) {
    for (const auto& windows : source.operators) {
      one.clear();
      StateWriter of_one(one);
      if (windows) windows->save(of_one);
      writer.put_u64(one.size());
      out += one;
    }
  }
}

bool WindowState::load(std::string_view bytes) {
  StateReader in(bytes);
  if (!load_marks(in.text())) return false;
  std::vector<std::size_t> places(in.count(12), kNowhere);
  for (std::size_t& place : places) {
    const auto name = in.text();
    const auto hash = in.u64();
    for (std::size_t i = 0; i < aggregations_.size(); ++i) {
      const auto& [declared, compiled, forms] = aggregations_[i];
      if (declared.name != name || hash64(compiled) != hash) continue;
      place = i;
      missing_.erase(i);
    }
  }
  return in.ok() && load_sources(in, places) && in.done();
}

bool WindowState::load_sources(StateReader& in, const std::vector<std::size_t>& places) {
  for (auto& [name, source] : sources_) {
    for (const std::size_t place : places) {
      const auto size = in.u64();
      if (size > in.left()) return false;
      StateReader one(in.raw(size));
      if (place == kNowhere) continue;
      // A new one, for `join` let the first know its watermark.
      auto windows = std::make_unique<Operator>(options_of(place), use_);
      if (!windows->load(one) || !one.done()) return false;
      source.operators[place] = std::move(windows);
    }
  }
  return true;
}

}  // namespace millrace
