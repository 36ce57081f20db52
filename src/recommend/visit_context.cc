#include "recommend/visit_context.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr std::size_t kMetMax = 50;  ///< items met, latest first, that models are told

/// How much the history counts when the page itself says something.
double history_share(Placement placement) {
  return placement == Placement::kHome ? 1 : 0.1;
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

bool at_cart(Placement placement) {
  return placement == Placement::kCart || placement == Placement::kCheckout;
}

class ContextFinder {
 public:
  ContextFinder(const RecommenderMemory& memory, const RecommendRequest& request, const ModelSettings& model,
                bool for_filters, Exclusions& exclusions)
      : memory_(memory),
        request_(request),
        model_(model),
        for_filters_(for_filters),
        exclusions_(exclusions) {}

  VisitContext find() {
    context_.country = request_.country;
    add_page_items();
    const Profile* profile = memory_.profiles.find(request_.user, request_.session);
    if (profile) {
      if (context_.country.empty()) context_.country = exclusions_.country = profile->country;
      add_history(*profile, at_cart(request_.placement) && request_.items.empty());
      exclude_known(*profile);
      if (for_filters_) exclusions_.person = PersonFacts(*profile, memory_.items, request_.as_of);
    }
    if (request_.placement == Placement::kCheckout) set_price_limit();
    note_met(profile);
    note_price();
    return std::move(context_);
  }

 private:
  void add_context(ItemRef item, TouchKind kind, double factor, bool on_page);
  void add_page_items();
  void add_history(const Profile& profile, bool carts_only);
  void exclude_known(const Profile& profile);
  void exclude(std::uint32_t fingerprint, Dropped why) {
    if (!lifts(request_.filter, why)) exclusions_.add(fingerprint, why);
  }
  void set_price_limit();
  void note_met(const Profile* profile);
  void add_met(ItemRef ref, TimeUs time);
  void note_price();

  const RecommenderMemory& memory_;
  const RecommendRequest& request_;
  const ModelSettings& model_;
  const bool for_filters_;
  Exclusions& exclusions_;
  VisitContext context_;
};

void ContextFinder::add_context(ItemRef item, TouchKind kind, double factor, bool on_page) {
  if (context_.items.size() >= model_.context_items) return;
  const bool there = std::ranges::find(context_.items, item, &ContextItem::item) != context_.items.end();
  if (there) return;
  const double recency = std::pow(model_.context_decay, static_cast<double>(context_.items.size()));
  context_.items.push_back({item, recency * factor * kind_factor(kind), kind, on_page});
}

void ContextFinder::add_page_items() {
  const TouchKind kind = at_cart(request_.placement) ? TouchKind::kCart : TouchKind::kView;
  for (auto id = request_.items.rbegin(); id != request_.items.rend(); ++id) {
    if (const auto item = memory_.items.find(*id)) add_context(*item, kind, 1, true);
  }
}

/// Add what the person did, latest first. What belongs to this visit is not recommended: the session asked
/// for or, when none is named, what lies within a session's silence of their latest event.
void ContextFinder::add_history(const Profile& profile, bool carts_only) {
  const std::uint64_t session = session_hash(request_.session);
  const double factor = context_.items.empty() ? 1 : history_share(request_.placement);
  std::optional<TimeUs> latest;
  for (auto touch = profile.history.rbegin(); touch != profile.history.rend(); ++touch) {
    if (request_.as_of && touch->time() > *request_.as_of) continue;
    if (!latest) latest = touch->time();
    const Item* item = memory_.items.get(touch->item);
    if (!item) continue;
    const bool this_visit =
        session != 0 ? touch->session == session : *latest - touch->time() <= model_.session_gap;
    if (this_visit) exclude(item->fingerprint, Dropped::kContext);
    if (touch->disliked) {
      exclude(item->fingerprint, Dropped::kDisliked);
      continue;
    }
    const bool in_cart = touch->kind == TouchKind::kCart;
    if (carts_only && in_cart) exclude(item->fingerprint, Dropped::kContext);
    if (!carts_only || in_cart) add_context(touch->item, touch->kind, factor, false);
  }
  if (carts_only && context_.items.empty()) add_history(profile, false);
}

void ContextFinder::exclude_known(const Profile& profile) {
  if (!request_.as_of) {
    for (const std::uint32_t item : profile.disliked.values()) exclude(item, Dropped::kDisliked);
  }
  if (model_.exclude_bought && request_.as_of) {
    for (const Touch& touch : profile.history) {
      const Item* item = memory_.items.get(touch.item);
      const bool had = touch.kind == TouchKind::kBought && touch.time() <= *request_.as_of;
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
void ContextFinder::set_price_limit() {
  double worth = 0;
  for (const ContextItem& each : context_.items) {
    const Item* item = memory_.items.get(each.item);
    if (each.kind != TouchKind::kCart || !item || !item->facts.price) continue;
    if (worth > 0 && item->facts.currency != context_.price_currency) return;
    context_.price_currency = item->facts.currency;
    worth += item->facts.price->to_double();
  }
  if (worth > 0) context_.price_max = worth * model_.checkout_price_share;
}

void ContextFinder::add_met(ItemRef ref, TimeUs time) {
  const Item* item = memory_.items.get(ref);
  if (!item || context_.met.size() == kMetMax) return;
  context_.met.push_back(ref);
  context_.met_ids.push_back(item->facts.id);
  context_.met_times.push_back(time);
  context_.now = std::max(context_.now, time);
}

void ContextFinder::note_met(const Profile* profile) {
  context_.now = request_.as_of.value_or(memory_.popularity.now({}).value_or(0));
  if (context_.about_page()) {
    for (const ContextItem& each : context_.items)
      if (each.on_page) add_met(each.item, context_.now);
  } else if (profile) {
    for (auto touch = profile->history.rbegin(); touch != profile->history.rend(); ++touch)
      if (!touch->disliked && !(request_.as_of && touch->time() > *request_.as_of))
        add_met(touch->item, touch->time());
  }
  std::ranges::reverse(context_.met);
  std::ranges::reverse(context_.met_ids);
  std::ranges::reverse(context_.met_times);
}

void ContextFinder::note_price() {
  double worth = 0, priced = 0;
  for (const ContextItem& each : context_.items) {
    const Item* item = memory_.items.get(each.item);
    if (!item || !item->facts.price) continue;
    worth += item->facts.price->to_double();
    ++priced;
  }
  if (priced > 0) context_.price = worth / priced;
}

}  // namespace

std::vector<MetItem> VisitContext::met_items() const {
  std::vector<MetItem> told;
  told.reserve(met.size());
  for (std::size_t i = 0; i < met.size(); ++i) told.push_back({met_ids[i], met_times[i]});
  return told;
}

VisitContext find_context(const RecommenderMemory& memory, const RecommendRequest& request,
                          const ModelSettings& model, bool for_filters, Exclusions& exclusions) {
  return ContextFinder(memory, request, model, for_filters, exclusions).find();
}

}  // namespace millrace
