#include "event/codecs.h"

namespace millrace {
namespace {

/// Activity fields that a native event names otherwise; all others are read as in one.
Status read_member(std::string_view key, json::od::value& from, EventDraft& draft) {
  if (key == "customer_number") return json::read_id(from, draft.batch(), draft.event().user_id);
  if (key == "timestamp") return json::read_time(from, kMillisecondUs, draft.event_time);
  if (key == "browse_history") {
    draft.items().clear();
    return read_items(from, key, draft);
  }
  if (key == "type" || key == "items") {  // not fields of an activity event
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
    draft.properties().put(key, raw);
    return {};
  }
  return read_native_member(key, from, draft);
}

}  // namespace

Status decode_activity(const Envelope& envelope, std::string_view text, EventBatch& out) {
  EventDraft draft(envelope, out);
  draft.set_type(EventType::kActivity);
  MILLRACE_TRY(json::each_member_of(text, out, [&draft](std::string_view key, json::od::value& member) {
    return read_member(key, member, draft);
  }));
  const Event& event = draft.event();
  if (event.visitor().empty() && draft.items().empty()) {
    return fail(Code::kInvalid, "an activity event needs session_id, customer_number or browse_history");
  }
  return draft.finish();
}

}  // namespace millrace
