#include "model/model_trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "base/metrics.h"
#include "base/parallel.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kSplitSeed = 1;

EvaluationOptions options_of(const EvaluationSpec& spec, int threads) {
  return {.n = spec.n,
          .further_n = spec.further_n,
          .repeats = spec.repeats,
          .seed = kSplitSeed,
          .threads = threads};
}

const Estimate& reached(const Evaluation& evaluation, Metric metric) {
  return evaluation.all.metrics[static_cast<std::size_t>(metric)];
}

Estimate negative(const Estimate& estimate) {
  return {-estimate.mean, -estimate.high, -estimate.low};
}

std::string shown(const Estimate& estimate) {
  return fmt::format("{:+.4f} ({:+.4f} to {:+.4f})", estimate.mean, estimate.low, estimate.high);
}

/// Draw one value for a setting.
double draw(const SearchSpec& search, std::mt19937_64& random) {
  if (!search.choices.empty()) return search.choices[random() % search.choices.size()];
  const double share = static_cast<double>(random() >> 11U) * 0x1.0p-53;
  return std::exp(std::log(search.from) + share * (std::log(search.to) - std::log(search.from)));
}

/// Everything of `data` is training of the search; its last part is what is asked.
EvaluationData validation_of(const EvaluationSpec& spec, const EvaluationData& data, const FeedbackSet& all) {
  FeedbackSet train{.users = all.users, .items = all.items, .rows = data.train};
  return split_as(spec, train, data.features, kSplitSeed + 1);
}

/// Say what became of a version, and what the gate found.
std::string outcome_of(const GateVerdict& verdict, ModelTrainer::Deploy deploy) {
  using enum ModelTrainer::Deploy;
  if (deploy == kNever) return "not deployed, as asked";
  if (verdict.passed) return "deployed, " + verdict.words;
  return (deploy == kAlways ? "deployed, as asked, though the gate says: " : "not deployed: ") +
         verdict.words;
}

EvaluationData split(const EvaluationSpec& spec, const FeedbackSet& all, std::uint64_t seed) {
  switch (spec.split) {
    case EvaluationSpec::Split::kLast:
      return split_leave_last_out(all);
    case EvaluationSpec::Split::kPeople:
      return split_by_people(all, spec.test_share, seed);
    case EvaluationSpec::Split::kTime:
      break;
  }
  return split_by_time(all, time_at_share(all.rows, 1 - spec.test_share));
}

/// How popular each item is lately, as evaluations fall back on it.
Result<std::vector<float>> fallback_weights(const FeedbackSet& set) {
  MILLRACE_ASSIGN(const auto popular, train_ranking(set.rows, set.users.size(), set.items.size(),
                                                    baselines(set.rows).back().settings, {}));
  std::vector<float> weights(set.items.size());
  popular->score({}, weights);
  for (float& weight : weights) weight = std::max(weight, 0.F);
  return weights;
}

/// Whether a version was made of the data that the file asks for now.
bool made_of_same(const ServedModel& version, const ModelSpec& spec) {
  const auto definition = version.manifest.find("definition");
  if (definition == version.manifest.end() || !definition->is_string()) return false;
  const auto before =
      parse_model_spec(definition->get_ref<const std::string&>(), fmt::format("models/{}.yaml", spec.name));
  return before && same_data(*before, spec);
}

/// Whether a model of these settings can be trained on what was read.
bool trainable(const RankingSettings& settings, const TrainingFeedback& feedback) {
  return settings.kind != RankingKind::kImported &&
         (settings.kind != RankingKind::kTwoTower ||
          (feedback.features != nullptr &&
           (settings.two_tower.goal != TwoTowerGoal::kRatings || !feedback.features->labels.empty())));
}

constexpr const char* kMayHaveSeen =
    " (judged as it is, since it was made of other data; it may have learnt what is asked here)";

/// The gate of a model that foresees ratings: by the squared error. `deployed` may be null.
GateVerdict rating_gate(const RatingQuality& model, const JudgedRanking* deployed, double margin,
                        const EvaluationOptions& options) {
  if (model.gain.high < 0) return {.passed = false, .words = to_text(model)};
  if (deployed == nullptr) return {.passed = true, .words = "as the first: " + to_text(model)};
  if (!deployed->ratings)
    return {.passed = true, .words = "what was foresees no ratings to compare with: " + to_text(model)};
  const Estimate change = difference(model, *deployed->ratings, options);
  const std::string words = fmt::format("squared error less by {}; {}", shown(change), to_text(model));
  if (change.low < -margin)
    return {.passed = false,
            .words = fmt::format("may be worse than what is deployed by more than the margin of {}: {}",
                                 margin, words)};
  return {.passed = true, .words = "not worse than what was: " + words};
}

