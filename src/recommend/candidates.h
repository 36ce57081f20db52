#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "recommend/exclusions.h"
#include "recommend/item_store.h"

namespace millrace {

struct Promotion;

/// Where a candidate comes from. From kModel on: the first, second, … model of the pipeline.
enum class CandidateSource : std::uint8_t {
  kCoBought,
  kCoSeen,
  kPopularCountry,
  kPopularCategory,
  kPopularWeek,
  kPopular,
  kNew,
  kPromotion,
  kModel,
};

inline constexpr std::size_t kBuiltInSources = static_cast<std::size_t>(CandidateSource::kModel);
inline constexpr std::size_t kSourcesMax = 16;  ///< in all: as many models as built-in sources

std::string_view candidate_source_name(CandidateSource source);  ///< of a built-in one

/// What a ranker looks at beside what the sources say.
enum class RankFeature : std::uint8_t {
  kNewness,       ///< 1 when new, halving with each week of age; 0 where the age is not known
  kPriceFit,      ///< 1 at the price of what the person looks at, less the further from it
  kSameCategory,  ///< share of the context in the item's top category
  kMetBefore,     ///< the person met it before
  kCount,
};

inline constexpr std::size_t kRankFeatures = static_cast<std::size_t>(RankFeature::kCount);

std::string_view rank_feature_name(RankFeature feature);

/// An item that may be shown, with what speaks for it.
struct Candidate {
  ItemRef item;
  const Item* facts = nullptr;
  std::array<float, kSourcesMax> by_source{};   ///< what each source says, before its weight
  std::array<float, kRankFeatures> features{};  ///< filled in by the stage `rank`
  std::array<std::uint16_t, 2> because{};       ///< the context item that kCoBought and kCoSeen rest on most
  std::array<float, 2> most{};                  ///< how much of what they say is from it
  double score = 0;
  std::uint32_t found_by = 0;                          ///< bit set of sources
  CandidateSource source = CandidateSource::kPopular;  ///< the one that speaks loudest
  Dropped dropped = Dropped::kNot;
  bool dear = false;                     ///< above what checkout prefers
  const Promotion* promotion = nullptr;  ///< that gave it its place on the page

  bool is_found_by(CandidateSource source_asked) const {
    return (found_by >> static_cast<unsigned>(source_asked) & 1u) != 0;
  }
};

/// The candidates of one answer, each once.
class CandidateTable {
 public:
  CandidateTable() : table_(2'048) { candidates_.reserve(512); }

  /// Return the candidate of an item and whether it was made just now. The reference is good until the next.
  std::pair<Candidate&, bool> of(ItemRef item);

  std::vector<Candidate>& all() { return candidates_; }
  const std::vector<Candidate>& all() const { return candidates_; }

 private:
  std::vector<Candidate> candidates_;
  std::vector<std::uint32_t> table_;  ///< index into candidates_ + 1, open addressing by ItemRef
};

}  // namespace millrace
