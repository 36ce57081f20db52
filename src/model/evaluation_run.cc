#include "model/evaluation_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/env.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

const Estimate& of(const EvaluationOf& part, Metric metric) {
  return part.metrics[static_cast<std::size_t>(metric)];
}

/// A line of the table.
std::string line_of(std::string_view name, const Evaluation& evaluation) {
  const Estimate& ndcg = of(evaluation.all, Metric::kNdcg);
  const auto mean = [&](const EvaluationOf& part, Metric metric) {
    return part.people == 0 ? std::string("-") : fmt::format("{:.4f}", of(part, metric).mean);
  };
  return fmt::format(
      "{:<28} {:.4f} ({:.4f}–{:.4f}) {:>6} {:>6} {:>6} {:>6}  {:>6} {:>6} {:>6}  {:>5.1f}% {:>5.1f}%\n", name,
      ndcg.mean, ndcg.low, ndcg.high, mean(evaluation.all, Metric::kRecall),
      mean(evaluation.all, Metric::kHitRate), mean(evaluation.all, Metric::kMrr),
      mean(evaluation.all, Metric::kMap), mean(evaluation.warm, Metric::kNdcg),
      mean(evaluation.cold, Metric::kNdcg), mean(evaluation.new_items, Metric::kNdcg),
      100 * evaluation.coverage, 100 * evaluation.popularity_bias);
}

/// Recall and NDCG with lists of the other lengths.
std::string further_lines(const EvaluationReport& report) {
  std::string text = fmt::format("{:<28}", "");
  for (const std::size_t n : report.options.further_n)
    text +=
        fmt::format(" {:<24} {:<24}", fmt::format("recall@{} (95 %)", n), fmt::format("NDCG@{} (95 %)", n));
  text += "\n";
  const auto add = [&](std::string_view name, const Evaluation& evaluation) {
    text += fmt::format("{:<28}", name);
    for (const EvaluationAt& at : evaluation.further)
      for (const Metric metric : {Metric::kRecall, Metric::kNdcg}) {
        const Estimate& estimate = of(at.all, metric);
        text += fmt::format(
            " {:<24}", fmt::format("{:.4f} ({:.4f}–{:.4f})", estimate.mean, estimate.low, estimate.high));
      }
    text += "\n";
  };
  for (const JudgedRanking& model : report.models) {
    add(model.name, model.alone);
    if (model.with_fallback.each != model.alone.each) add(model.with_fallback.model, model.with_fallback);
  }
  return text + "\n";
}

}  // namespace

std::vector<NamedRanking> baselines(std::span<const Feedback> train) {
  const DurationUs span = train.empty() ? 0 : train.back().time - train.front().time;
  return {{"popularity", {}}, {"popularity_recent", {.half_life = std::max<DurationUs>(span / 12, 1)}}};
}

Result<EvaluationReport> run_evaluation(const EvaluationData& data, std::span<const NamedRanking> models,
                                        const EvaluationOptions& asked, const TrainingControl& control,
                                        const std::function<void(std::string_view)>& on_step) {
  EvaluationOptions options = asked;
  options.stop = control.stop;
  if (data.train.empty())
    return fail(Code::kInvalid,
                "there is nothing to train on: no interaction lies before the split; split by `last` or "
                "`people`, or bring more history");
  if (data.cases.empty())
    return fail(Code::kInvalid, "there is nobody to ask: no interaction lies after the split");
  EvaluationReport report{.protocol = data.protocol,
                          .options = asked,
                          .train_rows = data.train.size(),
                          .users = data.users,
                          .items = data.items,
                          .models = {}};
  std::vector<NamedRanking> all = baselines(data.train);
  const std::size_t fallback_at = all.size() - 1;
  all.insert(all.end(), models.begin(), models.end());

  std::unique_ptr<RankingModel> fallback;
  for (std::size_t m = 0; m < all.size(); ++m) {
    const auto say = [&](std::string_view what) {
      if (on_step) on_step(fmt::format("{}: {}", all[m].name, what));
    };
    say("training");
    const TimeUs begun = Env::system().steady_now();
    std::unique_ptr<RankingModel> trained;
    if (all[m].ready == nullptr) {
      auto made = train_ranking(data.train, data.users, data.items, all[m].settings, control, data.features);
      if (!made) return fail(std::move(made).error().with_context(all[m].name));
      trained = *std::move(made);
    }
    const RankingModel& model = trained ? *trained : *all[m].ready;
    JudgedRanking& judged = report.models.emplace_back();
    judged.name = all[m].name;
    judged.training_s = static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
    say("judging");
    judged.alone = evaluate(judged.name, model, data, options);
    if (control.stopped()) return fail(Code::kCancelled, "the evaluation was stopped");
    judged.with_fallback = judged.alone;
    if (m > fallback_at) {
      judged.with_fallback =
          evaluate(judged.name + " + fallback", *with_fallback(model, *fallback), data, options);
      judged.gain =
          difference(judged.with_fallback, report.models[fallback_at].alone, Metric::kNdcg, options);
    }
    if (model.foresees_ratings() && !data.asked.empty()) judged.ratings = judge_ratings(model, data, options);
    if (m == fallback_at) fallback = std::move(trained);
    if (control.stopped()) return fail(Code::kCancelled, "the evaluation was stopped");
  }
  return report;
}

