#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/feedback.h"
#include "model/ranking_metrics.h"
#include "model/ranking_model.h"

namespace millrace {

/// One person whose next steps a model has to foresee.
struct EvaluationCase {
  std::uint32_t user = 0;
  std::vector<Feedback> history;      ///< what the model is told, oldest first
  std::vector<std::uint32_t> wanted;  ///< what they met afterwards, each once, ascending
  TimeUs now = 0;                     ///< when the model is asked
};

/// What is trained on, and what is asked afterwards.
struct EvaluationData {
  std::vector<Feedback> train;  ///< by time
  std::vector<EvaluationCase> cases;
  std::size_t users = 0;
  std::size_t items = 0;
  std::string protocol;  ///< in words, with the time or the share of the split

  const RankingFeatures* features = nullptr;  ///< of the set that was split; null where none are known
  std::vector<Feedback> asked;                ///< the rows held out, where they have labels
};

/// Split by time: everything before `at` trains, and everyone who did something from then on is asked once,
/// at `at`. The default protocol: nothing of the future helps.
EvaluationData split_by_time(const FeedbackSet& all, TimeUs at);

/// Return the time before which `share` of the rows lie.
TimeUs time_at_share(std::span<const Feedback> rows, double share);

/// Train on all of `train` and ask, of everyone in `asked`, for what they did there.
EvaluationData split_given(const FeedbackSet& train, std::span<const Feedback> asked);

/// Hold out the last interaction of everyone who has at least two. Others' later acts are in the training.
EvaluationData split_leave_last_out(const FeedbackSet& all);

/// Hold out whole people (strong generalization, Liang and others, 2018): of each tenth the training sees
/// nothing; the model is told a random 80 % of what they met and asked for the rest.
EvaluationData split_by_people(const FeedbackSet& all, double share, std::uint64_t seed);

struct EvaluationOptions {
  std::size_t n = 10;                  ///< length of the lists
  std::vector<std::size_t> further_n;  ///< lengths that the same lists are judged at as well
  bool repeats = false;                ///< people may be shown what they met before
  std::size_t resamples = 1'000;       ///< of the bootstrap
  std::uint64_t seed = 1;
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;  ///< true: judge no more; what was judged is of no use then
};

/// Take the lengths of lists that `text` names, such as "10" or "10,20,100": all metrics are judged at the
/// first, which figures of the lists as a whole speak of. Errors: kInvalid for none, and past 1 to 10,000.
Status set_list_lengths(EvaluationOptions& options, std::string_view text);

/// What one model reached on some of the people.
struct EvaluationOf {
  std::size_t people = 0;
  std::array<Estimate, kMetricCount> metrics;
};

/// What a model reached with lists of another length.
struct EvaluationAt {
  std::size_t n = 0;
  EvaluationOf all;
};

/// How a model did.
struct Evaluation {
  std::string model;
  EvaluationOf all;
  EvaluationOf warm;       ///< people with a history
  EvaluationOf cold;       ///< without
  EvaluationOf new_items;  ///< only what nobody met in training is wanted, of whom that leaves something
  double coverage = 0;     ///< share of the catalogue in anyone's list
  double novelty =
      0;  ///< mean of -log2 of the share of people who met the recommended item (Vargas, Castells, 2011)
  double popularity_bias = 0;  ///< share of the lists that is of the tenth of items that most people met
  std::vector<MetricValues>
      each;  ///< of every person judged, in order: to compare two models person by person
  std::vector<EvaluationAt> further;  ///< one for each of `further_n`
};

/// Return the list of each case, best first, as long as the longest that is judged. Unless repeats are
/// allowed, without what is in the case's history.
std::vector<std::vector<std::uint32_t>> lists_of(const RankingModel& model, const EvaluationData& data,
                                                 const EvaluationOptions& options);

/// Ask a model for everyone's list and judge it. Unless repeats are allowed, what someone met in `history` is
/// neither shown nor wanted, and whom that leaves nothing to want is left out. Full ranking: every item of
/// the catalogue is a candidate.
Evaluation evaluate(std::string name, const RankingModel& model, const EvaluationData& data,
                    const EvaluationOptions& options);

/// Return by how much `a` is better than `b` in a metric, person by person, with its interval.
Estimate difference(const Evaluation& a, const Evaluation& b, Metric metric,
                    const EvaluationOptions& options);

nlohmann::json to_json(const Evaluation& evaluation);

}  // namespace millrace
