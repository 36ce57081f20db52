// How a look for drift is written, for programs and for people.
#include <fmt/format.h>

#include "base/text.h"
#include "model/model_drift.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Json estimate_json(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

Json estimate_json(const std::optional<Estimate>& estimate) {
  return estimate ? estimate_json(*estimate) : Json();
}

std::string estimate_text(const Estimate& estimate) {
  return fmt::format("{:.4f} ({:.4f} to {:.4f})", estimate.mean, estimate.low, estimate.high);
}

Json input_json(const InputDrift& input) {
  Json moved = Json::array();
  for (const InputDrift::Bin& bin : input.moved_most)
    moved.push_back({{"value", bin.value}, {"before", bin.before}, {"since", bin.after}});
  return {{"of", input.of},
          {"name", input.name},
          {"bins", input.bins},
          {"psi", input.stability.index},
          {"by_chance", input.stability.by_chance},
          {"beyond_chance", input.stability.beyond_chance()},
          {"state", stability_name(input.stability)},
          {"moved_most", std::move(moved)}};
}

Json newcomer_json(const NewcomerShare& share) {
  return {{"since", share.after}, {"before", share.before}};
}

Json performance_json(const PerformanceDrift& performance) {
  return {{"metric", performance.metric},
          {"n", performance.n},
          {"rows", performance.rows},
          {"people", performance.people},
          {"now", estimate_json(performance.now)},
          {"popularity", performance.popularity},
          {"gain", estimate_json(performance.gain)},
          {"then", estimate_json(performance.then)},
          {"change", estimate_json(performance.change)},
          {"at_training", estimate_json(performance.at_training)}};
}

std::string input_text(const InputDrift& input) {
  std::string text =
      fmt::format("  {:<14} {:<18} {:<8} PSI {:.3f}, {:.3f} of it by chance", input.of, input.name,
                  stability_name(input.stability), input.stability.index, input.stability.by_chance);
  if (input.stability.beyond_chance() > kStabilityMoved)
    for (const InputDrift::Bin& bin : input.moved_most)
      text += fmt::format("\n{:34}{}: {:.1f} % of the rows, {:.1f} % before", "", bin.value, 100 * bin.after,
                          100 * bin.before);
  return text + "\n";
}

std::string performance_text(const PerformanceDrift& performance) {
  std::string text = fmt::format(
      "on the last {} rows, {} {}:\n  {:<14} {}\n", with_thousands(performance.rows),
      with_thousands(performance.people), performance.n > 0 ? "people asked" : "ratings it can know",
      performance.n > 0 ? fmt::format("{}@{} now", performance.metric, performance.n)
                        : performance.metric + " now",
      estimate_text(performance.now));
  text += fmt::format("  {:<14} {:.4f}; gain over it {}{}\n", performance.n > 0 ? "popularity" : "best mean",
                      performance.popularity, estimate_text(performance.gain),
                      performance.n > 0 ? "" : " in squared error");
  if (performance.then)
    text += fmt::format("  {:<14} {}, on as many rows before the end of its training\n", "when made",
                        estimate_text(*performance.then));
  if (performance.at_training)
    text += fmt::format("  {:<14} {}, on all rows that held out\n", "its evaluation",
                        estimate_text(*performance.at_training));
  return text;
}

}  // namespace

std::string_view stability_name(const Stability& stability) {
  return stability.beyond_chance() > kStabilityShifted ? "shifted"
         : stability.beyond_chance() > kStabilityMoved ? "moved"
                                                       : "stable";
}

Json to_json(const ModelDrift& drift) {
  Json json{{"model", drift.model},
            {"version", drift.version},
            {"checked", format_time(drift.checked)},
            {"seconds", drift.seconds},
            {"verdict", drift_verdict_name(drift.verdict)},
            {"drifted", is_drift(drift.verdict)},
            {"words", drift.words},
            {"trained_to", format_time(drift.trained_to)},
            {"rows_before", drift.rows_before},
            {"rows_since", drift.rows_since},
            {"people_since", drift.people_since},
            {"limits", {{"worse", drift.limits.worse}, {"moved", drift.limits.moved}}},
            {"inputs", nullptr},
            {"performance", nullptr}};
  if (drift.inputs) {
    json["inputs"] = Json::array();
    for (const InputDrift& input : drift.inputs->columns) json["inputs"].push_back(input_json(input));
    json["new_users"] = newcomer_json(drift.inputs->users);
    json["new_items"] = newcomer_json(drift.inputs->items);
  }
  if (drift.performance) json["performance"] = performance_json(*drift.performance);
  return json;
}

std::string to_text(const ModelDrift& drift) {
  std::string text = fmt::format("{}@{}: {}\n", drift.model, drift.version, drift.words);
  if (!drift.inputs) return text;
  text += fmt::format("\n{} rows by {} people since {}, against {} before:\n",
                      with_thousands(drift.rows_since), with_thousands(drift.people_since),
                      format_time(drift.trained_to), with_thousands(drift.rows_before));
  for (const InputDrift& input : drift.inputs->columns) text += input_text(input);
  text +=
      fmt::format("  rows of new users {:.1f} % (usual {:.1f} %), of new items {:.1f} % (usual {:.1f} %)\n",
                  100 * drift.inputs->users.after, 100 * drift.inputs->users.before,
                  100 * drift.inputs->items.after, 100 * drift.inputs->items.before);
  if (drift.performance) text += "\n" + performance_text(*drift.performance);
  return text;
}

}  // namespace millrace
