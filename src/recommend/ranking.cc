#include "recommend/ranking.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "recommend/cursor.h"
#include "recommend/page.h"

namespace millrace {
namespace {

constexpr std::size_t kCheckEvery = 256;  ///< candidates between two looks at the clock
constexpr std::size_t kFromModel = 40;    ///< candidates asked of each model, beside what was met, …
constexpr std::size_t kFromList = 100;    ///< … and taken of each popular list, …
constexpr std::size_t kPagesOf = 3;       ///< … or so many pages, if that is more
constexpr std::size_t kAhead = 8;         ///< items of a list that are brought near before their turn
constexpr double kNewnessHalfLife = 7.0 * static_cast<double>(kDayUs);

/// How much each thing counts at a placement.
struct Rules {
  double seen = 1;    ///< met in sessions
  double bought = 1;  ///< met in orders
};

Rules rules_of(Placement placement) {
  switch (placement) {
    case Placement::kHome:
      return {};
    case Placement::kItem:
      return {.seen = 1, .bought = 0.5};
    case Placement::kCart:
    case Placement::kCheckout:
      return {.seen = 0.25, .bought = 1};
  }
  return {};
}

}  // namespace

Ranking::Ranking(const Input& input, Exclusions& exclusions, Explanation* explanation)
    : memory_(input.memory),
      lists_(input.lists),
      pipeline_(input.pipeline),
      model_(input.pipeline.settings),
      request_(input.request),
      budget_(input.budget),
      wall_now_(input.wall_now),
      before_stage_(input.before_stage),
      exclusions_(exclusions),
      explanation_(explanation) {}

Status Ranking::stage(std::string_view name, Status (Ranking::*work)()) {
  const DurationUs begin = budget_.spent();
  if (before_stage_) MILLRACE_TRY(before_stage_(name));
  MILLRACE_TRY((this->*work)());
  if (explanation_) explanation_->stages_us[std::string(name)] = budget_.spent() - begin;
  return {};
}

Status Ranking::begin() {
  MILLRACE_TRY(stage("context", &Ranking::look_at_visitor));
  if (budget_.over()) return fail(Code::kDeadline, "the deadline passed in stage context");
  return {};
}

Status Ranking::finish() {
  MILLRACE_TRY(stage("candidates", &Ranking::find_candidates));
  return stage("rank", &Ranking::rank);
}

void Ranking::leave_out(std::string_view source, std::string_view why) {
  if (!partial_.empty()) partial_ += "; ";
  partial_ += fmt::format("{}: {}", source, why);
}

Status Ranking::look_at_visitor() {
  context_ = find_context(memory_, request_, model_,
                          request_.filter.needs_person() || pipeline_.filter.needs_person(), exclusions_);
  met_ = context_.met_items();
  return {};
}

// ---- models

void Ranking::ask_models() {
  const DurationUs begin = budget_.spent();
  for (const std::string& absent : pipeline_.absent) leave_out(absent, "no version is deployed");
  from_models_.resize(pipeline_.models.size());
  for (std::size_t i = 0; i < pipeline_.models.size(); ++i) {
    const ModelSource& source = *pipeline_.models[i];
    if (budget_.over()) {
      leave_out(source.model().name, "no time was left");
      continue;
    }
    const DurationUs asked = budget_.spent();
    auto list = ask(source);
    if (explanation_) explanation_->stages_us["model:" + source.model().name] = budget_.spent() - asked;
    if (list) {
      from_models_[i] = *std::move(list);
    } else {
      leave_out(source.model().name, list.error().message);
    }
  }
  if (explanation_ && !pipeline_.models.empty()) explanation_->stages_us["models"] = budget_.spent() - begin;
}

Result<std::vector<ModelCandidate>> Ranking::ask(const ModelSource& source) const {
  try {
    if (before_stage_) MILLRACE_TRY(before_stage_("model:" + source.model().name));
    const std::size_t n = std::max(kFromModel, kPagesOf * request_.n) + met_.size();
    return source.find({.user = context_.about_page() ? std::string_view() : request_.user,
                        .met = met_,
                        .now = context_.now},
                       n);
  } catch (const std::exception& error) {
    return fail(Code::kInternal, error.what());
  }
}

// ---- candidates

double Ranking::popularity_share() const {
  return context_.items.empty() && !models_spoke_ ? 1 : model_.popularity_share;
}

Status Ranking::find_candidates() {
  const bool heard_nothing = std::ranges::all_of(from_models_, &std::vector<ModelCandidate>::empty);
  if (budget_.over() && heard_nothing)
    return fail(Code::kDeadline, "the deadline passed before any candidate was found");
  add_models();
  if (!find_neighbours()) leave_out("co_seen", "no time was left");
  find_popular();
  if (explanation_) explain();
  return {};
}

void Ranking::add_models() {
  for (std::size_t i = 0; i < from_models_.size(); ++i) {
    const ModelSource& model = *pipeline_.models[i];
    for (const ModelCandidate& each : from_models_[i]) model.prefetch(each.item, memory_.items);
    const bool is_popularity = model.model().settings.kind == RankingKind::kPopularity;
    bool knows_any = from_models_[i].empty();
    for (const ModelCandidate& each : from_models_[i]) {
      const auto item = model.known_as(each.item, memory_.items);
      if (!item) continue;
      knows_any = true;
      const Candidate& added =
          contribute(*item, static_cast<CandidateSource>(kBuiltInSources + i), each.score);
      models_spoke_ |= added.dropped == Dropped::kNot && !is_popularity;
    }
    if (!knows_any) leave_out(model.model().name, "nothing it gave is an item here");
  }
}

MatchContext Ranking::match_context(const Item& item) const {
  MatchContext context{.person = exclusions_.person.of(item.fingerprint)};
  const bool needs_now = request_.filter.needs_now() || pipeline_.filter.needs_now();
  if (!item.facts.expires_us && model_.item_age_max <= 0 && !needs_now) return context;
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
  if (!countries.empty() && !context_.country.empty() &&
      std::ranges::find(countries, context_.country) == countries.end()) {
    return Dropped::kNotSoldThere;
  }
  if (!pipeline_.filter.matches(item.facts, context)) return Dropped::kRule;
  return wanted.matches(item.facts, context) ? Dropped::kNot : Dropped::kFilter;
}

/// Return the candidate of an item, filtered and given its popularity when it is a new one.
Candidate& Ranking::candidate(ItemRef ref) {
  const auto [found, made] = candidates_.of(ref);
  if (!made) return found;
  found.facts = memory_.items.get(ref);
  found.dropped = found.facts ? filter(*found.facts) : Dropped::kDeleted;
  if (found.dropped != Dropped::kNot) return found;
  ++admitted_;
  const bool known = !request_.as_of && ref.slot() < lists_.score_of_slot.size();
  if (known)
    found.by_source[static_cast<std::size_t>(CandidateSource::kPopular)] = lists_.score_of_slot[ref.slot()];
  const ItemFacts& facts = found.facts->facts;
  found.dear = context_.price_max && !(facts.price && facts.currency == context_.price_currency &&
                                       facts.price->to_double() <= *context_.price_max);
  return found;
}

Candidate& Ranking::contribute(ItemRef item, CandidateSource source, double amount, std::size_t because) {
  Candidate& to = candidate(item);
  const auto number = static_cast<std::size_t>(source);
  to.found_by |= 1u << number;
  if (to.dropped != Dropped::kNot) return to;
  to.by_source[number] += static_cast<float>(amount);
  if (source > CandidateSource::kCoSeen || amount <= to.most[number]) return to;
  to.most[number] = static_cast<float>(amount);
  to.because[number] = static_cast<std::uint16_t>(because);
  return to;
}

/// Add what goes with the context. Returns false when time ran out.
bool Ranking::find_neighbours() {
  const Rules rules = rules_of(request_.placement);
  double weights = 0;
  for (const ContextItem& each : context_.items) weights += each.weight;
  for (std::size_t i = 0; i < context_.items.size(); ++i) {
    const ContextItem& from = context_.items[i];
    const auto add = [&](const NeighbourLists& lists, CandidateSource source, double share) {
      if (pipeline_.weights[static_cast<std::size_t>(source)] <= 0) return;
      const double factor = share * from.weight / weights;
      const std::span<const CoOccurrence> met_with = lists.of(from.item);
      for (const CoOccurrence& to : met_with) memory_.items.prefetch(to.item);
      for (const CoOccurrence& to : met_with)
        contribute(to.item, source, factor * lists.cosine(from.item, to, model_.cosine_damping), i);
    };
    add(memory_.bought, CandidateSource::kCoBought, rules.bought);
    add(memory_.seen, CandidateSource::kCoSeen, rules.seen);
    if (budget_.over()) return false;
  }
  return true;
}

/// Go down a list until there is enough of it to choose a page from.
void Ranking::add_list(const std::vector<RankedItem>& list, CandidateSource source, double factor) {
  std::size_t left = std::max(kFromList, kPagesOf * request_.n);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i + kAhead < list.size()) memory_.items.prefetch(list[i + kAhead].item);
    const Candidate& added = contribute(list[i].item, source, factor * list[i].score);
    if (added.dropped == Dropped::kNot && --left == 0) return;
  }
}

