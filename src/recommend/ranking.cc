#include "recommend/ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "recommend/cursor.h"

namespace millrace {
namespace {

constexpr std::size_t kCheckEvery = 256;  ///< candidates between two looks at the clock

/// How much each thing counts at a placement.
struct Rules {
  double seen = 1;     ///< met in sessions
  double bought = 1;   ///< met in orders
  double history = 1;  ///< what the person did, when the page itself says something
};

Rules rules_of(Placement placement) {
  switch (placement) {
    case Placement::kHome:
      return {};
    case Placement::kItem:
      return {.seen = 1, .bought = 0.5, .history = 0.1};
    case Placement::kCart:
    case Placement::kCheckout:
      return {.seen = 0.25, .bought = 1, .history = 0.1};
  }
  return {};
}

double kind_factor(TouchKind kind) {
  switch (kind) {
    case TouchKind::kCart:
      return 1.5;
    case TouchKind::kLike:
      return 1.2;
    default:
      return 1;
  }
}

/// Shares of the popular lists in an item's popularity.
constexpr double kOverallShare = 0.30;
constexpr double kWeekShare = 0.35;
constexpr double kCountryShare = 0.35;
constexpr double kCategoryShare = 0.40;
constexpr double kNewShare = 0.05;
constexpr std::size_t kPageWithNew = 5;  ///< pages of at least so many items have room for a new one

/// A candidate of another category takes an item's place only if it scores at least this much of it.
constexpr double kDiversityPrice = 0.5;

std::string_view top_category(const Item& item) {
  const std::string_view path = item.facts.category;
  return path.substr(0, path.find('/'));
}

std::size_t table_slot(ItemRef item, std::size_t size) {
  return (item.value() * 0x9e3779b1u >> 7) & (size - 1);
}

}  // namespace

std::string_view dropped_name(Dropped why) {
  constexpr std::array<std::string_view, 13> kNames = {
      "",        "excluded", "context",     "shown",   "bought",         "read",  "disliked",
      "deleted", "hidden",   "unavailable", "expired", "not_sold_there", "filter"};
  return kNames[static_cast<std::size_t>(why)];
}

bool lifts(const ItemFilter& filter, Dropped why) {
  switch (why) {
    case Dropped::kBought:  // what is rated counts as bought
      return filter.asks_for(ItemState::kBought) || filter.asks_for(ItemState::kDisliked);
    case Dropped::kContext:
    case Dropped::kRead:
      return filter.asks_for_deed();
    case Dropped::kDisliked:
      return filter.asks_for(ItemState::kDisliked);
    case Dropped::kUnavailable:
      return filter.asks_against(ItemState::kAvailable);
    case Dropped::kExpired:
      return filter.asks_for(ItemState::kExpired);
    default:
      return false;
  }
}

std::string_view candidate_source_name(CandidateSource source) {
  constexpr std::array<std::string_view, 7> kNames = {
      "co_bought", "co_seen", "popular_country", "popular_category", "popular_week", "popular", "new"};
  return kNames[static_cast<std::size_t>(source)];
}

void Exclusions::add(std::uint32_t fingerprint, Dropped why) {
  if (++used_ * 2 > slots_.size()) grow();
  for (std::size_t at = fingerprint & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].why != Dropped::kNot && slots_[at].fingerprint == fingerprint) return;
    if (slots_[at].why != Dropped::kNot) continue;
    slots_[at] = {fingerprint, why};
    return;
  }
}

void Exclusions::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  used_ = 1;
  for (const Slot& slot : old) {
    if (slot.why != Dropped::kNot) add(slot.fingerprint, slot.why);
  }
}

Dropped Exclusions::find(std::uint32_t fingerprint) const {
  for (std::size_t at = fingerprint & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].why == Dropped::kNot || slots_[at].fingerprint == fingerprint) return slots_[at].why;
  }
}