std::string yaml_of(const ModelSpec& spec, const std::vector<std::pair<std::string, double>>& values) {
  std::string yaml = fmt::format("# models/{}.yaml\nsettings:\n", spec.name);
  for (const auto& [name, value] : values) yaml += fmt::format("  {}: {:.6g}\n", name, value);
  return yaml;
}

}  // namespace

EvaluationData split_as(const EvaluationSpec& spec, const FeedbackSet& all, const RankingFeatures* features,
                        std::uint64_t seed) {
  EvaluationData data = split(spec, all, seed);
  data.features = features;
  if (features != nullptr && !features->labels.empty()) {
    std::vector<bool> trained(features->labels.size());
    for (const Feedback& row : data.train) trained[row.row] = true;
    for (const Feedback& row : all.rows)
      if (!trained[row.row]) data.asked.push_back(row);
  }
  return data;
}

Result<EvaluationReport> ModelTrainer::judge(const ModelSpec& spec, const TrainingFeedback& feedback,
                                             const std::atomic<bool>* stop, const OnStep& on_step) {
  std::vector<NamedRanking> models = {{spec.name, spec.settings}};
  const auto current = tools_.registry.current(spec.name);
  std::unique_ptr<RankingModel> imported, as_is;
  if (spec.settings.kind == RankingKind::kImported) {
    if (!current)
      return fail(Code::kNotFound,
                  fmt::format("no version of {0} is deployed: millrace model import {0}", spec.name));
    imported = renumbered(*current, feedback.set);
    models.front().ready = imported.get();
  } else if (current && trainable(current->settings, feedback) && made_of_same(*current, spec)) {
    models.push_back({std::string(kDeployedName), current->settings});
  } else if (current) {
    as_is = renumbered(*current, feedback.set);
    models.push_back({std::string(kDeployedAsIs), current->settings, as_is.get()});
  }
  return judge_as_asked(spec, feedback, models, stop, on_step);
}

Result<EvaluationReport> ModelTrainer::judge_as_asked(const ModelSpec& spec, const TrainingFeedback& feedback,
                                                      std::span<const NamedRanking> models,
                                                      const std::atomic<bool>* stop, const OnStep& on_step) {
  return run_evaluation(split_as(spec.evaluation, feedback.set, feedback.features.get(), kSplitSeed), models,
                        options_of(spec.evaluation, tools_.threads),
                        {.threads = tools_.threads, .stop = stop}, on_step);
}

Result<EvaluationReport> ModelTrainer::evaluate(const ModelSpec& spec, std::optional<RetrainSettings> retrain,
                                                const std::atomic<bool>* stop, const OnStep& on_step) {
  if (retrain && spec.settings.kind == RankingKind::kImported)
    return fail(Code::kInvalid,
                fmt::format("models/{}.yaml: its vectors are made elsewhere: there is nothing to train again",
                            spec.name));
  on_step("reading");
  MILLRACE_ASSIGN(const TrainingFeedback feedback,
                  read_training_feedback(tools_.warehouse, spec, tools_.sets));
  MILLRACE_ASSIGN(EvaluationReport report, judge(spec, feedback, stop, on_step));
  if (retrain) {
    retrain->evaluation = options_of(spec.evaluation, tools_.threads);
    MILLRACE_ASSIGN(
        report.retraining.emplace_back(),
        backtest_retraining(feedback.set, {spec.name, spec.settings}, *retrain,
                            {.threads = tools_.threads, .stop = stop}, on_step, feedback.features.get()));
  }
  return report;
}

