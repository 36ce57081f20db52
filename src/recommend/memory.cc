#include "recommend/memory.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "base/text.h"
#include "recommend/memory_bytes.h"

namespace millrace {
namespace {

/// Raise it with any change of what `save` writes, or of what `apply` makes of an event.
constexpr std::uint32_t kMemoryVersion = 2;

std::uint64_t combine(std::uint64_t a, std::uint64_t b) {
  return a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2));
}

/// Custom events by which people say that they do not want to see an item, "Not Interested" among them.
bool is_dismissal(std::string_view type_name) {
  constexpr std::size_t kLongest = 16;
  std::string name = to_lower(type_name.substr(0, kLongest));
  for (char& c : name) c = c == ' ' || c == '-' ? '_' : c;
  return name == "not_interested" || name == "hide_item" || name == "dislike";
}

/// The id a browser keeps through a login comes first, so that a session is not cut in two by it.
std::string_view visitor_of(const Event& event) {
  return !event.anonymous_id.empty() ? event.anonymous_id : event.user_id;
}

/// Key of an order, the same for each of its lines even if they come one by one.
std::uint64_t order_key_of(const Event& event, TimeUs time) {
  const std::uint64_t source = hash64(event.source);
  const bool named = event.order && !event.order->order_id.empty();
  const std::uint64_t key =
      named ? combine(source, hash64(event.order->order_id))
            : combine(combine(source, hash64(event.visitor())), static_cast<std::uint64_t>(time));
  return std::max<std::uint64_t>(1, key >> (64 - kOrderKeyBits));
}

double units_of(const EventItem& item) {
  if (!item.quantity || *item.quantity == Decimal()) return 1;
  return std::abs(item.quantity->to_double());
}

}  // namespace

RecommenderMemory::RecommenderMemory(const ModelSettings& model, const RecommenderLimits& limits)
    : items(limits.items,
            [this](ItemRef item) {
              seen.forget(item);
              bought.forget(item);
              popularity.forget(item);
            },
            {.of_item = limits.item_attribute_bytes, .of_all = limits.attribute_bytes}),
      seen(limits.neighbours),
      bought(limits.neighbours),
      popularity(model, limits),
      profiles(limits),
      model_(model),
      limits_(limits),
      sessions_(limits.sessions),
      orders_(limits.orders),
      recent_messages_(limits.recent_messages) {
  popularity.on_merge = [this](EraId from, EraId into) {
    for (std::uint32_t slot = 0; slot < items.slots(); ++slot) {
      Item& item = items.in_slot(slot);
      if (item.era == from) item.era = into;
    }
  };
}

std::optional<Signal> RecommenderMemory::signal_of(const Event& event, const EventItem& item) const {
  const SignalWeights& w = model_.weights;
  const auto positive = [](double weight, TouchKind kind) {
    return Signal{weight, static_cast<float>(weight), kind};
  };
  switch (event.type) {
    case EventType::kPageView:
    case EventType::kItemView:
      return positive(w.view, TouchKind::kView);
    case EventType::kRead:
      return positive(w.read, TouchKind::kRead);
    case EventType::kAddToCart:
      return positive(w.cart, TouchKind::kCart);
    case EventType::kActivity:
      return item.in_cart ? positive(w.cart, TouchKind::kCart) : positive(w.view, TouchKind::kView);
    case EventType::kPurchase:
      return positive(w.purchase, TouchKind::kBought);
    case EventType::kRemoveFromCart:
      return Signal{-w.cart, static_cast<float>(w.view), TouchKind::kView};
    case EventType::kRefund:
      return Signal{-w.purchase, static_cast<float>(w.view), TouchKind::kView};
    case EventType::kRating:
      if (!event.value) return std::nullopt;
      if (*event.value >= 4) return positive(w.rating, TouchKind::kLike);
      if (*event.value <= 2) return Signal{-w.rating, 0, TouchKind::kView, true};
      return positive(w.view, TouchKind::kView);
    case EventType::kCustom:
      if (!is_dismissal(event.type_name)) return std::nullopt;
      return Signal{-w.view, 0, TouchKind::kView, true};
    default:
      return std::nullopt;
  }
}

bool RecommenderMemory::is_duplicate(const Event& event) {
  if (event.message_id.empty()) return false;
  const std::uint64_t key =
      combine(combine(hash64(event.source), hash64(event.message_id)), event.event_index);
  if (recent_messages_.find(key)) return true;
  recent_messages_.touch(key) = 1;
  return false;
}