Ranking::Ranking(const RecommenderMemory& memory, const PopularLists& lists, const ModelSettings& model,
                 const RecommendRequest& request, const Budget& budget, Exclusions& exclusions,
                 Explanation* explanation)
    : memory_(memory),
      lists_(lists),
      model_(model),
      request_(request),
      budget_(budget),
      exclusions_(exclusions),
      explanation_(explanation),
      country_(request.country),
      table_(4'096) {
  candidates_.reserve(1'024);
}

Status Ranking::run(const Checkpoint& before_stage) {
  const auto stage = [&](std::string_view name, Status (Ranking::*work)()) -> Status {
    const DurationUs begin = budget_.spent();
    if (before_stage) MILLRACE_TRY(before_stage(name));
    MILLRACE_TRY((this->*work)());
    if (explanation_) explanation_->stages_us[std::string(name)] = budget_.spent() - begin;
    if (budget_.over()) return fail(Code::kDeadline, fmt::format("the deadline passed in stage {}", name));
    return {};
  };
  MILLRACE_TRY(stage("context", &Ranking::find_context));
  MILLRACE_TRY(stage("candidates", &Ranking::find_candidates));
  return stage("rank", &Ranking::rank);
}

// ---- context

Status Ranking::find_context() {
  add_page_items();
  const Profile* profile = memory_.profiles.find(request_.user, request_.session);
  if (profile) {
    if (country_.empty()) country_ = profile->country;
    const bool at_cart = request_.placement == Placement::kCart || request_.placement == Placement::kCheckout;
    add_history(*profile, at_cart && request_.items.empty());
    exclude_known(*profile);
    if (request_.filter.needs_person())
      exclusions_.person = PersonFacts(*profile, memory_.items, request_.as_of);
  }
  if (request_.placement == Placement::kCheckout) set_price_limit();
  return {};
}

void Ranking::add_context(ItemRef item, TouchKind kind, double factor, bool on_page) {
  if (context_.size() >= model_.context_items) return;
  const bool there = std::ranges::find(context_, item, &ContextItem::item) != context_.end();
  if (there) return;
  const double recency = std::pow(model_.context_decay, static_cast<double>(context_.size()));
  context_.push_back({item, recency * factor * kind_factor(kind), kind, on_page});
}

void Ranking::add_page_items() {
  const bool at_cart = request_.placement == Placement::kCart || request_.placement == Placement::kCheckout;
  const TouchKind kind = at_cart ? TouchKind::kCart : TouchKind::kView;
  for (auto id = request_.items.rbegin(); id != request_.items.rend(); ++id) {
    if (const auto item = memory_.items.find(*id)) add_context(*item, kind, 1, true);
  }
}

/// Add what the person did, latest first. What belongs to this visit is not recommended: the session asked
/// for or, when none is named, what lies within a session's silence of their latest event.
void Ranking::add_history(const Profile& profile, bool carts_only) {
  const std::uint64_t session = session_hash(request_.session);
  const double factor = context_.empty() ? 1 : rules_of(request_.placement).history;
  std::optional<TimeUs> latest;
  for (auto touch = profile.history.rbegin(); touch != profile.history.rend(); ++touch) {
    if (request_.as_of && touch->time > *request_.as_of) continue;
    if (!latest) latest = touch->time;
    const Item* item = memory_.items.get(touch->item);
    if (!item) continue;
    const bool this_visit =
        session != 0 ? touch->session == session : *latest - touch->time <= model_.session_gap;
    if (this_visit) exclude(item->fingerprint, Dropped::kContext);
    if (touch->disliked) {
      exclude(item->fingerprint, Dropped::kDisliked);
      continue;
    }
    const bool in_cart = touch->kind == TouchKind::kCart;
    if (carts_only && in_cart) exclude(item->fingerprint, Dropped::kContext);
    if (!carts_only || in_cart) add_context(touch->item, touch->kind, factor, false);
  }
  if (carts_only && context_.empty()) add_history(profile, false);
}

void Ranking::exclude(std::uint32_t fingerprint, Dropped why) {
  if (!lifts(request_.filter, why)) exclusions_.add(fingerprint, why);
}

void Ranking::exclude_known(const Profile& profile) {
  if (model_.exclude_bought && request_.as_of) {
    for (const Touch& touch : profile.history) {
      const Item* item = memory_.items.get(touch.item);
      const bool had = touch.kind == TouchKind::kBought && touch.time <= *request_.as_of;
      if (item && had) exclude(item->fingerprint, Dropped::kBought);
    }
  } else if (model_.exclude_bought) {
    for (const std::uint32_t item : profile.bought.values()) exclude(item, Dropped::kBought);
  }
  if (model_.exclude_read || request_.exclude_read) {
    for (const std::uint32_t item : profile.read.values()) exclude(item, Dropped::kRead);
  }
}

/// At checkout only small things are added: cheap in relation to what the cart is worth, as far as its
/// prices are known and in one currency.
void Ranking::set_price_limit() {
  double worth = 0;
  for (const ContextItem& each : context_) {
    const Item* item = memory_.items.get(each.item);
    if (each.kind != TouchKind::kCart || !item || !item->facts.price) continue;
    if (worth > 0 && item->facts.currency != price_currency_) return;
    price_currency_ = item->facts.currency;
    worth += item->facts.price->to_double();
  }
  if (worth > 0) price_max_ = worth * model_.checkout_price_share;
}

// ---- candidates

Status Ranking::find_candidates() {
  popularity_share_ = context_.empty() ? 1 : model_.popularity_share;
  MILLRACE_TRY(find_neighbours());
  MILLRACE_TRY(find_popular());
  if (explanation_) explain();
  return {};
}

MatchContext Ranking::match_context(const Item& item) const {
  MatchContext context{.person = exclusions_.person.of(item.fingerprint)};
  if (!item.facts.expires_us && model_.item_age_max <= 0 && !request_.filter.needs_now()) return context;
  context.now = request_.as_of ? request_.as_of : memory_.popularity.now(item.era);
  context.expired = item.expired(context.now, model_.item_age_max);
  return context;
}

Dropped Ranking::filter(const Item& item) const {
  if (const Dropped why = exclusions_.find(item.fingerprint); why != Dropped::kNot) return why;
  if (item.deleted) return Dropped::kDeleted;
  if (item.facts.hidden) return Dropped::kHidden;
  const ItemFilter& wanted = request_.filter;
  if (!item.facts.available && !lifts(wanted, Dropped::kUnavailable)) return Dropped::kUnavailable;
  const MatchContext context = match_context(item);
  if (context.expired && !lifts(wanted, Dropped::kExpired)) return Dropped::kExpired;
  const auto& countries = item.facts.countries;
  if (!countries.empty() && !country_.empty() && std::ranges::find(countries, country_) == countries.end()) {
    return Dropped::kNotSoldThere;
  }
  return wanted.matches(item.facts, context) ? Dropped::kNot : Dropped::kFilter;
}

/// Return the candidate of an item, filtered and given its popularity when it is a new one.
Ranking::Candidate& Ranking::candidate(ItemRef ref) {
  if (candidates_.size() * 2 > table_.size()) {
    table_.assign(table_.size() * 2, 0);
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
      std::size_t at = table_slot(candidates_[i].item, table_.size());
      while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = i + 1;
    }
  }
  std::size_t at = table_slot(ref, table_.size());
  for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1)) {
    if (candidates_[table_[at] - 1].item == ref) return candidates_[table_[at] - 1];
  }
  Candidate made{.item = ref, .facts = memory_.items.get(ref)};
  made.dropped = made.facts ? filter(*made.facts) : Dropped::kDeleted;
  if (made.dropped == Dropped::kNot) {
    ++admitted_;
    const bool known = !request_.as_of && ref.slot() < lists_.score_of_slot.size();
    const double overall = known ? lists_.score_of_slot[ref.slot()] : 0;
    made.score = made.best = popularity_share_ * kOverallShare * overall;
    const ItemFacts& facts = made.facts->facts;
    made.dear = price_max_ && !(facts.price && facts.currency == price_currency_ &&
                                facts.price->to_double() <= *price_max_);
  }
  candidates_.push_back(made);
  table_[at] = static_cast<std::uint32_t>(candidates_.size());
  return candidates_.back();
}

