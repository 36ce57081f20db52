#include "model/retrain_report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kAgesOfLine = 8;

bool loses(const Estimate& change, double margin) {
  return change.high < 0 && change.mean < -margin;
}

std::string change_in_words(const Estimate& change) {
  return fmt::format("NDCG {:+.4f} ({:+.4f} to {:+.4f})", change.mean, change.low, change.high);
}

/// "+5 %", "-3.2 %" of the shortest cadence's NDCG.
std::string share_in_words(double change, double of) {
  return of > 0 ? fmt::format("{:+.1f} %", 100 * change / of) : std::string("0 %");
}

std::string trainings_in_words(const CadenceResult& result) {
  return fmt::format("{} training{}", result.trainings, result.trainings == 1 ? "" : "s");
}

/// Why the one after the suggested is not good enough, and what would make it so.
std::string why_not_longer(const RetrainReport& report, double margin) {
  const CadenceResult &shortest = report.cadences.front(), &longer = report.cadences[report.suggested + 1];
  std::string why =
      fmt::format(" {} loses against {}: {}, {}.", longer.cadence.name, shortest.cadence.name,
                  change_in_words(longer.change), share_in_words(longer.change.mean, shortest.whole.mean));
  if (!loses(longer.change_fresh, margin))
    why += fmt::format(
        " It is the popularity in it that gets old: with only that trained as often as {}, it would lose "
        "nothing that "
        "counts, {}.",
        shortest.cadence.name, change_in_words(longer.change_fresh));
  else if (longer.change_fresh.mean > longer.change.mean / 2)
    why += fmt::format(
        " Most of that is popularity that gets old: with only that trained as often as {}, it would lose {}, "
        "{}.",
        shortest.cadence.name, change_in_words(longer.change_fresh),
        share_in_words(longer.change_fresh.mean, shortest.whole.mean));
  for (std::size_t c = report.suggested + 2; c < report.cadences.size(); ++c)
    if (const CadenceResult& longest = report.cadences[c]; !loses(longest.change, margin))
      why += fmt::format(
          " {} shows no loss ({}), but where a shorter one loses that is owed to when it was trained, and is "
          "not "
          "counted on.",
          longest.cadence.name, change_in_words(longest.change));
  return why;
}

std::string why_suggested(const RetrainReport& report, double margin) {
  const CadenceResult &shortest = report.cadences.front(), &chosen = report.cadences[report.suggested];
  if (report.suggested == 0)
    return fmt::format("{}, the shortest that was tried, with {}; a shorter one may be better still.",
                       chosen.cadence.name, trainings_in_words(chosen)) +
           (report.cadences.size() > 1 ? why_not_longer(report, margin) : "");
  std::string why = fmt::format("{}, with {} in the place of {}: ", chosen.cadence.name,
                                trainings_in_words(chosen), shortest.trainings);
  if (chosen.change.low > 0)
    why +=
        fmt::format("it is even better than {}, {}.", shortest.cadence.name, change_in_words(chosen.change));
  else if (chosen.change.high >= 0)
    why += fmt::format("its loss against {} cannot be told from none, {}.", shortest.cadence.name,
                       change_in_words(chosen.change));
  else
    why += fmt::format("its loss against {}, {}, {}, is under the margin of {:.3g} %.", shortest.cadence.name,
                       change_in_words(chosen.change),
                       share_in_words(chosen.change.mean, shortest.whole.mean), 100 * report.margin_share);
  if (chosen.change.low < -margin)
    why += fmt::format(" The interval leaves open a loss of up to {:.1f} %.",
                       -100 * chosen.change.low / shortest.whole.mean);
  if (report.suggested + 1 < report.cadences.size()) why += why_not_longer(report, margin);
  return why;
}

