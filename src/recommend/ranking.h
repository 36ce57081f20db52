#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "recommend/memory.h"
#include "recommend/person_facts.h"
#include "recommend/popular_lists.h"
#include "recommend/recommendation.h"
#include "recommend/settings.h"

namespace millrace {

/// Why an item was not shown, in the words of Explanation::filtered.
enum class Dropped : std::uint8_t {
  kNot,
  kExcluded,  ///< by the request
  kContext,   ///< it is what the page or the session is about
  kShown,     ///< on an earlier page
  kBought,
  kRead,
  kDisliked,
  kDeleted,
  kHidden,
  kUnavailable,
  kExpired,
  kNotSoldThere,
  kFilter,
};

std::string_view dropped_name(Dropped why);

/// Return whether `filter` asks for the very items that the rule `why` keeps from an answer, such as `bought`
/// for what was bought: the rule does not hold then. Hidden and deleted items are never asked for.
bool lifts(const ItemFilter& filter, Dropped why);

/// Items that are not to be shown, by fingerprint, and why: the first reason given stays.
class Exclusions {
 public:
  void add(std::uint32_t fingerprint, Dropped why);
  Dropped find(std::uint32_t fingerprint) const;

  PersonFacts person;  ///< for filters that ask what the person did; empty until the answer knows the person

 private:
  void grow();

  struct Slot {
    std::uint32_t fingerprint = 0;
    Dropped why = Dropped::kNot;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(256);  ///< open addressing; a power of two
  std::size_t used_ = 0;
};

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

/// Where a candidate comes from.
enum class CandidateSource : std::uint8_t {
  kCoBought,
  kCoSeen,
  kPopularCountry,
  kPopularCategory,
  kPopularWeek,
  kPopular,
  kNew,
  kCount,
};

std::string_view candidate_source_name(CandidateSource source);

/// One answer in the making: context → candidates, filtered as they come → rank and diversify. Lives for
/// one request, under the memory's shared lock.
class Ranking {
 public:
  using Checkpoint = std::function<Status(std::string_view stage)>;

  /// All arguments must outlive the object. `exclusions` holds what the request excludes; what the
  /// person excludes is added. `explanation` may be null.
  Ranking(const RecommenderMemory& memory, const PopularLists& lists, const ModelSettings& model,
          const RecommendRequest& request, const Budget& budget, Exclusions& exclusions,
          Explanation* explanation);

  /// Make the answer's items. `before_stage` may be empty.
  /// Errors: kDeadline, and those of `before_stage`.
  Status run(const Checkpoint& before_stage);

  std::vector<RecommendedItem> take_items() { return std::move(answer_); }
  /// Return whether more items than the page holds passed the filters.
  bool has_more() const { return admitted_ > page_size_; }
  /// Return whether nothing was known that the answer could rest on.
  bool cold() const { return context_.empty(); }

  /// What the context knows of an item.
  struct ContextItem {
    ItemRef item;
    double weight = 0;
    TouchKind kind = TouchKind::kView;
    bool on_page = false;  ///< named by the request
  };

 private:
  struct Candidate {
    ItemRef item;
    const Item* facts = nullptr;
    double score = 0;
    double best = 0;                                     ///< the largest contribution to the score …
    CandidateSource source = CandidateSource::kPopular;  ///< … and where it came from
    std::uint16_t because = 0;   ///< context item it rests on, for kCoBought and kCoSeen
    std::uint16_t found_by = 0;  ///< bit set of CandidateSource
    Dropped dropped = Dropped::kNot;
    bool dear = false;  ///< above what checkout prefers
  };

  Status find_context();
  void add_page_items();
  void add_history(const Profile& profile, bool carts_only);
  void add_context(ItemRef item, TouchKind kind, double factor, bool on_page);
  void exclude_known(const Profile& profile);
  void set_price_limit();

  Status find_candidates();
  Status find_neighbours();
  Status find_popular();
  void add_list(const std::vector<RankedItem>& list, CandidateSource source, double share);
  void add_category_list(std::string_view category);
  Status fill_from_all();
  Candidate& candidate(ItemRef item);
  void contribute(ItemRef item, CandidateSource source, double amount, std::size_t because);
  Dropped filter(const Item& item) const;
  MatchContext match_context(const Item& item) const;
  void exclude(std::uint32_t fingerprint, Dropped why);
  Status add_wanted();

  Status rank();
  std::vector<const Candidate*> best_candidates() const;
  std::vector<const Candidate*> diversify(std::vector<const Candidate*> best) const;
  void give_room_to_new(std::vector<const Candidate*>& page) const;
  void explain() const;
  Reason reason_of(const Candidate& candidate) const;

  const RecommenderMemory& memory_;
  const PopularLists& lists_;
  const ModelSettings& model_;
  const RecommendRequest& request_;
  const Budget& budget_;
  Exclusions& exclusions_;
  Explanation* explanation_;

  std::string country_;
  std::vector<ContextItem> context_;  ///< latest first
  std::optional<double> price_max_;   ///< checkout: what is dear
  std::string price_currency_;
  double popularity_share_ = 1;
  std::vector<Candidate> candidates_;  ///< also the dropped ones
  std::vector<std::uint32_t> table_;   ///< index into candidates_ + 1, open addressing by ItemRef
  std::size_t admitted_ = 0;
  std::size_t page_size_ = 0;
  std::vector<RecommendedItem> answer_;
};

/// Return why an item is recommended, in words. `because` is the item it rests on, if any.
Reason make_reason(CandidateSource source, const Ranking::ContextItem* context, const Item* because,
                   Placement placement, std::string_view country, std::string_view category);

}  // namespace millrace