void Ranking::contribute(ItemRef item, CandidateSource source, double amount, std::size_t because) {
  Candidate& to = candidate(item);
  to.found_by |= static_cast<std::uint16_t>(1u << static_cast<unsigned>(source));
  if (to.dropped != Dropped::kNot) return;
  to.score += amount;
  if (amount <= to.best && !(amount > 0 && to.best == 0)) return;
  to.best = amount;
  to.source = source;
  to.because = static_cast<std::uint16_t>(because);
}

Status Ranking::find_neighbours() {
  const Rules rules = rules_of(request_.placement);
  double weights = 0;
  for (const ContextItem& each : context_) weights += each.weight;
  for (std::size_t i = 0; i < context_.size(); ++i) {
    const ContextItem& from = context_[i];
    const auto add = [&](const NeighbourLists& lists, CandidateSource source, double share) {
      const double factor = share * from.weight / weights;
      for (const Neighbour& to : lists.of(from.item)) {
        contribute(to.item, source, factor * lists.cosine(from.item, to, model_.cosine_damping), i);
      }
    };
    add(memory_.bought, CandidateSource::kCoBought, rules.bought);
    add(memory_.seen, CandidateSource::kCoSeen, rules.seen);
    if (budget_.over()) return fail(Code::kDeadline, "the deadline passed among the neighbours");
  }
  return {};
}