GateVerdict ModelTrainer::gate(const ModelSpec& spec, const EvaluationReport& report) const {
  const EvaluationOptions options = options_of(spec.evaluation, tools_.threads);
  const JudgedRanking& baseline = report.models[1];
  const JudgedRanking& model = report.models[2];
  const JudgedRanking* const deployed = report.models.size() > 3 ? &report.models[3] : nullptr;
  if (model.ratings) return rating_gate(*model.ratings, deployed, spec.gate_margin, options);
  if (model.alone.coverage == 0)
    return {.passed = false, .words = "it has nothing to say to anyone who was asked"};
  const Estimate gain = difference(model.with_fallback, baseline.alone, spec.gate_metric, options);
  const std::string metric(metric_name(spec.gate_metric));
  if (gain.high < 0)
    return {.passed = false, .words = fmt::format("worse than popularity: {} {}", metric, shown(gain))};
  if (deployed == nullptr)
    return {.passed = true,
            .words = fmt::format("as the first: {} {} against recent popularity{}", metric, shown(gain),
                                 gain.low > 0 ? "" : "; not better for sure")};
  const Estimate change = difference(model.with_fallback, deployed->with_fallback, spec.gate_metric, options);
  const char* seen = deployed->name == kDeployedAsIs ? kMayHaveSeen : "";
  if (change.low < -spec.gate_margin)
    return {
        .passed = false,
        .words = fmt::format(
            "may be worse than what is deployed by more than the margin of {}: {} {}{}; than popularity {}",
            spec.gate_margin, metric, shown(change), seen, shown(gain))};
  return {.passed = true,
          .words = fmt::format("not worse than what was: {} {}{}; than popularity {}", metric, shown(change),
                               seen, shown(gain))};
}

Result<Json> ModelTrainer::write(const ModelSpec& spec, const TrainingFeedback& feedback,
                                 const RankingModel& model, const EvaluationReport& report, const Json& more,
                                 std::string_view version, const Path& dir) {
  MILLRACE_ASSIGN(BundleWriter writer, BundleWriter::begin(tools_.env, dir));
  MILLRACE_TRY(writer.add("items", feedback.set.items));
  MILLRACE_TRY(writer.add("users", feedback.set.users));
  MILLRACE_TRY(model.save(writer));
  if (!model.foresees_ratings()) {
    MILLRACE_ASSIGN(const std::vector<float> weights, fallback_weights(feedback.set));
    MILLRACE_TRY(writer.add("fallback_weights", std::span<const float>(weights)));
  }
  MILLRACE_TRY(writer.add_json("evaluation", to_json(report)));
  Json manifest{{"name", spec.name},
                {"version", version},
                {"kind", ranking_kind_name(spec.settings.kind)},
                {"description", spec.description},
                {"made", format_time(tools_.env.now())},
                {"settings", to_json(spec.settings)},
                {"definition", spec.text},
                {"training",
                 {{"rows", feedback.set.rows.size()},
                  {"users", feedback.set.users.size()},
                  {"items", feedback.set.items.size()},
                  {"incomplete_left_out", feedback.incomplete},
                  {"from", format_time(feedback.set.rows.front().time)},
                  {"to", format_time(feedback.set.rows.back().time)},
                  {"hash", feedback.hash},
                  {"offsets", feedback.offsets}}},
                {"metrics", to_json(report.models[2].with_fallback)}};
  manifest.update(more);
  if (!feedback.training_set.empty()) manifest["training"]["training_set"] = feedback.training_set;
  if (report.models[2].ratings) manifest["ratings"] = to_json(*report.models[2].ratings);
  MILLRACE_TRY(writer.finish(manifest));
  return manifest;
}

Result<TrainedModel> ModelTrainer::train(const ModelSpec& spec, Deploy deploy, std::string_view by,
                                         const std::atomic<bool>* stop, const OnStep& on_step,
                                         std::string_view because) {
  auto trained = train_version(spec, deploy, by, stop, on_step, because);
  const char* outcome = trained ? (trained->deployed ? "deployed" : "not_deployed")
                                : (trained.error().code == Code::kCancelled ? "stopped" : "failed");
  metrics::counter("millrace_model_trainings_total",
                   "Trainings of models that have ended, by what came of it",
                   {{"model", spec.name}, {"outcome", outcome}})
      .Increment();
  return trained;
}

