#include "model/model_drift.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kRowsMin = 100;
constexpr std::size_t kPeopleMin = 20;

EvaluationOptions drift_options(const EvaluationSpec& spec, int threads) {
  return {.n = spec.n, .repeats = spec.repeats, .threads = threads};
}

/// Which of an evaluation's models the baseline is that the gate holds models against, and which is judged.
constexpr std::size_t kBaseline = 1;
constexpr std::size_t kJudged = 2;

/// Return the time up to which a version knows interactions. One row of a clock that is years ahead must not
/// make all that comes look known.
Result<TimeUs> known_until(const ServedModel& model) {
  std::optional<TimeUs> until;
  const auto take = [&](const nlohmann::json& text) {
    const auto time = text.is_string() ? parse_time(text.get<std::string>()) : fail(Code::kInvalid, "none");
    if (time) until = std::min(until.value_or(kTimeMax), *time);
  };
  take(model.manifest.value("/training/to"_json_pointer, nlohmann::json()));
  take(model.manifest.value("made", nlohmann::json()));
  if (!until)
    return fail(Code::kInvalid, fmt::format("{}@{} does not say when it was trained: train it again",
                                            model.name, model.version));
  return *until;
}

/// Ask for what happened from `at` on, of people, and of labels where there are some.
EvaluationData asked_from(const FeedbackSet& set, const RankingFeatures* features, TimeUs at) {
  EvaluationData data = split_by_time(set, at);
  data.features = features;
  if (features != nullptr && !features->labels.empty())
    for (const Feedback& row : set.rows)
      if (row.time >= at) data.asked.push_back(row);
  return data;
}

/// Looks at one version.
class DriftCheck {
 public:
  DriftCheck(const ModelTrainer::Tools& tools, const ModelSpec& spec, const ServedModel& model,
             const TrainingFeedback& feedback, const std::atomic<bool>* stop,
             const ModelTrainer::OnStep& on_step)
      : tools_(tools), spec_(spec), model_(model), feedback_(feedback), stop_(stop), on_step_(on_step) {}

  Result<ModelDrift> run() {
    MILLRACE_ASSIGN(drift_.trained_to, known_until(model_));
    count_rows();
    if (drift_.rows_since >= kRowsMin && drift_.people_since >= kPeopleMin &&
        drift_.rows_before >= kRowsMin) {
      on_step_("comparing inputs");
      drift_.inputs = compare_inputs(feedback_, drift_.rows_before);
      MILLRACE_TRY(judge_now());
    }
    conclude();
    return std::move(drift_);
  }

 private:
  void count_rows() {
    const auto& rows = feedback_.set.rows;
    const auto since = std::ranges::upper_bound(rows, drift_.trained_to, {}, &Feedback::time);
    drift_.model = model_.name;
    drift_.version = model_.version;
    drift_.limits = spec_.retrain.limits;
    drift_.rows_before = static_cast<std::size_t>(since - rows.begin());
    drift_.rows_since = rows.size() - drift_.rows_before;
    std::vector<bool> seen(feedback_.set.users.size());
    for (auto row = since; row != rows.end(); ++row) {
      drift_.people_since += !seen[row->user];
      seen[row->user] = true;
    }
  }

