#include "recommend/page.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/hash.h"

namespace millrace {
namespace {

using Page = std::vector<Candidate*>;

constexpr std::size_t kPageWithNew = 5;  ///< pages of at least so many items have room for a new one

/// A candidate of another category takes an item's place only if it scores at least this much of it.
constexpr double kDiversityPrice = 0.5;

std::string_view top_category(const Candidate& candidate) {
  const std::string_view path = candidate.facts->facts.category;
  return path.substr(0, path.find('/'));
}

/// Return the best, in order: more than a page, for rules to choose from.
Page best_candidates(std::vector<Candidate>& candidates, std::size_t n) {
  Page best;
  best.reserve(candidates.size());
  for (Candidate& each : candidates)
    if (each.dropped == Dropped::kNot) best.push_back(&each);
  const auto better = [](const Candidate* a, const Candidate* b) {
    if (a->dear != b->dear) return b->dear;
    return a->score != b->score ? a->score > b->score : a->facts->facts.id < b->facts->facts.id;
  };
  const std::size_t kept = std::min(best.size(), 4 * n + 40);
  std::ranges::partial_sort(best, best.begin() + static_cast<std::ptrdiff_t>(kept), better);
  best.resize(kept);
  return best;
}

/// The best first, but once a category has its share of the page, the best of another one unless that is much
/// weaker.
Page cap_categories(Page best, std::size_t n, double share) {
  Page page;
  const auto most = static_cast<std::size_t>(std::max(1.0, std::ceil(static_cast<double>(n) * share)));
  std::map<std::string_view, std::size_t> taken;
  const auto full = [&](const Candidate* each) {
    const std::string_view category = top_category(*each);
    return !category.empty() && taken[category] >= most;
  };
  while (page.size() < n && !best.empty()) {
    auto chosen = best.begin();
    if (share < 1 && full(*chosen)) {
      const auto other = std::find_if(best.begin(), best.end(), [&](const Candidate* each) {
        return !full(each) && each->dear == (*chosen)->dear &&
               each->score >= kDiversityPrice * (*chosen)->score;
      });
      if (other != best.end()) chosen = other;
    }
    ++taken[top_category(**chosen)];
    page.push_back(*chosen);
    best.erase(chosen);
  }
  return page;
}

/// The hashes of a category path's prefixes, the top first.
std::vector<std::uint64_t> levels_of(const Candidate& candidate) {
  const std::string_view path = candidate.facts->facts.category;
  std::vector<std::uint64_t> levels;
  for (std::size_t end = 0; end != std::string_view::npos && !path.empty();) {
    end = path.find('/', end + 1);
    levels.push_back(hash64(path.substr(0, end)));
  }
  return levels;
}

/// How alike two items are: the share of their category paths that is the same.
double alike(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  const std::size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 0;
  std::size_t shared = 0;
  while (shared < std::min(a.size(), b.size()) && a[shared] == b[shared]) ++shared;
  return static_cast<double>(shared) / static_cast<double>(longer);
}

/// Put the candidates in an order that trades score for difference from those before: maximal marginal
/// relevance (Carbonell and Goldstein, 1998). Scores count in proportion to the best.
Page diversify(const Page& best, std::size_t n, double lambda) {
  struct Left {
    Candidate* candidate = nullptr;
    std::vector<std::uint64_t> levels;
    double nearest = 0;  ///< to what was chosen
  };
  std::vector<Left> left;
  for (Candidate* each : best) left.push_back({each, levels_of(*each)});
  const double top = best.empty() || best.front()->score <= 0 ? 1 : best.front()->score;
  Page page;
  while (page.size() < n && !left.empty()) {
    const auto worth = [&](const Left& each) {
      return (1 - lambda) * each.candidate->score / top - lambda * each.nearest -
             (each.candidate->dear ? 1 : 0);
    };
    const auto chosen = std::ranges::max_element(left, {}, worth);
    const Left taken = *chosen;
    left.erase(chosen);
    page.push_back(taken.candidate);
    for (Left& each : left) each.nearest = std::max(each.nearest, alike(each.levels, taken.levels));
  }
  return page;
}

bool runs(const Promotion& promotion, const PageTimes& times) {
  return (!promotion.from || *promotion.from <= times.wall) &&
         (!promotion.until || times.wall < *promotion.until);
}

bool promotes(const Promotion& promotion, const ItemFacts& item, const PageTimes& times) {
  return promotion.filter.matches(item, {.now = times.data});
}

std::size_t places(double share, std::size_t n) {
  return share <= 0 ? 0 : std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(n)));
}