Result<TrainedModel> ModelTrainer::train_version(const ModelSpec& spec, Deploy deploy, std::string_view by,
                                                 const std::atomic<bool>* stop, const OnStep& on_step,
                                                 std::string_view because) {
  if (spec.settings.kind == RankingKind::kImported)
    return fail(
        Code::kInvalid,
        fmt::format("models/{0}.yaml: its vectors are made elsewhere: millrace model import {0}", spec.name));
  on_step("reading");
  MILLRACE_ASSIGN(const TrainingFeedback feedback,
                  read_training_feedback(tools_.warehouse, spec, tools_.sets));
  MILLRACE_ASSIGN(const EvaluationReport report, judge(spec, feedback, stop, on_step));
  on_step(fmt::format("{}: training on everything", spec.name));
  Json curve = Json::array();
  const TrainingControl control{
      .threads = tools_.threads, .stop = stop, .on_step = [&](const TrainingStep& step) {
        on_step(fmt::format("{}: round {} of {}", spec.name, step.step, step.steps));
        curve.push_back({{"step", step.step}, {"loss", step.loss}});
        return true;
      }};
  MILLRACE_ASSIGN(const auto model,
                  train_ranking(feedback.set.rows, feedback.set.users.size(), feedback.set.items.size(),
                                spec.settings, control, feedback.features.get()));
  on_step("writing");
  MILLRACE_ASSIGN(const auto place, tools_.registry.next_version(spec.name));
  TrainedModel trained{.version = place.first, .manifest = {}};
  const GateVerdict verdict = gate(spec, report);
  Json more = {{"gate", verdict.words}, {"passed", verdict.passed}, {"trained_because", because}};
  if (!curve.empty()) more["curve"] = std::move(curve);
  MILLRACE_ASSIGN(trained.manifest, write(spec, feedback, *model, report, more, place.first, place.second));
  trained.manifest["evaluation"] = to_json(report);
  MILLRACE_TRY(deploy_by_gate(spec.name, deploy, verdict, by, trained));
  return trained;
}

Status ModelTrainer::deploy_by_gate(const std::string& name, Deploy deploy, const GateVerdict& verdict,
                                    std::string_view by, TrainedModel& trained) {
  trained.gate = outcome_of(verdict, deploy);
  if (deploy == Deploy::kNever || (deploy == Deploy::kIfGood && !verdict.passed)) return {};
  MILLRACE_TRY(tools_.registry.deploy(name, trained.version, by));
  trained.deployed = true;
  return {};
}

Result<Tuning> ModelTrainer::tune(const ModelSpec& spec, std::size_t trials, DurationUs limit,
                                  std::uint64_t seed, const std::atomic<bool>* stop, const OnStep& on_step) {
  if (spec.search.empty())
    return fail(
        Code::kInvalid,
        fmt::format("models/{}.yaml: give search: what to try, such as search: {{factors: [32, 64, 128]}}",
                    spec.name));
  on_step("reading");
  MILLRACE_ASSIGN(const TrainingFeedback feedback,
                  read_training_feedback(tools_.warehouse, spec, tools_.sets));
  const EvaluationData data = validation_of(
      spec.evaluation, split_as(spec.evaluation, feedback.set, feedback.features.get(), kSplitSeed),
      feedback.set);
  if (data.train.empty() || data.cases.empty())
    return fail(Code::kInvalid, "too few interactions to hold some out for a search");
  const EvaluationOptions options = options_of(spec.evaluation, tools_.threads);
  const DurationUs begun = tools_.env.steady_now();
  std::mt19937_64 random(seed);
  Tuning tuning{.metric = std::string(metric_name(spec.gate_metric)), .trials = {}};
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t trial = 0; trial < trials; ++trial) {
    if (limit > 0 && trial > 0 && tools_.env.steady_now() - begun > limit) break;
    RankingSettings settings = spec.settings;
    std::vector<std::pair<std::string, double>> values;
    if (trial > 0)
      for (const SearchSpec& search : spec.search) {
        values.emplace_back(search.setting, draw(search, random));
        MILLRACE_TRY(set_ranking_number(settings, search.setting, values.back().second));
      }
    MILLRACE_ASSIGN(const auto model,
                    train_ranking(data.train, data.users, data.items, settings,
                                  {.threads = tools_.threads, .stop = stop}, data.features));
    // Of ratings the error below 0, so that more is better.
    const bool ratings = model->foresees_ratings() && !data.asked.empty();
    if (ratings) tuning.metric = "-RMSE";
    const Estimate metric =
        ratings ? negative(judge_ratings(*model, data, options).rmse)
                : reached(millrace::evaluate(spec.name, *model, data, options), spec.gate_metric);
    if (stop != nullptr && *stop) return fail(Code::kCancelled, "the search was stopped");
    tuning.trials.push_back({to_json(settings), metric});
    if (metric.mean > best) {
      best = metric.mean;
      tuning.yaml = trial == 0 ? std::string() : yaml_of(spec, values);
    }
    on_step(fmt::format("trial {} of {}: {} {:.4f}, best {:.4f}", trial + 1, trials, tuning.metric,
                        metric.mean, best));
  }
  tuning.best_of = tuning.trials.size();
  std::ranges::stable_sort(tuning.trials, std::greater(),
                           [](const TuningTrial& trial) { return trial.metric.mean; });
  return tuning;
}

}  // namespace millrace