void Ranking::add_category_list(std::string_view category) {
  const auto found = lists_.by_category.find(category);
  if (found != lists_.by_category.end()) add_list(found->second, CandidateSource::kPopularCategory);
}

void Ranking::find_popular() {
  std::string_view category = request_.filter.only_category();
  if (category.empty() && request_.placement == Placement::kItem && !context_.items.empty()) {
    const Item* item = memory_.items.get(context_.items.front().item);
    if (item) category = item->facts.category;
  }
  if (request_.as_of) {
    // Only what was sold is known of another time, and counts whole; the rest fills up without a score.
    const double weight = pipeline_.weights[static_cast<std::size_t>(CandidateSource::kPopularWeek)];
    add_list(sold_in_week(memory_, request_.as_of), CandidateSource::kPopularWeek,
             weight > 0 ? 1 / weight : 1);
    return fill_from_all();
  }
  if (!category.empty()) add_category_list(category);
  if (const auto found = lists_.by_country.find(context_.country); found != lists_.by_country.end())
    add_list(found->second, CandidateSource::kPopularCountry);
  add_list(lists_.week, CandidateSource::kPopularWeek);
  add_list(lists_.fresh, CandidateSource::kNew);
  add_promoted();
  fill_from_all();
}

/// Promoted items are candidates although nothing speaks for them.
void Ranking::add_promoted() {
  for (const Promotion& promotion : pipeline_.promotions) {
    const auto found = lists_.by_promotion.find(promotion.filter.text());
    if (found == lists_.by_promotion.end()) continue;
    for (const RankedItem& each : found->second)
      contribute(each.item, CandidateSource::kPromotion, each.score);
  }
}

