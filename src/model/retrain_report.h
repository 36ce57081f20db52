#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "model/cadence.h"
#include "model/ranking_metrics.h"

namespace millrace {

/// How well models answered that were so old.
struct AgeQuality {
  std::size_t from = 0;      ///< periods since the training …
  std::size_t to = 0;        ///< … to so many, both within
  std::size_t asked = 0;     ///< people, each once a period
  double ndcg = 0;           ///< of the whole
  double against_fresh = 0;  ///< less that of a model just trained, of the same people at the same time
};

/// What changes from one training to the next: how much of the lists, for the same people with the same
/// histories, and where the vectors of the same items lie.
struct Churn {
  std::size_t comparisons = 0;  ///< of two successive trainings
  double jaccard = 0;           ///< of the two lists: common items over all items, mean
  double equal_share = 0;       ///< of the places of a list whose item is in the other as well, mean
};
struct VectorDrift {
  std::size_t comparisons = 0;
  double items = 0;              ///< that both trainings have a vector of, mean
  double cosine = 0;             ///< of an item's two vectors, as a store with both versions would see
  double aligned = 0;            ///< after the rotation that brings all together best
  double aligned_by_chance = 0;  ///< the same with the items of one side shuffled: what rotation alone gives
};

/// What came of one cadence. All are means over the people asked, each once a period, with intervals over
/// people (each drawn with all their answers).
struct CadenceResult {
  Cadence cadence;
  std::size_t every_periods = 0;  ///< 0: never
  std::size_t trainings = 0;      ///< the first among them
  double training_s = 0;          ///< of the model, all trainings together
  Estimate whole;                 ///< NDCG, with a fallback that is trained when the model is
  Estimate alone;                 ///< NDCG of the model without it
  Estimate fallback;              ///< NDCG of that fallback alone
  Estimate whole_fresh;           ///< NDCG with a fallback that is trained each period
  Estimate change;                ///< of the whole against that of the shortest cadence
  Estimate change_fresh;          ///< the same, with the fallback trained each period
  std::vector<AgeQuality> by_age;
  std::optional<Churn> churn;        ///< nothing where it was trained once
  std::optional<VectorDrift> drift;  ///< nothing where it was, or the model has no vectors of items
};

struct RetrainReport {
  std::string model;
  std::size_t n = 0;  ///< length of the lists
  bool repeats = false;
  TimeUs trained_until = 0;  ///< of the first training; from there the walk goes on
  TimeUs to = 0;
  DurationUs period = 0;
  std::size_t periods = 0;
  std::size_t periods_skipped = 0;      ///< without anybody to ask
  std::size_t people = 0;               ///< asked at least once
  std::size_t asked = 0;                ///< people, each once a period
  double margin_share = 0;              ///< of the shortest cadence's NDCG: a loss so small counts as none
  std::vector<CadenceResult> cadences;  ///< the shortest first
  std::size_t suggested = 0;            ///< place in `cadences`
  std::string why;                      ///< in plain words
};

/// Choose the longest cadence up to which every one loses nothing that can be told (the interval of the
/// change reaches 0), or less than the margin, and say why. One that loses ends the search: a longer one that
/// does not was lucky in when it was trained.
void suggest_cadence(RetrainReport& report);

nlohmann::json to_json(const RetrainReport& report);

/// Write the report for a terminal.
std::string to_text(const RetrainReport& report);

}  // namespace millrace