  /// Judge the version on the last rows since its training, as many as its evaluation held out: longer lists
  /// of wishes are easier to meet, so only like is compared with like.
  Status judge_now() {
    const auto held_out =
        static_cast<std::size_t>(spec_.evaluation.test_share * static_cast<double>(drift_.rows_before));
    const std::size_t rows = std::clamp(held_out, std::size_t{1}, drift_.rows_since);
    const auto& all = feedback_.set.rows;
    const TimeUs at = std::max(drift_.trained_to + 1, all[all.size() - rows].time);
    EvaluationData data = asked_from(feedback_.set, feedback_.features.get(), at);
    std::erase_if(data.asked, [&](const Feedback& row) {
      return !model_.users.find(feedback_.set.users.id(row.user)) ||
             !model_.items.find(feedback_.set.items.id(row.item));
    });
    if (data.cases.size() < kPeopleMin) return {};
    const auto ready = renumbered(model_, feedback_.set);
    MILLRACE_ASSIGN(const EvaluationReport now,
                    evaluate(data, {{model_.name, model_.settings, ready.get()}}));
    const bool rates = ready->foresees_ratings();
    const JudgedRanking& judged = now.models[kJudged];
    PerformanceDrift found{.rows = rows};
    if (rates ? !judged.ratings || judged.ratings->rows < kRowsMin
              : judged.with_fallback.all.people < kPeopleMin)
      return {};
    fill(found, now, rates);
    MILLRACE_TRY(judge_then(found, rows, rates));
    drift_.performance = std::move(found);
    return {};
  }

  void fill(PerformanceDrift& found, const EvaluationReport& now, bool rates) const {
    const JudgedRanking &judged = now.models[kJudged], &baseline = now.models[kBaseline];
    if (rates) {
      found.metric = "rmse";
      found.people = judged.ratings->rows;
      found.now = judged.ratings->rmse;
      found.popularity = judged.ratings->baseline_rmse();
      found.gain = judged.ratings->gain;
    } else {
      found.metric = metric_name(spec_.gate_metric);
      found.n = spec_.evaluation.n;
      found.people = judged.with_fallback.all.people;
      found.now = reached(judged.with_fallback);
      found.popularity = reached(baseline.alone).mean;
      found.gain = difference(judged.with_fallback, baseline.alone, spec_.gate_metric, now.options);
    }
    const auto kept = rates ? nlohmann::json::json_pointer("/ratings/rmse")
                            : nlohmann::json::json_pointer("/metrics/all") / found.metric;
    const nlohmann::json at_training = model_.manifest.value(kept, nlohmann::json());
    if (at_training.is_object())
      found.at_training = {at_training.value("mean", 0.0), at_training.value("low", 0.0),
                           at_training.value("high", 0.0)};
  }

  /// Find out what the settings reached on as many rows before the end of the training.
  Status judge_then(PerformanceDrift& found, std::size_t rows, bool rates) {
    if (model_.settings.kind == RankingKind::kImported) return {};
    const auto& all = feedback_.set.rows;
    const FeedbackSet before{
        .users = feedback_.set.users,
        .items = feedback_.set.items,
        .rows = {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(drift_.rows_before)}};
    EvaluationData data =
        asked_from(before, feedback_.features.get(), before.rows[drift_.rows_before - rows].time);
    std::vector<bool> users(data.users), items(data.items);
    for (const Feedback& row : data.train) users[row.user] = items[row.item] = true;
    std::erase_if(data.asked, [&](const Feedback& row) { return !users[row.user] || !items[row.item]; });
    if (data.train.empty() || data.cases.size() < kPeopleMin || (rates && data.asked.size() < kRowsMin))
      return {};
    MILLRACE_ASSIGN(const EvaluationReport report,
                    evaluate(data, {{"as when made", model_.settings, nullptr}}));
    const JudgedRanking& judged = report.models[kJudged];
    if (rates && !judged.ratings) return {};
    found.then = rates ? judged.ratings->rmse : reached(judged.with_fallback);
    const Estimate &now = found.now, &then = *found.then;
    // Two samples of people: the half widths of their intervals add up as squares.
    const double change = rates ? then.mean - now.mean : now.mean - then.mean;
    const double half = std::hypot((now.high - now.low) / 2, (then.high - then.low) / 2);
    found.change = {change, change - half, change + half};
    return {};
  }

  Result<EvaluationReport> evaluate(const EvaluationData& data,
                                    const std::vector<NamedRanking>& models) const {
    return run_evaluation(data, models, drift_options(spec_.evaluation, tools_.threads),
                          {.threads = tools_.threads, .stop = stop_}, on_step_);
  }