void RecommenderMemory::apply(const Event& event, TimeUs wall_now) {
  if (is_duplicate(event)) {
    ++events_duplicate_;
    return;
  }
  Context context{.event = event, .time = std::min(event.event_time, wall_now)};
  context.era = popularity.observe(event.source, context.time);
  context.profile = profiles.of(event);
  context.country = event.country;
  if (context.profile) {
    if (!event.country.empty()) context.profile->country = event.country;
    context.country = context.profile->country;
  }
  bool applied = false;
  for (const EventItem& item : event.items) {
    const auto signal = signal_of(event, item);
    if (!signal || item.item_id.empty()) continue;
    if (!applied) open_baskets(context);
    applied = true;
    apply_item(context, item, *signal);
  }
  events_applied_ += applied ? 1 : 0;
}

Basket* RecommenderMemory::session_of(const Context& context) {
  const Event& event = context.event;
  const std::uint64_t visitor = combine(hash64(event.source), hash64(visitor_of(event)));
  if (!event.session_id.empty()) return &sessions_.touch(combine(visitor, hash64(event.session_id)));
  if (visitor_of(event).empty()) return nullptr;
  // Without session ids a purchase joins the visit that led to it, but orders from a file, which nothing
  // led to, are no sessions.
  const bool begins = event.type != EventType::kPurchase && event.type != EventType::kRefund;
  Basket* basket = sessions_.find(visitor);
  const bool open = basket && std::abs(context.time - basket->last) <= model_.session_gap;
  if (!begins && !open) return nullptr;
  basket = &sessions_.touch(visitor);
  if (!open) basket->entries.clear();
  return basket;
}

void RecommenderMemory::open_baskets(Context& context) {
  context.session = session_of(context);
  if (context.session) context.session->last = context.time;
  if (context.event.type != EventType::kPurchase && context.event.type != EventType::kRefund) return;
  context.order_key = order_key_of(context.event, context.time);
  if (context.event.type == EventType::kRefund) return;
  context.order = &orders_.touch(context.order_key);
  context.order->last = context.time;
}

void RecommenderMemory::apply_item(Context& context, const EventItem& event_item, const Signal& signal) {
  const ItemRef item = items.intern(event_item.item_id);
  learn_facts(items.at(item), context, event_item);
  if (context.event.type == EventType::kRefund) {
    refund(context, event_item, item, context.profile ? context.profile->find(item) : nullptr);
  } else {
    popularity.add(context.era, item, context.time, context.country, signal.weight);
    if (context.profile) remember(context, event_item, item, signal);
    if (context.event.type == EventType::kPurchase) {
      popularity.add_sale(context.era, item, context.time, sold_amount(event_item, 1));
      context.order->set_weight(item, 1, limits_.basket_items, bought);
    }
  }
  if (context.session) pair_in_session(context, item, signal);
}

void RecommenderMemory::learn_facts(Item& item, const Context& context, const EventItem& event_item) {
  item.era = context.era;
  item.first_seen_us = item.first_seen_us ? std::min(*item.first_seen_us, context.time) : context.time;
  if (item.catalogued) return;
  const bool is_page = event_item.name.empty() && context.event.items.size() == 1;
  const std::string_view name = is_page ? context.event.page_title : event_item.name;
  if (!name.empty()) item.facts.name = name;
  if (!event_item.category.empty()) item.facts.category = event_item.category;
  if (event_item.price) item.facts.price = event_item.price;
  if (!event_item.currency.empty()) item.facts.currency = event_item.currency;
}

void RecommenderMemory::remember(Context& context, const EventItem& event_item, ItemRef item,
                                 const Signal& signal) {
  const EventType type = context.event.type;
  Touch& touch = context.profile->touch(item, context.time, limits_.history);
  const bool latest = touch.time_ms == context.time / kMillisecondUs;
  if (latest) touch.session = session_hash(context.event.session_id);
  if (type == EventType::kRemoveFromCart) {
    if (touch.kind == TouchKind::kCart) touch.kind = TouchKind::kView;
    return;
  }
  touch.kind = std::max(touch.kind, signal.kind);
  const std::uint32_t fingerprint = items.at(item).fingerprint;
  if (type == EventType::kRating || signal.dismisses) {
    touch.disliked = signal.dismisses;
    if (signal.dismisses)
      context.profile->disliked.add(fingerprint, limits_.owned);
    else
      context.profile->disliked.remove(fingerprint);
  }
  if (type == EventType::kPurchase) {
    touch.units += static_cast<float>(units_of(event_item));
    touch.order = context.order_key;
  }
  if (type == EventType::kPurchase || type == EventType::kRating) {
    context.profile->bought.add(fingerprint, limits_.owned);
  } else if (signal.kind <= TouchKind::kRead && !signal.dismisses) {
    context.profile->read.add(fingerprint, limits_.owned);
  }
}