/// Look through all items for those that a filter of states asks for: they are few, or in no list.
void Ranking::add_wanted() {
  const bool unavailable = lifts(request_.filter, Dropped::kUnavailable);
  for (std::uint32_t slot = 0; slot < memory_.items.slots(); ++slot) {
    if (slot % kCheckEvery == kCheckEvery - 1 && budget_.over())
      return leave_out("catalogue", "no time was left");
    const Item& item = memory_.items.in_slot(slot);
    const bool wanted = unavailable ? !item.facts.available : exclusions_.person.of(item.fingerprint) != 0;
    if (item.used && wanted) contribute(memory_.items.ref_of(slot), CandidateSource::kPopular, 0);
  }
}

/// Go down the list of all items until there is enough to choose a page from. What the filter drops becomes
/// no candidate, unless it is to be explained: there may be a whole catalogue of it.
void Ranking::fill_from_all() {
  if (const auto* ids = request_.filter.only_ids()) {
    for (const std::string& id : *ids)
      if (const auto item = memory_.items.find(id)) contribute(*item, CandidateSource::kPopular, 0);
    return;
  }
  if (request_.filter.asks_for_deed() || lifts(request_.filter, Dropped::kUnavailable)) return add_wanted();
  const std::size_t enough = std::max<std::size_t>(50, 2 * request_.n);
  for (std::size_t i = 0; i < lists_.overall.size() && (admitted_ < enough || i < enough); ++i) {
    const Item* item = memory_.items.get(lists_.overall[i].item);
    if (item && (explanation_ || filter(*item) == Dropped::kNot))
      contribute(lists_.overall[i].item, CandidateSource::kPopular, 0);
    if (i % kCheckEvery == kCheckEvery - 1 && budget_.over()) return leave_out("popular", "no time was left");
  }
}

void Ranking::explain() const {
  FilterReport report(request_.filter);
  const std::size_t sources = kBuiltInSources + pipeline_.models.size();
  for (const Candidate& each : candidates_.all()) {
    for (std::size_t number = 0; number < sources; ++number) {
      const auto source = static_cast<CandidateSource>(number);
      if (each.is_found_by(source)) ++explanation_->candidates[std::string(pipeline_.source_name(source))];
    }
    if (each.dropped != Dropped::kNot) ++explanation_->filtered[std::string(dropped_name(each.dropped))];
    if (each.facts) report.look_at(each.facts->facts, match_context(*each.facts));
  }
  explanation_->filter = report.take();
}

// ---- rank

