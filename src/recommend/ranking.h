#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "recommend/candidates.h"
#include "recommend/exclusions.h"
#include "recommend/memory.h"
#include "recommend/pipeline.h"
#include "recommend/popular_lists.h"
#include "recommend/recommendation.h"
#include "recommend/visit_context.h"

namespace millrace {

/// Time left for an answer, by the Env's steady clock.
class Budget {
 public:
  Budget(Env& env, DurationUs length) : env_(env), begin_(env.steady_now()), length_(length) {}
  DurationUs spent() const { return env_.steady_now() - begin_; }
  bool over() const { return spent() >= length_; }

 private:
  Env& env_;
  DurationUs begin_;
  DurationUs length_;
};

/// One answer in the making: context → models → candidates, filtered as they come → rank and choose the page.
/// Lives for one request. `begin` and `finish` need the memory's shared lock, `ask_models` does not: what it
/// takes holds up nobody who writes.
class Ranking {
 public:
  /// Called before each stage and each model ("model:NAME"); an error fails it.
  using Checkpoint = std::function<Status(std::string_view stage)>;

  /// What an answer is made of and for. All must outlive the Ranking.
  struct Input {
    const RecommenderMemory& memory;
    const PopularLists& lists;
    const Pipeline& pipeline;
    const RecommendRequest& request;
    const Budget& budget;
    TimeUs wall_now = 0;             ///< which promotions run
    const Checkpoint& before_stage;  ///< may be empty
  };

  /// `exclusions` holds what the request excludes; what the person excludes is added. `explanation` may be
  /// null.
  Ranking(const Input& input, Exclusions& exclusions, Explanation* explanation);

  /// Find what the answer can rest on. Errors: kDeadline, and those of `before_stage`.
  Status begin();

  /// Ask the pipeline's models. One that fails, or that there is no time for, is left out, which `partial`
  /// tells of.
  void ask_models();

  /// Find the other candidates, rank them, choose the page. Errors: kDeadline when there is not even one,
  /// and those of `before_stage`.
  Status finish();

  std::vector<RecommendedItem> take_items() { return std::move(answer_); }
  /// Return whether more items than the page holds passed the filters.
  bool has_more() const { return admitted_ > page_size_; }
  /// Return whether nothing was known that the answer could rest on.
  bool cold() const { return context_.items.empty() && !models_spoke_; }
  /// Return why some sources were not heard; empty when all were.
  const std::string& partial() const { return partial_; }

 private:
  Status stage(std::string_view name, Status (Ranking::*work)());

  Status look_at_visitor();
  Result<std::vector<ModelCandidate>> ask(const ModelSource& source) const;
  void leave_out(std::string_view source, std::string_view why);

  Status find_candidates();
  void add_models();
  bool find_neighbours();
  void find_popular();
  void add_list(const std::vector<RankedItem>& list, CandidateSource source, double factor = 1);
  void add_category_list(std::string_view category);
  void add_promoted();
  void add_wanted();
  void fill_from_all();
  Candidate& candidate(ItemRef item);
  Candidate& contribute(ItemRef item, CandidateSource source, double amount, std::size_t because = 0);
  Dropped filter(const Item& item) const;
  MatchContext match_context(const Item& item) const;
  double popularity_share() const;

  Status rank();
  void add_features(Candidate& candidate) const;
  void score(Candidate& candidate) const;
  void explain() const;
  RecommendedItem item_of(const Candidate& candidate) const;
  Reason reason_of(const Candidate& candidate) const;

  const RecommenderMemory& memory_;
  const PopularLists& lists_;
  const Pipeline& pipeline_;
  const ModelSettings& model_;
  const RecommendRequest& request_;
  const Budget& budget_;
  const TimeUs wall_now_;
  const Checkpoint& before_stage_;
  Exclusions& exclusions_;
  Explanation* explanation_;

  VisitContext context_;
  std::vector<MetItem> met_;                              ///< views into context_
  std::vector<std::vector<ModelCandidate>> from_models_;  ///< in the order of the pipeline's models
  bool models_spoke_ = false;
  std::string partial_;
  CandidateTable candidates_;  ///< also the dropped ones
  std::size_t admitted_ = 0;
  std::size_t page_size_ = 0;
  std::vector<RecommendedItem> answer_;
};

/// What a reason is made from.
struct ReasonInput {
  CandidateSource source = CandidateSource::kPopular;
  const ContextItem* context = nullptr;  ///< that it rests on, if any
  const Item* because = nullptr;         ///< that one's facts
  Placement placement = Placement::kHome;
  std::string_view country;
  std::string_view category;
  std::string_view promotion;  ///< its text
};

/// Return why an item is recommended, in words.
Reason make_reason(const ReasonInput& input);

}  // namespace millrace