void Ranking::add_list(const std::vector<RankedItem>& list, CandidateSource source, double share) {
  for (const RankedItem& each : list)
    contribute(each.item, source, popularity_share_ * share * each.score, 0);
}

void Ranking::add_category_list(std::string_view category) {
  const auto found = lists_.by_category.find(category);
  if (found != lists_.by_category.end())
    add_list(found->second, CandidateSource::kPopularCategory, kCategoryShare);
}

Status Ranking::find_popular() {
  std::string_view category = request_.filter.only_category();
  if (category.empty() && request_.placement == Placement::kItem && !context_.empty()) {
    const Item* item = memory_.items.get(context_.front().item);
    if (item) category = item->facts.category;
  }
  if (request_.as_of) {
    // Only what was sold is known of another time; the rest fills up without a score.
    add_list(sold_in_week(memory_, request_.as_of), CandidateSource::kPopularWeek, 1);
    return fill_from_all();
  }
  if (!category.empty()) add_category_list(category);
  if (const auto found = lists_.by_country.find(country_); found != lists_.by_country.end()) {
    add_list(found->second, CandidateSource::kPopularCountry, kCountryShare);
  }
  add_list(lists_.week, CandidateSource::kPopularWeek, kWeekShare);
  add_list(lists_.fresh, CandidateSource::kNew, kNewShare);
  return fill_from_all();
}

/// Look through all items for those that a filter of states asks for: they are few, or in no list.
Status Ranking::add_wanted() {
  const bool unavailable = lifts(request_.filter, Dropped::kUnavailable);
  for (std::uint32_t slot = 0; slot < memory_.items.slots(); ++slot) {
    if (slot % kCheckEvery == 0 && budget_.over())
      return fail(Code::kDeadline, "the deadline passed in the catalogue");
    const Item& item = memory_.items.in_slot(slot);
    const bool wanted = unavailable ? !item.facts.available : exclusions_.person.of(item.fingerprint) != 0;
    if (item.used && wanted) contribute(memory_.items.ref_of(slot), CandidateSource::kPopular, 0, 0);
  }
  return {};
}

/// Go down the list of all items until there is enough to choose a page from. What the filter drops becomes
/// no candidate, unless it is to be explained: there may be a whole catalogue of it.
Status Ranking::fill_from_all() {
  if (const auto* ids = request_.filter.only_ids()) {
    for (const std::string& id : *ids) {
      if (const auto item = memory_.items.find(id)) contribute(*item, CandidateSource::kPopular, 0, 0);
    }
    return {};
  }
  if (request_.filter.asks_for_deed() || lifts(request_.filter, Dropped::kUnavailable)) return add_wanted();
  const std::size_t enough = std::max<std::size_t>(50, 2 * request_.n);
  for (std::size_t i = 0; i < lists_.overall.size() && (admitted_ < enough || i < enough); ++i) {
    const Item* item = memory_.items.get(lists_.overall[i].item);
    if (item && (explanation_ || filter(*item) == Dropped::kNot))
      contribute(lists_.overall[i].item, CandidateSource::kPopular, 0, 0);
    if (i % kCheckEvery == 0 && budget_.over()) {
      return fail(Code::kDeadline, "the deadline passed among the popular items");
    }
  }
  return {};
}