Json interval_json(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

Json json_of(const CadenceResult& result) {
  Json ages = Json::array();
  for (const AgeQuality& age : result.by_age)
    ages.push_back({{"from", age.from},
                    {"to", age.to},
                    {"asked", age.asked},
                    {"ndcg", age.ndcg},
                    {"against_fresh", age.against_fresh}});
  Json json{{"name", result.cadence.name},
            {"every_periods", result.every_periods},
            {"trainings", result.trainings},
            {"training_s", result.training_s},
            {"with_fallback", interval_json(result.whole)},
            {"alone", interval_json(result.alone)},
            {"fallback", interval_json(result.fallback)},
            {"with_fresh_fallback", interval_json(result.whole_fresh)},
            {"against_shortest", interval_json(result.change)},
            {"against_shortest_with_fresh_fallback", interval_json(result.change_fresh)},
            {"by_age", std::move(ages)},
            {"lists", nullptr},
            {"vectors", nullptr}};
  if (const auto& churn = result.churn)
    json["lists"] = {{"comparisons", churn->comparisons},
                     {"jaccard", churn->jaccard},
                     {"equal_share", churn->equal_share}};
  if (const auto& drift = result.drift)
    json["vectors"] = {{"comparisons", drift->comparisons},
                       {"items", drift->items},
                       {"cosine", drift->cosine},
                       {"aligned", drift->aligned},
                       {"aligned_by_chance", drift->aligned_by_chance}};
  return json;
}

std::string table(const RetrainReport& report) {
  std::string text =
      fmt::format("{:<14} {:>5} {:>8}  {:<22} {:>6} {:>8} {:>6}  {:<28} {:>6} {:>6} {:>7}\n", "", "times",
                  "seconds", "NDCG (95 %)", "alone", "fallback", "fresh",
                  "against " + report.cadences.front().cadence.name, "lists", "cosine", "aligned");
  for (const CadenceResult& one : report.cadences) {
    const auto interval = [](const Estimate& e, const char* format) {
      return fmt::format(fmt::runtime(format), e.mean, e.low, e.high);
    };
    const auto part = [](bool there, double value) { return there ? fmt::format("{:.3f}", value) : "-"; };
    text += fmt::format(
        "{:<14} {:>5} {:>8.2f}  {:<22} {:>6.4f} {:>8.4f} {:>6.4f}  {:<28} {:>6} {:>6} {:>7}\n",
        one.cadence.name, one.trainings, one.training_s, interval(one.whole, "{:.4f} ({:.4f}–{:.4f})"),
        one.alone.mean, one.fallback.mean, one.whole_fresh.mean,
        &one == &report.cadences.front() ? "" : interval(one.change, "{:+.4f} ({:+.4f} to {:+.4f})"),
        part(one.churn.has_value(), one.churn ? one.churn->jaccard : 0),
        part(one.drift.has_value(), one.drift ? one.drift->cosine : 0),
        part(one.drift.has_value(), one.drift ? one.drift->aligned : 0));
  }
  return text;
}

/// NDCG less that of a model just trained, by how old the model was.
std::string age_lines(const RetrainReport& report) {
  std::string text;
  for (const CadenceResult& one : report.cadences) {
    if (one.by_age.size() < 2) continue;
    text += fmt::format("{:<14}", one.cadence.name);
    for (std::size_t k = 0; k < one.by_age.size(); ++k) {
      const AgeQuality& age = one.by_age[k];
      if (k > 0 && k % kAgesOfLine == 0) text += fmt::format("\n{:<14}", "");
      text += age.from == age.to ? fmt::format(" {}: {:+.4f}", age.from, age.against_fresh)
                                 : fmt::format(" {}–{}: {:+.4f}", age.from, age.to, age.against_fresh);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

void suggest_cadence(RetrainReport& report) {
  const double margin = report.margin_share * report.cadences.front().whole.mean;
  report.suggested = 0;
  if (report.cadences.front().whole.mean <= 0) {
    report.why = "none: no cadence recommends anything that people went on to, so there is nothing to lose.";
    return;
  }
  while (report.suggested + 1 < report.cadences.size() &&
         !loses(report.cadences[report.suggested + 1].change, margin))
    ++report.suggested;
  report.why = why_suggested(report, margin);
}

Json to_json(const RetrainReport& report) {
  Json cadences = Json::array();
  for (const CadenceResult& one : report.cadences) cadences.push_back(json_of(one));
  return {{"model", report.model},
          {"n", report.n},
          {"repeats", report.repeats},
          {"trained_until", format_time(report.trained_until)},
          {"to", format_time(report.to)},
          {"period_s", static_cast<double>(report.period) / kSecondUs},
          {"periods", report.periods},
          {"periods_skipped", report.periods_skipped},
          {"people", report.people},
          {"asked", report.asked},
          {"margin_share", report.margin_share},
          {"cadences", std::move(cadences)},
          {"suggested", report.cadences[report.suggested].cadence.name},
          {"why", report.why}};
}

std::string to_text(const RetrainReport& report) {
  const std::string skipped =
      report.periods_skipped == 0 ? "" : fmt::format(" ({} without anybody to ask)", report.periods_skipped);
  std::string text = fmt::format(
      "How often to train {}: trained on what was before {}, then walked to {} in {} periods of {}{}; {} "
      "people "
      "asked, {} times in all. Lists of {}.\n\n",
      report.model, format_time(report.trained_until), format_time(report.to), report.periods,
      in_words(report.period), skipped, with_thousands(report.people), with_thousands(report.asked),
      report.n);
  text += table(report);
  text +=
      "\ntimes, seconds: trainings; NDCG: with popularity_recent as the fallback, trained when the model is; "
      "fresh: "
      "with one\ntrained each period; lists: how alike (Jaccard) the lists of two successive trainings are; "
      "cosine: of "
      "an item's vectors\nin two successive trainings, as they are and aligned by a rotation.\n";
  if (const std::string ages = age_lines(report); !ages.empty())
    text += fmt::format("\nNDCG less that of a model just trained, by age in periods of {}:\n{}",
                        in_words(report.period), ages);
  return text + "\nSuggested: " + report.why + "\n";
}

}  // namespace millrace