void Ranking::add_features(Candidate& candidate) const {
  const auto set = [&](RankFeature feature, double value) {
    candidate.features[static_cast<std::size_t>(feature)] = static_cast<float>(value);
  };
  const ItemFacts& facts = candidate.facts->facts;
  if (const auto born = candidate.facts->born_us())
    set(RankFeature::kNewness,
        std::exp2(-static_cast<double>(std::max<TimeUs>(0, context_.now - *born)) / kNewnessHalfLife));
  if (context_.price > 0 && facts.price && facts.price->to_double() > 0)
    set(RankFeature::kPriceFit, 1 / (1 + std::abs(std::log(facts.price->to_double() / context_.price))));
  if (!context_.items.empty() && !facts.category.empty()) {
    const auto top = [](std::string_view path) { return path.substr(0, path.find('/')); };
    double same = 0;
    for (const ContextItem& each : context_.items)
      if (const Item* item = memory_.items.get(each.item))
        same += top(item->facts.category) == top(facts.category) ? 1 : 0;
    set(RankFeature::kSameCategory, same / static_cast<double>(context_.items.size()));
  }
  set(RankFeature::kMetBefore, std::ranges::find(context_.met, candidate.item) == context_.met.end() ? 0 : 1);
}

/// Add up what the sources say, by the pipeline's weights or the ranker's.
void Ranking::score(Candidate& candidate) const {
  const std::size_t sources = kBuiltInSources + pipeline_.models.size();
  const double share = popularity_share();
  double loudest = 0;
  for (std::size_t number = 0; number < sources; ++number) {
    const auto source = static_cast<CandidateSource>(number);
    const bool popular = source >= CandidateSource::kPopularCountry && source <= CandidateSource::kNew;
    const double amount = candidate.by_source[number] * pipeline_.weights[number] * (popular ? share : 1);
    candidate.score += amount;
    if (amount <= loudest) continue;
    loudest = amount;
    candidate.source = source;
  }
}

Status Ranking::rank() {
  const bool with_features = pipeline_.ranker || pipeline_.keeps_features;
  for (Candidate& each : candidates_.all()) {
    if (each.dropped != Dropped::kNot) continue;
    if (with_features) add_features(each);
    score(each);
    if (pipeline_.ranker) each.score = pipeline_.learned_score(each);
  }
  const std::vector<Candidate*> page =
      choose_page(candidates_.all(), pipeline_, request_, {wall_now_, context_.now});
  page_size_ = page.size();
  answer_.reserve(page.size());
  for (const Candidate* each : page) answer_.push_back(item_of(*each));
  return {};
}

RecommendedItem Ranking::item_of(const Candidate& candidate) const {
  RecommendedItem item{.id = candidate.facts->facts.id,
                       .score = candidate.score,
                       .source = std::string(pipeline_.source_name(
                           candidate.promotion != nullptr ? CandidateSource::kPromotion : candidate.source)),
                       .reason = reason_of(candidate),
                       .features = {}};
  if (!pipeline_.keeps_features) return item;
  for (std::size_t number = 0; number < kBuiltInSources + pipeline_.models.size(); ++number)
    if (candidate.by_source[number] != 0)
      item.features.emplace_back(pipeline_.source_name(static_cast<CandidateSource>(number)),
                                 candidate.by_source[number]);
  for (std::size_t number = 0; number < kRankFeatures; ++number)
    if (candidate.features[number] != 0)
      item.features.emplace_back(rank_feature_name(static_cast<RankFeature>(number)),
                                 candidate.features[number]);
  return item;
}

Reason Ranking::reason_of(const Candidate& candidate) const {
  ReasonInput input{.source = candidate.source,
                    .placement = request_.placement,
                    .country = context_.country,
                    .category = {},
                    .promotion = {}};
  input.category = request_.filter.only_category();
  if (input.category.empty()) input.category = candidate.facts->facts.category;
  if (candidate.promotion != nullptr) {
    input.source = CandidateSource::kPromotion;
    input.promotion = candidate.promotion->text;
  } else if (candidate.source <= CandidateSource::kCoSeen) {
    input.context = &context_.items[candidate.because[static_cast<std::size_t>(candidate.source)]];
    input.because = memory_.items.get(input.context->item);
  } else if (candidate.source >= CandidateSource::kModel) {
    const ModelSource& model =
        *pipeline_.models[static_cast<std::size_t>(candidate.source) - kBuiltInSources];
    if (model.model().settings.kind == RankingKind::kPopularity) {
      input.source = CandidateSource::kPopular;
    } else if (const auto met = model.because({.user = request_.user, .met = met_, .now = context_.now},
                                              candidate.facts->facts.id)) {
      input.because = memory_.items.get(context_.met[*met]);
      const auto in_context = std::ranges::find(context_.items, context_.met[*met], &ContextItem::item);
      if (in_context != context_.items.end()) input.context = &*in_context;
    }
  }
  return make_reason(input);
}

}  // namespace millrace