void Ranking::explain() const {
  FilterReport report(request_.filter);
  for (const Candidate& each : candidates_) {
    for (unsigned source = 0; source < static_cast<unsigned>(CandidateSource::kCount); ++source) {
      if ((each.found_by >> source & 1u) == 0) continue;
      ++explanation_->candidates[std::string(candidate_source_name(static_cast<CandidateSource>(source)))];
    }
    if (each.dropped != Dropped::kNot) ++explanation_->filtered[std::string(dropped_name(each.dropped))];
    if (each.facts) report.look_at(each.facts->facts, match_context(*each.facts));
  }
  explanation_->filter = report.take();
}

// ---- rank

std::vector<const Ranking::Candidate*> Ranking::best_candidates() const {
  std::vector<const Candidate*> best;
  best.reserve(candidates_.size());
  for (const Candidate& each : candidates_) {
    if (each.dropped == Dropped::kNot) best.push_back(&each);
  }
  const auto better = [](const Candidate* a, const Candidate* b) {
    if (a->dear != b->dear) return b->dear;
    return a->score != b->score ? a->score > b->score : a->facts->facts.id < b->facts->facts.id;
  };
  const std::size_t kept = std::min(best.size(), 4 * request_.n + 40);
  std::ranges::partial_sort(best, best.begin() + static_cast<std::ptrdiff_t>(kept), better);
  best.resize(kept);
  return best;
}

/// Choose a page from the top: the best first, but once a category has its share of the page, the best of
/// another one unless that is much weaker.
std::vector<const Ranking::Candidate*> Ranking::diversify(std::vector<const Candidate*> best) const {
  std::vector<const Candidate*> page;
  const std::size_t n = request_.n;
  const auto share_max =
      static_cast<std::size_t>(std::max(1.0, std::ceil(static_cast<double>(n) * model_.category_share_max)));
  std::map<std::string_view, std::size_t> taken;
  const auto full = [&](const Candidate* each) {
    const std::string_view category = top_category(*each->facts);
    return !category.empty() && taken[category] >= share_max;
  };
  const bool one_category = !request_.filter.only_category().empty();
  while (page.size() < n && !best.empty()) {
    auto chosen = best.begin();
    if (!one_category && full(*chosen)) {
      const auto other = std::find_if(best.begin(), best.end(), [&](const Candidate* each) {
        return !full(each) && each->dear == (*chosen)->dear &&
               each->score >= kDiversityPrice * (*chosen)->score;
      });
      if (other != best.end()) chosen = other;
    }
    ++taken[top_category(*(*chosen)->facts)];
    page.push_back(*chosen);
    best.erase(chosen);
  }
  return page;
}

/// A new item that nobody has met can never earn a place by itself: one place of a page is for it.
void Ranking::give_room_to_new(std::vector<const Candidate*>& page) const {
  constexpr auto kNewBit = 1u << static_cast<unsigned>(CandidateSource::kNew);
  const auto is_new = [](const Candidate* each) { return (each->found_by & kNewBit) != 0; };
  if (request_.placement != Placement::kHome || page.size() < kPageWithNew) return;
  if (std::ranges::any_of(page, is_new)) return;
  const Candidate* first = nullptr;
  for (const Candidate& each : candidates_) {
    if (each.dropped != Dropped::kNot || !is_new(&each)) continue;
    if (!first || each.score > first->score) first = &each;
  }
  if (first) page.back() = first;
}

Status Ranking::rank() {
  std::vector<const Candidate*> page = diversify(best_candidates());
  give_room_to_new(page);
  page_size_ = page.size();
  answer_.reserve(page.size());
  for (const Candidate* each : page) {
    answer_.push_back({each->facts->facts.id, each->score, std::string(candidate_source_name(each->source)),
                       reason_of(*each)});
  }
  return {};
}

Reason Ranking::reason_of(const Candidate& candidate) const {
  const bool personal =
      candidate.source == CandidateSource::kCoBought || candidate.source == CandidateSource::kCoSeen;
  const ContextItem* context = personal ? &context_[candidate.because] : nullptr;
  std::string_view category = request_.filter.only_category();
  if (category.empty()) category = candidate.facts->facts.category;
  return make_reason(candidate.source, context, context ? memory_.items.get(context->item) : nullptr,
                     request_.placement, country_, category);
}

}  // namespace millrace
