#include "stream/window_scenario_testing.h"

#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/yaml.h"
#include "stream/session_operator.h"
#include "stream/window_operator.h"
#include "stream/window_testing.h"

namespace millrace {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::optional<std::int64_t> seconds(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

/// Read "fixed 10", "fixed 10 3" (offset 3), "sliding 10 5" or "session 10".
std::optional<WindowSpec> spec_of(const std::string& text) {
  const auto words = words_of(text);
  std::vector<DurationUs> numbers;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (const auto n = seconds(words[i])) numbers.push_back(*n * kSecondUs);
  }
  if (words.empty() || numbers.empty()) return std::nullopt;
  if (words[0] == "fixed") return WindowSpec::fixed(numbers[0], numbers.size() > 1 ? numbers[1] : 0);
  if (words[0] == "sliding" && numbers.size() > 1) return WindowSpec::sliding(numbers[0], numbers[1]);
  if (words[0] == "session") return WindowSpec::session(numbers[0]);
  return std::nullopt;
}

/// An operator of either kind.
class AnyOperator {
 public:
  explicit AnyOperator(const WindowOptions& options) {
    if (options.spec.kind == WindowKind::kSession) {
      sessions_ = std::make_unique<SessionOperator<Collected>>(options, use_);
    } else {
      windows_ = std::make_unique<WindowOperator<Collected>>(options, use_);
    }
  }

  void add(const WindowEvent<std::int64_t>& event, PaneLines& sink) {
    sessions_ ? sessions_->add(event, sink) : windows_->add(event, sink);
  }
  void advance(TimeUs watermark, PaneLines& sink) {
    sessions_ ? sessions_->advance(watermark, sink) : windows_->advance(watermark, sink);
  }

 private:
  StateUse use_;
  std::unique_ptr<SessionOperator<Collected>> sessions_;
  std::unique_ptr<WindowOperator<Collected>> windows_;
};

/// One scenario while it runs.
class Scenario {
 public:
  Scenario(const WindowOptions& options, std::vector<std::string>& failures)
      : operator_(options), failures_(failures) {}

  void step(const YamlMap& step) {
    const auto expected = step.find("expect");
    if (!expected) claim_nothing_left(step.where());
    if (const auto events = step.find("add")) add(*events);
    std::int64_t watermark = 0;
    if (step.optional("watermark", watermark)) operator_.advance(watermark * kSecondUs, sink_);
    if (expected) expect(*expected);
    last_ = step.where();
  }

  void end() { claim_nothing_left(last_); }

 private:
  /// Add events such as "a@1", whose value is their time.
  void add(const YamlValue& value) {
    std::string text;
    value.read(text);
    for (const auto& word : words_of(text)) {
      const auto at = word.find('@');
      const auto time =
          at == std::string::npos ? std::nullopt : seconds(std::string_view(word).substr(at + 1));
      if (!time) return value.error(fmt::format("expected events such as a@1, found '{}'", word));
      operator_.add({std::string_view(word).substr(0, at), *time * kSecondUs, Offset(offset_++), *time},
                    sink_);
    }
  }

  void expect(const YamlValue& value) {
    std::vector<std::string> expected;
    value.read(expected);
    if (expected != sink_.lines) {
      failures_.push_back(
          fmt::format("{}: expected {}, but there came {}", value.where(), expected, sink_.lines));
    }
    sink_.lines.clear();
  }

  void claim_nothing_left(const std::string& where) {
    if (sink_.lines.empty()) return;
    failures_.push_back(fmt::format("{}: nothing expects {}", where, sink_.lines));
    sink_.lines.clear();
  }

  AnyOperator operator_;
  PaneLines sink_{kSecondUs};
  std::vector<std::string>& failures_;
  std::string last_;
  std::uint64_t offset_ = 0;
};

void run_scenario(const YamlMap& scenario, std::vector<std::string>& failures) {
  std::string window;
  std::int64_t lateness = 0;
  WindowOptions options;
  scenario.required("window", window);
  scenario.optional("lateness", lateness);
  scenario.optional_choice<Accumulation>(
      "panes", options.accumulation,
      {{"discarding", Accumulation::kDiscard}, {"accumulating", Accumulation::kAccumulate}});
  const auto spec = spec_of(window);
  const auto steps = scenario.list("steps");
  if (!spec)
    return scenario.error("window: expected fixed SIZE [OFFSET], sliding SIZE PERIOD or session GAP");
  options.spec = *spec;
  options.allowed_lateness = lateness * kSecondUs;
  if (const auto status = validate(options); !status) return scenario.error(status.error().text());
  Scenario run(options, failures);
  for (const auto& step : steps) run.step(step.map());
  run.end();
}

}  // namespace

ScenarioReport run_scenarios(std::string_view text, const Path& name) {
  ScenarioReport report;
  const auto yaml = YamlDocument::parse(text, name);
  if (!yaml) {
    report.failures.push_back(yaml.error().text());
    return report;
  }
  for (const auto& [title, scenario] : yaml->root().entries()) {
    ++report.scenarios;
    std::vector<std::string> failures;
    run_scenario(scenario.map(), failures);
    for (const auto& failure : failures) report.failures.push_back(fmt::format("{} ({})", failure, title));
  }
  if (const auto status = yaml->finish(); !status) report.failures.push_back(status.error().text());
  return report;
}

}  // namespace millrace