std::string verdict_in_words(std::string_view model, std::string_view baseline, const Estimate& gain) {
  const std::string change = fmt::format("NDCG {:+.4f} ({:+.4f} to {:+.4f})", gain.mean, gain.low, gain.high);
  if (gain.low > 0)
    return fmt::format("{} with its fallback is better than {}: {}.", model, baseline, change);
  if (gain.high < 0)
    return fmt::format("{} with its fallback is worse than {}: {}. Do not use it.", model, baseline, change);
  return fmt::format("{} with its fallback cannot be told from {}: {}. More data, or the simpler one.", model,
                     baseline, change);
}

Json to_json(const EvaluationReport& report) {
  Json models = Json::array();
  for (const JudgedRanking& model : report.models) {
    models.push_back({{"name", model.name},
                      {"training_s", model.training_s},
                      {"alone", to_json(model.alone)},
                      {"with_fallback", to_json(model.with_fallback)},
                      {"ndcg_gain_over_baseline",
                       {{"mean", model.gain.mean}, {"low", model.gain.low}, {"high", model.gain.high}}}});
    if (model.ratings) {
      models.back()["ratings"] = to_json(*model.ratings);
      models.back()["ratings"]["says"] = to_text(*model.ratings);
    }
  }
  Json retraining = Json::array();
  for (const RetrainReport& walk : report.retraining) retraining.push_back(to_json(walk));
  return {{"protocol", report.protocol},
          {"n", report.options.n},
          {"repeats", report.options.repeats},
          {"further_n", report.options.further_n},
          {"train_rows", report.train_rows},
          {"users", report.users},
          {"items", report.items},
          {"models", std::move(models)},
          {"retraining", std::move(retraining)}};
}

std::string to_text(const EvaluationReport& report) {
  const EvaluationOf& all = report.models.front().alone.all;
  std::string text = fmt::format(
      "{}. {} interactions of {} people and {} items; {} people asked, {} of them without a history. Lists "
      "of {}{}.\n\n",
      report.protocol, with_thousands(report.train_rows), with_thousands(report.users),
      with_thousands(report.items), with_thousands(all.people),
      with_thousands(report.models.front().alone.cold.people), report.options.n,
      report.options.repeats ? ", what people met before included" : " of things they had not met");
  text += fmt::format("{:<28} {:<22} {:>6} {:>6} {:>6} {:>6}  {:>6} {:>6} {:>6}  {:>6} {:>6}\n", "",
                      "NDCG (95 %)", "recall", "hit", "MRR", "MAP", "warm", "cold", "new", "cover", "top");
  for (const JudgedRanking& model : report.models) {
    text += line_of(model.name, model.alone);
    if (model.with_fallback.each != model.alone.each)
      text += line_of(model.with_fallback.model, model.with_fallback);
  }
  text +=
      "\nwarm, cold: NDCG of people with and without a history; new: of what nobody had met in training; "
      "cover:\n"
      "share of the catalogue shown to anyone; top: share of the lists that is of the most popular tenth. "
      "--json\n"
      "has more.\n\n";
  if (!report.options.further_n.empty()) text += further_lines(report);
  for (std::size_t m = 2; m < report.models.size(); ++m) {
    const JudgedRanking& model = report.models[m];
    text += model.ratings ? fmt::format("{}: {}.\n", model.name, to_text(*model.ratings))
                          : verdict_in_words(model.name, report.models[1].name, model.gain) + "\n";
  }
  for (const RetrainReport& walk : report.retraining) text += "\n" + to_text(walk);
  return text;
}

}  // namespace millrace
