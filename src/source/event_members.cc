#include "source/event_members.h"

namespace millrace {
namespace {

constexpr NamedMember<Event> kEventMembers[] = {
    {"message_id", &Event::message_id},
    {"user_id", &Event::user_id},
    {"anonymous_id", &Event::anonymous_id},
    {"session_id", &Event::session_id},
    {"page_url", &Event::page_url},
    {"page_path", &Event::page_path},
    {"page_title", &Event::page_title},
    {"page_referrer", &Event::page_referrer},
    {"search_query", &Event::search_query},
    {"list_id", &Event::list_id},
    {"device_type", &Event::device_type},
    {"os", &Event::os},
    {"browser", &Event::browser},
    {"user_agent", &Event::user_agent},
    {"ip", &Event::ip},
    {"locale", &Event::locale},
    {"country", &Event::country},
    {"region", &Event::region},
    {"city", &Event::city},
    {"postal_code", &Event::postal_code},
    {"latitude", &Event::latitude},
    {"longitude", &Event::longitude},
    {"value", &Event::value},
    {"recommendation_id", &Event::recommendation_id},
};

constexpr NamedMember<EventOrder> kOrderMembers[] = {
    {"order_id", &EventOrder::order_id}, {"total", &EventOrder::total},
    {"revenue", &EventOrder::revenue},   {"shipping", &EventOrder::shipping},
    {"tax", &EventOrder::tax},           {"discount", &EventOrder::discount},
    {"coupon", &EventOrder::coupon},     {"currency", &EventOrder::currency},
};

constexpr NamedMember<EventItem> kItemMembers[] = {
    {"item_id", &EventItem::item_id},   {"name", &EventItem::name},
    {"category", &EventItem::category}, {"brand", &EventItem::brand},
    {"variant", &EventItem::variant},   {"price", &EventItem::price},
    {"quantity", &EventItem::quantity}, {"currency", &EventItem::currency},
    {"position", &EventItem::position},
};

}  // namespace

template <>
std::span<const NamedMember<Event>> members_of<Event>() {
  return kEventMembers;
}

template <>
std::span<const NamedMember<EventOrder>> members_of<EventOrder>() {
  return kOrderMembers;
}

template <>
std::span<const NamedMember<EventItem>> members_of<EventItem>() {
  return kItemMembers;
}

}  // namespace millrace