  const Estimate& reached(const Evaluation& evaluation) const {
    return evaluation.all.metrics[static_cast<std::size_t>(spec_.gate_metric)];
  }

  void conclude() {
    if (!drift_.inputs) {
      drift_.words = fmt::format(
          "too little to say: {} rows by {} people since its training, {} before; {} rows by {} people are "
          "the least",
          with_thousands(drift_.rows_since), with_thousands(drift_.people_since),
          with_thousands(drift_.rows_before), kRowsMin, kPeopleMin);
      return;
    }
    const auto& performance = drift_.performance;
    const InputDrift* moved = drift_.inputs->columns.empty() ? nullptr : &drift_.inputs->columns.front();
    if (moved != nullptr && moved->stability.beyond_chance() <= drift_.limits.moved) moved = nullptr;
    using enum DriftVerdict;
    if (performance && performance->gain.high < 0) {
      drift_.verdict = kWorseThanPopularity;
      drift_.words = fmt::format("worse than popularity: {} {:.4f} against {:.4f}", performance->metric,
                                 performance->now.mean, performance->popularity);
    } else if (performance && performance->change && performance->change->high < -drift_.limits.worse) {
      drift_.verdict = kWorseThanMade;
      drift_.words = fmt::format("worse than when it was made: {} {:.4f}, then {:.4f}", performance->metric,
                                 performance->now.mean, performance->then->mean);
    } else if (moved != nullptr) {
      drift_.verdict = kInputsMoved;
    } else {
      drift_.verdict = kFine;
      drift_.words =
          performance ? "fine" : "fine, as far as inputs say; too few people to ask how well it does";
    }
    if (moved != nullptr)
      drift_.words += fmt::format("{}inputs moved: {} of {} by {:.2f}", drift_.words.empty() ? "" : "; ",
                                  moved->name, moved->of, moved->stability.beyond_chance());
  }

  const ModelTrainer::Tools& tools_;
  const ModelSpec& spec_;
  const ServedModel& model_;
  const TrainingFeedback& feedback_;
  const std::atomic<bool>* const stop_;
  const ModelTrainer::OnStep& on_step_;
  ModelDrift drift_;
};

}  // namespace

std::string_view drift_verdict_name(DriftVerdict verdict) {
  switch (verdict) {
    case DriftVerdict::kTooLittle:
      return "too_little";
    case DriftVerdict::kFine:
      return "fine";
    case DriftVerdict::kInputsMoved:
      return "inputs_moved";
    case DriftVerdict::kWorseThanMade:
      return "worse_than_made";
    case DriftVerdict::kWorseThanPopularity:
      break;
  }
  return "worse_than_popularity";
}

bool is_drift(DriftVerdict verdict) {
  return verdict >= DriftVerdict::kInputsMoved;
}

Result<ModelDrift> check_drift(const ModelTrainer::Tools& tools, const ModelSpec& spec,
                               const std::atomic<bool>* stop, const ModelTrainer::OnStep& on_step) {
  const auto model = tools.registry.current(spec.name);
  if (!model)
    return fail(Code::kNotFound, fmt::format("no version of {0} is deployed: millrace train {0}", spec.name));
  if (spec.time == kNoTime)
    return fail(Code::kInvalid,
                fmt::format("models/{}.yaml: its interactions have no time, so nobody can say "
                            "what came since its training",
                            spec.name));
  const DurationUs begun = tools.env.steady_now();
  on_step("reading");
  MILLRACE_ASSIGN(const TrainingFeedback feedback,
                  read_training_feedback(tools.warehouse, spec, tools.sets, NoRows::kAllowed));
  MILLRACE_ASSIGN(ModelDrift drift, DriftCheck(tools, spec, *model, feedback, stop, on_step).run());
  if (stop != nullptr && *stop) return fail(Code::kCancelled, "the look for drift was stopped");
  drift.checked = tools.env.now();
  drift.seconds = static_cast<double>(tools.env.steady_now() - begun) / kSecondUs;
  return drift;
}

}  // namespace millrace