/// Undo a purchase as if it had not been: in the week it was made, and in the company it was made in, as
/// far as the order is still remembered.
void RecommenderMemory::refund(Context& context, const EventItem& event_item, ItemRef item, Touch* touch) {
  Basket* order = orders_.find(context.order_key);
  if ((!order || order->weight_of(item) == 0) && touch && touch->order != 0)
    order = orders_.find(touch->order);
  const bool known = order && order->weight_of(item) > 0;
  const TimeUs bought_at = known ? order->last : context.time;

  const double units = units_of(event_item);
  const bool partial = touch && event_item.quantity && units < touch->units;
  const double share = partial ? units / touch->units : 1;
  popularity.add(context.era, item, bought_at, context.country, -model_.weights.purchase * share);
  popularity.add_sale(context.era, item, bought_at, -sold_amount(event_item, partial ? 0 : 1));
  if (partial) {
    touch->units -= static_cast<float>(units);
    return;
  }
  if (known) order->set_weight(item, 0, limits_.basket_items, bought);
  // Without the purchase in sight it may be one piece of many that came back: the person keeps it.
  if (!touch) return;
  context.profile->bought.remove(items.at(item).fingerprint);
  touch->units = 0;
  touch->order = 0;
  touch->kind = TouchKind::kView;
}

double RecommenderMemory::sold_amount(const EventItem& event_item, double orders) const {
  return model_.sold_measure == SoldMeasure::kUnits ? units_of(event_item) : orders;
}

void RecommenderMemory::pair_in_session(Context& context, ItemRef item, const Signal& signal) {
  const float before = context.session->weight_of(item);
  float weight = std::max(before, signal.together);
  // What takes back leaves a view, but never more than there was.
  if (signal.weight < 0) weight = std::min(before, signal.together);
  context.session->set_weight(item, weight, limits_.basket_items, seen);
}

std::size_t RecommenderMemory::bytes() const {
  std::size_t bytes = items.bytes() + seen.bytes() + bought.bytes() + popularity.bytes() + profiles.bytes();
  const auto add = [&](const Basket& basket) { bytes += basket.entries.capacity() * sizeof(Basket::Entry); };
  sessions_.for_each(add);
  orders_.for_each(add);
  return bytes + sessions_.bytes() + orders_.bytes() + recent_messages_.bytes();
}

void RecommenderMemory::save(std::string& image) const {
  MemoryWriter out(image);
  items.save(out);
  seen.save(out);
  bought.save(out);
  popularity.save(out);
  profiles.save(out);
  save_lru(out, sessions_, [&](const Basket& basket) { basket.save(out); });
  save_lru(out, orders_, [&](const Basket& basket) { basket.save(out); });
  save_lru(out, recent_messages_, [](char) {});
  out.put(events_applied_);
  out.put(events_duplicate_);
}

Status RecommenderMemory::restore(std::string_view image) {
  MemoryReader in(image);
  items.restore(in, popularity.eras());
  seen.restore(in);
  bought.restore(in);
  popularity.restore(in);
  profiles.restore(in);
  const auto restore_basket = [&](Basket& basket) { basket.restore(in, limits_.basket_items); };
  restore_lru(in, sessions_, restore_basket);
  restore_lru(in, orders_, restore_basket);
  restore_lru(in, recent_messages_, [](char& known) { known = 1; });
  events_applied_ = in.take<std::uint64_t>();
  events_duplicate_ = in.take<std::uint64_t>();
  return in.finish();
}

std::uint64_t memory_shape(const ModelSettings& model, const RecommenderLimits& limits) {
  const SignalWeights& w = model.weights;
  const double weights[] = {w.view, w.read, w.cart, w.rating, w.purchase};
  const std::int64_t times[] = {model.popularity_half_life, model.era_gap, model.session_gap};
  const std::size_t bounds[] = {limits.items,           limits.item_attribute_bytes,
                                limits.attribute_bytes, limits.profiles,
                                limits.aliases,         limits.sessions,
                                limits.orders,          limits.basket_items,
                                limits.neighbours,      limits.history,
                                limits.owned,           limits.countries,
                                limits.country_items,   limits.eras,
                                limits.sources,         limits.sales,
                                limits.recent_messages};
  return hash64(fmt::format("{} {} {} {} {}", kMemoryVersion, weights, times,
                            static_cast<int>(model.sold_measure), bounds));
}

}  // namespace millrace
