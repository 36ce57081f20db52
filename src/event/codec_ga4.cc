#include "event/codecs.h"
#include "event/commerce_fields.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

/// Event names that are one of our types under another name.
constexpr KeyMap<EventType, 3> kEventNames({
    {"view_item_list", EventType::kListView},
    {"view_item", EventType::kItemView},
    {"view_search_results", EventType::kSearch},
});

constexpr KeyMap<CommerceField, 15> kParams({
    {"items", CommerceField::kProducts},
    {"item_id", CommerceField::kProductId},
    {"transaction_id", CommerceField::kOrderId},
    {"value", CommerceField::kValue},
    {"currency", CommerceField::kCurrency},
    {"tax", CommerceField::kTax},
    {"shipping", CommerceField::kShipping},
    {"coupon", CommerceField::kCoupon},
    {"item_list_id", CommerceField::kListId},
    {"search_term", CommerceField::kQuery},
    {"page_location", CommerceField::kUrl},
    {"page_title", CommerceField::kTitle},
    {"page_referrer", CommerceField::kReferrer},
    {"session_id", CommerceField::kSessionId},
    {"recommendation_id", CommerceField::kRecommendationId},
});

struct Hit {
  EventDraft draft;
  CommerceFields params;
};

Status read_name(value& from, EventDraft& draft) {
  std::string_view name;
  MILLRACE_TRY(json::read_text(from, draft.batch(), name));
  const EventType type = kEventNames.find(name, EventType::kCustom);
  if (type == EventType::kCustom) return draft.set_type(name), Status{};
  return draft.set_type(type), Status{};
}

Status read_params(value& from, Hit& hit) {
  MILLRACE_ASSIGN(json::od::object object, json::object_of(from));
  return json::each_member(object, hit.draft.batch(), [&hit](std::string_view key, value& member) -> Status {
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
    hit.params.put(kParams.find(key, CommerceField::kUnknown), key, raw, hit.draft);
    return {};
  });
}

/// Read a member of an event or of what its body shares.
Status read_member(std::string_view key, value& from, Hit& hit) {
  EventDraft& draft = hit.draft;
  if (key == "name") return read_name(from, draft);
  if (key == "params") return read_params(from, hit);
  if (key == "timestamp_micros") return json::read_time(from, 1, draft.event_time);
  if (key == "client_id") return json::read_id(from, draft.batch(), draft.event().anonymous_id);
  if (key == "user_id") return json::read_id(from, draft.batch(), draft.event().user_id);
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  draft.properties().put(key, raw);
  return {};
}

Status read_members(std::string_view text, Hit& hit) {
  return json::each_member_of(text, hit.draft.batch(), [&hit](std::string_view key, value& member) {
    return read_member(key, member, hit);
  });
}

}  // namespace

Status decode_ga4(const Envelope& envelope, std::string_view text, EventBatch& out) {
  Hit hit{.draft = EventDraft(envelope, out)};
  if (!envelope.context.empty()) {
    MILLRACE_TRY(read_members(keep_padded(envelope.context, out), hit));
    hit.draft.properties().mark_shared();
  }
  MILLRACE_TRY(read_members(text, hit));
  if (hit.draft.event().type_name.empty()) return fail(Code::kInvalid, "an event needs a name", "name");
  if (auto status = hit.params.apply(hit.draft); !status) {
    return fail(json::under("params", std::move(status).error()));
  }
  return hit.draft.finish();
}

}  // namespace millrace