/// Give each promotion that runs its places, spread over the page; what stands there moves down.
void promote(Page& page, std::vector<Candidate>& candidates, const Pipeline& pipeline, std::size_t n,
             const PageTimes& times) {
  for (const Promotion& promotion : pipeline.promotions) {
    if (!runs(promotion, times)) continue;
    const auto promoted = [&](const Candidate* each) {
      return promotes(promotion, each->facts->facts, times);
    };
    const std::size_t wanted = places(promotion.share, n);
    const auto there = static_cast<std::size_t>(std::ranges::count_if(page, promoted));
    if (there >= wanted) continue;
    Page more;
    for (Candidate& each : candidates)
      if (each.dropped == Dropped::kNot && promoted(&each) && std::ranges::find(page, &each) == page.end())
        more.push_back(&each);
    std::ranges::sort(more, [](const Candidate* a, const Candidate* b) {
      return a->score != b->score ? a->score > b->score : a->facts->facts.id < b->facts->facts.id;
    });
    more.resize(std::min(more.size(), wanted - there));
    for (std::size_t k = 0; k < more.size(); ++k) {
      more[k]->promotion = &promotion;
      const std::size_t at = std::min(page.size(), (2 * k + 1) * n / (2 * more.size()));
      page.insert(page.begin() + static_cast<std::ptrdiff_t>(at), more[k]);
    }
    // The last that nobody promotes leave.
    for (auto last = page.end(); page.size() > n && last != page.begin();) {
      --last;
      if (!promoted(*last)) last = page.erase(last);
    }
    page.resize(std::min(page.size(), n));
  }
}

/// A new item that nobody has met can never earn a place by itself: some places of a page are for them.
void give_room_to_new(Page& page, std::vector<Candidate>& candidates, std::size_t wanted) {
  const auto is_new = [](const Candidate* each) { return each->is_found_by(CandidateSource::kNew); };
  const auto there = static_cast<std::size_t>(std::ranges::count_if(page, is_new));
  if (there >= wanted) return;
  Page more;
  for (Candidate& each : candidates)
    if (each.dropped == Dropped::kNot && is_new(&each) && std::ranges::find(page, &each) == page.end())
      more.push_back(&each);
  std::ranges::stable_sort(more, std::ranges::greater{}, &Candidate::score);
  more.resize(std::min({more.size(), wanted - there, page.size()}));
  auto place = page.end();
  for (auto each = more.rbegin(); each != more.rend() && place != page.begin(); ++each) {
    --place;
    while (is_new(*place) && place != page.begin()) --place;
    *place = *each;
  }
}

}  // namespace

Page choose_page(std::vector<Candidate>& candidates, const Pipeline& pipeline,
                 const RecommendRequest& request, const PageTimes& times) {
  Page best = best_candidates(candidates, request.n);
  // Who asks for one category wants no other.
  const bool one_category = !request.filter.only_category().empty();
  if (pipeline.diversity > 0) best = diversify(best, 2 * request.n, pipeline.diversity);
  Page page =
      cap_categories(std::move(best), request.n, one_category ? 1 : pipeline.settings.category_share_max);
  promote(page, candidates, pipeline, request.n, times);
  if (request.placement == Placement::kHome && page.size() >= kPageWithNew)
    give_room_to_new(page, candidates, places(pipeline.new_share, request.n));
  return page;
}

}  // namespace millrace
