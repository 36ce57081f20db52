#include "recommend/recommend_testing.h"

namespace millrace {

void as_event(const Deed& deed, const std::function<void(const Event&)>& use) {
  std::vector<EventItem> items;
  for (const std::string& id : deed.items) {
    EventItem& item = items.emplace_back();
    item.item_id = id;
    item.in_cart = deed.in_cart;
    if (deed.quantity != 0) item.quantity = Decimal::from_integer(deed.quantity);
  }
  Event event{.type = deed.type,
              .type_name = deed.type_name.empty() ? event_type_name(deed.type) : deed.type_name,
              .message_id = deed.message_id,
              .source = deed.source,
              .user_id = deed.user,
              .anonymous_id = deed.anonymous,
              .session_id = deed.session,
              .event_time = deed.time,
              .country = deed.country,
              .items = items};
  if (deed.value != 0) event.value = deed.value;
  if (!deed.order.empty()) event.order = EventOrder{.order_id = deed.order};
  use(event);
}

RecommenderOptions Scene::plain_options() {
  RecommenderOptions options;
  options.model.category_share_max = 1;
  options.model.new_item_age = 0;
  return options;
}

void Scene::item(std::string id, std::string category, std::string price, std::string name) {
  ItemFacts facts{.id = std::move(id), .name = std::move(name), .category = std::move(category)};
  if (!price.empty()) facts.price = Decimal::parse(price).value();
  recommender.put_item(facts);
}

void Scene::apply(Deed deed) {
  if (deed.time == 0) deed.time = time += kSecondUs;
  as_event(deed, [&](const Event& event) { recommender.apply(event); });
}

void Scene::views(std::initializer_list<std::string> users, const std::vector<std::string>& items) {
  for (const std::string& user : users) {
    for (const std::string& each : items) apply({.user = user, .items = {each}, .session = "s-" + user});
  }
}

Recommendations Scene::recommend(RecommendRequest request) {
  recommender.refresh();
  return recommender.recommend(request);
}

std::vector<std::string> Scene::ids(RecommendRequest request) {
  return ids_of(recommend(std::move(request)));
}

std::vector<std::string> ids_of(const Recommendations& answer) {
  std::vector<std::string> ids;
  for (const RecommendedItem& item : answer.items) ids.push_back(item.id);
  return ids;
}

}  // namespace millrace
