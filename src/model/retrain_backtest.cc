#include "model/retrain_backtest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/env.h"
#include "model/retrain_stability.h"

namespace millrace {
namespace {

constexpr std::size_t kComparedMax = 1'000;  ///< people whose lists of two trainings are compared
constexpr std::size_t kAgesMax = 24;         ///< ages that are told apart

/// A model trained when there were fewer items: it has nothing to say of the others, unless it knows them by
/// their features.
class EarlierRanking : public RankingModel {
 public:
  EarlierRanking(std::unique_ptr<RankingModel> model, std::size_t items)
      : model_(std::move(model)), items_(model_->towers() != nullptr ? SIZE_MAX : items) {}
  void score(const Person& person, std::span<float> scores) const override {
    const std::size_t known = std::min(items_, scores.size());
    model_->score(person, scores.first(known));
    std::ranges::fill(scores.subspan(known), -std::numeric_limits<float>::infinity());
  }
  Status save(BundleWriter&) const override { return fail(Code::kInternal, "it is not kept"); }
  std::optional<MatrixView> item_vectors() const override { return model_->item_vectors(); }

 private:
  const std::unique_ptr<RankingModel> model_;
  const std::size_t items_;
};

/// What was trained at the begin of a period.
struct TrainedAt {
  std::unique_ptr<RankingModel> model;
  std::unique_ptr<RankingModel> fallback;
  double training_s = 0;  ///< of the model
};

enum RetrainMeasure : std::uint8_t {
  kWholeNdcg,
  kAloneNdcg,
  kFallbackNdcg,
  kWholeFreshNdcg,
  kChangeNdcg,
  kChangeFreshNdcg,
  kRetrainMeasures
};
/// Of each person asked in a period.
using Answers = std::array<std::vector<float>, kRetrainMeasures>;

/// One cadence on its way.
struct CadenceCourse {
  CadenceResult result;
  Answers answers;  ///< of all periods
  StabilityTally stability;
  std::optional<std::size_t> trained_at;  ///< at the begin of which period
  std::vector<AgeQuality> ages;           ///< by age in periods; sums until the end
};

/// Order people for a sample that a seed alone decides.
std::uint64_t shuffled_place(std::uint32_t user, std::uint64_t seed) {
  std::uint64_t z = (user + 1ULL) * 0x9E3779B97F4A7C15ULL + seed;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

class RetrainWalk {
 public:
  RetrainWalk(const FeedbackSet& all, const NamedRanking& model, const RetrainSettings& settings,
              const TrainingControl& control, const std::function<void(std::string_view)>& on_step,
              const RankingFeatures* features)
      : all_(all),
        model_(model),
        settings_(settings),
        control_(control),
        on_step_(on_step),
        features_(features) {}

  Result<RetrainReport> run() {
    MILLRACE_TRY(plan());
    histories_.resize(all_.users.size());
    for (const Feedback& row : all_.rows) histories_[row.user].push_back(row);
    for (std::size_t period = 0; period < report_.periods; ++period) {
      MILLRACE_TRY(walk(period));
      if (control_.stopped()) return fail(Code::kCancelled, "the backtest was stopped");
    }
    if (people_.empty())
      return fail(Code::kInvalid, "there is nobody to ask: after the first part nobody met anything new");
    finish();
    return std::move(report_);
  }

 private:
  Status plan();
  Status plan_cadences();
  Status walk(std::size_t period);
  EvaluationData cases_of(std::size_t period) const;
  Status train_at(std::size_t period);
  Answers ask(std::size_t at, std::size_t now, const EvaluationData& data) const;
  void take(CadenceCourse& course, std::size_t period, const Answers& answers, const Answers& freshest);
  void compare(CadenceCourse& course, std::size_t before, std::size_t after, const EvaluationData& data);
  std::vector<float> ndcg_of(const RankingModel& model, const EvaluationData& data) const;
  void finish();

  TimeUs begin_of(std::size_t period) const {
    return report_.trained_until + static_cast<DurationUs>(period) * report_.period;
  }
  /// The place of the first row from `time` on.
  std::size_t row_at(TimeUs time) const {
    return static_cast<std::size_t>(std::ranges::lower_bound(all_.rows, time, {}, &Feedback::time) -
                                    all_.rows.begin());
  }
  /// How many items are known before a period.
  std::size_t items_before(std::size_t period) const {
    const std::size_t rows = row_at(begin_of(period));
    return rows == 0
               ? 0
               : 1 + std::ranges::max_element(all_.rows.begin(), at_row(rows), {}, &Feedback::item)->item;
  }
  std::vector<Feedback>::const_iterator at_row(std::size_t row) const {
    return all_.rows.begin() + static_cast<std::ptrdiff_t>(row);
  }
  /// When the model was trained that a cadence has in a period.
  static std::size_t training_of(const CadenceCourse& course, std::size_t period) {
    return course.result.every_periods == 0 ? 0 : period - period % course.result.every_periods;
  }
  void say(std::string_view what) const {
    if (on_step_) on_step_(fmt::format("{}: {}", model_.name, what));
  }

  const FeedbackSet& all_;
  const NamedRanking& model_;
  const RetrainSettings& settings_;
  const TrainingControl& control_;
  const std::function<void(std::string_view)>& on_step_;
  const RankingFeatures* features_;
  RetrainReport report_;
  std::vector<CadenceCourse> courses_;
  std::vector<std::vector<Feedback>> histories_;  ///< of everyone, by time
  std::map<std::size_t, TrainedAt> trained_;      ///< by period; those in use
  std::vector<std::uint32_t> people_;             ///< of each answer
};

Status RetrainWalk::plan() {
  if (all_.rows.empty()) return fail(Code::kInvalid, "there are no interactions to walk through");
  report_.model = model_.name;
  report_.n = settings_.evaluation.n;
  report_.repeats = settings_.evaluation.repeats;
  report_.margin_share = settings_.margin_share;
  report_.trained_until = time_at_share(all_.rows, settings_.first_share);
  report_.to = all_.rows.back().time;
  const Cadence& shortest = settings_.cadences.front();
  report_.period = shortest.every;
  const DurationUs span = report_.to + 1 - report_.trained_until;
  if (span / 2 < report_.period)
    return fail(
        Code::kInvalid,
        fmt::format(
            "what follows the first {:.0f} % of the interactions spans {}, less than two "
            "periods of the shortest cadence, {}: take a shorter one, or a smaller first share{}",
            100 * settings_.first_share, in_words(span), shortest.name,
            report_.to - all_.rows.front().time < kMinuteUs ? " (or do the rows have no times?)" : ""));
  report_.periods = static_cast<std::size_t>((span + report_.period - 1) / report_.period);
  if (report_.periods > settings_.periods_max)
    return fail(Code::kInvalid,
                fmt::format("{} periods of the shortest cadence, {}, would be walked: at most {}; "
                            "take a longer one, or a greater first share",
                            report_.periods, shortest.name, settings_.periods_max));
  if (row_at(report_.trained_until) == 0)
    return fail(Code::kInvalid, "there is nothing to train on first: take a greater first share");
  return plan_cadences();
}

Status RetrainWalk::plan_cadences() {
  for (const Cadence& cadence : settings_.cadences) {
    const std::size_t every =
        cadence.every == 0 ? 0
                           : static_cast<std::size_t>(std::llround(static_cast<double>(cadence.every) /
                                                                   static_cast<double>(report_.period)));
    if (every >= report_.periods)
      return fail(Code::kInvalid,
                  fmt::format("{} is as long as all that is walked, {}: it would be `never`; leave "
                              "it out, or take a smaller first share",
                              cadence.name, in_words(report_.to - report_.trained_until)));
    if (!courses_.empty() && courses_.back().result.every_periods == every)
      return fail(Code::kInvalid,
                  fmt::format("{} and {} are the same in whole periods of {}",
                              courses_.back().result.cadence.name, cadence.name, in_words(report_.period)));
    CadenceCourse& course = courses_.emplace_back();
    course.result.cadence = cadence;
    course.result.every_periods = every;
    course.ages.resize(report_.periods);
  }
  return {};
}

Status RetrainWalk::walk(std::size_t period) {
  const EvaluationData data = cases_of(period);
  if (data.cases.empty()) {
    ++report_.periods_skipped;
    return {};
  }
  std::map<std::size_t, Answers> answers;
  for (const CadenceCourse& course : courses_) answers[training_of(course, period)];
  for (const auto& [at, none] : answers) MILLRACE_TRY(train_at(at));
  say(fmt::format("period {} of {}: asking {} people", period + 1, report_.periods, data.cases.size()));
  for (auto& [at, answer] : answers) answer = ask(at, period, data);
  for (CadenceCourse& course : courses_) {
    const std::size_t at = training_of(course, period);
    if (course.trained_at != at) {
      if (course.trained_at) compare(course, *course.trained_at, at, data);
      course.trained_at = at;
      ++course.result.trainings;
      course.result.training_s += trained_.at(at).training_s;
    }
    take(course, period, answers.at(at), answers.at(period));
  }
  for (const EvaluationCase& one : data.cases) people_.push_back(one.user);
  std::erase_if(trained_, [&](const auto& one) { return !answers.contains(one.first); });
  return {};
}

EvaluationData RetrainWalk::cases_of(std::size_t period) const {
  const TimeUs begin = begin_of(period), end = begin + report_.period;
  std::set<std::uint32_t> users;
  for (std::size_t row = row_at(begin); row < row_at(end); ++row) users.insert(all_.rows[row].user);
  // What comes in a period is a candidate for models that know it by its features.
  EvaluationData data{.train = {},
                      .cases = {},
                      .users = all_.users.size(),
                      .items = items_before(features_ == nullptr ? period : period + 1),
                      .protocol = {}};
  for (const std::uint32_t user : users) {
    const std::vector<Feedback>& rows = histories_[user];
    const auto from = std::ranges::lower_bound(rows, begin, {}, &Feedback::time);
    const auto to = std::ranges::lower_bound(rows, end, {}, &Feedback::time);
    std::set<std::uint32_t> wanted;
    for (auto row = from; row != to; ++row) wanted.insert(row->item);
    if (!settings_.evaluation.repeats)
      for (auto row = rows.begin(); row != from; ++row) wanted.erase(row->item);
    if (!wanted.empty())
      data.cases.push_back({user, {rows.begin(), from}, {wanted.begin(), wanted.end()}, begin});
  }
  if (data.cases.size() > settings_.people_max) {
    std::ranges::sort(data.cases, {}, [&](const EvaluationCase& one) {
      return shuffled_place(one.user, settings_.evaluation.seed);
    });
    data.cases.resize(settings_.people_max);
  }
  return data;
}

Status RetrainWalk::train_at(std::size_t period) {
  if (trained_.contains(period)) return {};
  say(fmt::format("period {} of {}: training", period + 1, report_.periods));
  const std::span<const Feedback> rows(all_.rows.begin(), at_row(row_at(begin_of(period))));
  const std::size_t users = 1 + std::ranges::max_element(rows, {}, &Feedback::user)->user;
  const std::size_t items = items_before(period);
  TrainedAt trained;
  const TimeUs begun = Env::system().steady_now();
  auto model = train_ranking(rows, users, items, model_.settings, control_, features_);
  if (!model) return fail(std::move(model).error().with_context(model_.name));
  trained.training_s = static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
  trained.model = std::make_unique<EarlierRanking>(*std::move(model), items);
  MILLRACE_ASSIGN(auto fallback,
                  train_ranking(rows, users, items, baselines(rows).back().settings, control_));
  trained.fallback = std::make_unique<EarlierRanking>(std::move(fallback), items);
  trained_.emplace(period, std::move(trained));
  return {};
}

std::vector<float> RetrainWalk::ndcg_of(const RankingModel& model, const EvaluationData& data) const {
  EvaluationOptions options = settings_.evaluation;
  options.further_n.clear();
  const auto lists = lists_of(model, data, options);
  std::vector<float> values(lists.size());
  for (std::size_t c = 0; c < lists.size(); ++c)
    values[c] = judge(lists[c], options.n, data.cases[c].wanted)[static_cast<std::size_t>(Metric::kNdcg)];
  return values;
}

Answers RetrainWalk::ask(std::size_t at, std::size_t now, const EvaluationData& data) const {
  const TrainedAt& trained = trained_.at(at);
  Answers answers;
  answers[kAloneNdcg] = ndcg_of(*trained.model, data);
  answers[kFallbackNdcg] = ndcg_of(*trained.fallback, data);
  answers[kWholeNdcg] = ndcg_of(*with_fallback(*trained.model, *trained.fallback), data);
  answers[kWholeFreshNdcg] = at == now
                                 ? answers[kWholeNdcg]
                                 : ndcg_of(*with_fallback(*trained.model, *trained_.at(now).fallback), data);
  return answers;
}

void RetrainWalk::take(CadenceCourse& course, std::size_t period, const Answers& answers,
                       const Answers& freshest) {
  AgeQuality& age = course.ages[period - training_of(course, period)];
  for (std::size_t m = 0; m < kChangeNdcg; ++m)
    course.answers[m].insert(course.answers[m].end(), answers[m].begin(), answers[m].end());
  for (std::size_t c = 0; c < answers[kWholeNdcg].size(); ++c) {
    const float fresh = freshest[kWholeNdcg][c];
    course.answers[kChangeNdcg].push_back(answers[kWholeNdcg][c] - fresh);
    course.answers[kChangeFreshNdcg].push_back(answers[kWholeFreshNdcg][c] - fresh);
    ++age.asked;
    age.ndcg += answers[kWholeNdcg][c];
    age.against_fresh += answers[kWholeNdcg][c] - fresh;
  }
}

void RetrainWalk::compare(CadenceCourse& course, std::size_t before, std::size_t after,
                          const EvaluationData& data) {
  const TrainedAt &old = trained_.at(before), &fresh = trained_.at(after);
  EvaluationData some{.train = {}, .cases = {}, .users = data.users, .items = data.items, .protocol = {}};
  const std::size_t step = std::max<std::size_t>(1, data.cases.size() / kComparedMax);
  for (std::size_t c = 0; c < data.cases.size(); c += step) some.cases.push_back(data.cases[c]);
  EvaluationOptions options = settings_.evaluation;
  options.further_n.clear();
  course.stability.add_lists(lists_of(*with_fallback(*old.model, *old.fallback), some, options),
                             lists_of(*with_fallback(*fresh.model, *fresh.fallback), some, options));
  const auto old_vectors = old.model->item_vectors(), fresh_vectors = fresh.model->item_vectors();
  if (!old_vectors || !fresh_vectors) return;
  const std::size_t known = std::min(items_before(before), old_vectors->rows);
  course.stability.add_vectors({old_vectors->data(), known, old_vectors->columns}, *fresh_vectors);
}

/// Gather ages into at most kAgesMax stretches, and sums into means.
std::vector<AgeQuality> gathered(const std::vector<AgeQuality>& ages) {
  const std::size_t width = (ages.size() + kAgesMax - 1) / kAgesMax;
  std::vector<AgeQuality> all;
  for (std::size_t from = 0; from < ages.size(); from += width) {
    AgeQuality one{.from = from, .to = std::min(from + width, ages.size()) - 1};
    for (std::size_t age = one.from; age <= one.to; ++age) {
      one.asked += ages[age].asked;
      one.ndcg += ages[age].ndcg;
      one.against_fresh += ages[age].against_fresh;
    }
    if (one.asked == 0) continue;
    one.ndcg /= static_cast<double>(one.asked);
    one.against_fresh /= static_cast<double>(one.asked);
    all.push_back(one);
  }
  return all;
}

void RetrainWalk::finish() {
  report_.people = std::set(people_.begin(), people_.end()).size();
  report_.asked = people_.size();
  for (CadenceCourse& course : courses_) {
    say(fmt::format("intervals of {}", course.result.cadence.name));
    const std::vector<Estimate> estimates = bootstrap_means_of_people(
        course.answers, people_, settings_.evaluation.resamples, settings_.evaluation.seed);
    course.result.whole = estimates[kWholeNdcg];
    course.result.alone = estimates[kAloneNdcg];
    course.result.fallback = estimates[kFallbackNdcg];
    course.result.whole_fresh = estimates[kWholeFreshNdcg];
    course.result.change = estimates[kChangeNdcg];
    course.result.change_fresh = estimates[kChangeFreshNdcg];
    course.result.by_age = gathered(course.ages);
    course.result.churn = course.stability.churn();
    course.result.drift = course.stability.drift();
    report_.cadences.push_back(std::move(course.result));
  }
  suggest_cadence(report_);
}

}  // namespace

Result<RetrainSettings> retrain_settings(std::string_view cadences, double first_share) {
  if (!(first_share >= 0.01 && first_share <= 0.99))
    return fail(Code::kInvalid, "the first share is between 0.01 and 0.99 of the interactions");
  RetrainSettings settings{.cadences = {}, .first_share = first_share, .evaluation = {}};
  MILLRACE_ASSIGN(settings.cadences, parse_cadences(cadences));
  return settings;
}

Result<RetrainReport> backtest_retraining(const FeedbackSet& all, const NamedRanking& model,
                                          const RetrainSettings& settings, const TrainingControl& control,
                                          const std::function<void(std::string_view)>& on_step,
                                          const RankingFeatures* features) {
  const FeedbackSet numbered = numbered_by_time(all);
  // Features are known by number.
  if (features != nullptr && numbered.rows != all.rows)
    return fail(Code::kInternal, "rows with features are not numbered in the order of time");
  return RetrainWalk(numbered, model, settings, control, on_step, features).run();
}

}  // namespace millrace
