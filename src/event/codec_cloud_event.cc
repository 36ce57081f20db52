#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "event/codecs.h"
#include "event/json_writer.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

enum class Field : std::uint8_t { kUnknown, kSpecVersion, kId, kSource, kType, kTime, kData, kDataBase64 };

constexpr KeyMap<Field, 7> kFields({
    {"specversion", Field::kSpecVersion},
    {"id", Field::kId},
    {"source", Field::kSource},
    {"type", Field::kType},
    {"time", Field::kTime},
    {"data", Field::kData},
    {"data_base64", Field::kDataBase64},
});

struct CloudEvent {
  std::string_view spec_version, id, source, type;
  std::optional<TimeUs> time;
  std::string_view data, data_base64;  ///< raw
  JsonMembers others;                  ///< subject, datacontenttype, extensions …
};

Status read_attribute(std::string_view key, value& from, EventBatch& batch, CloudEvent& event) {
  switch (kFields.find(key, Field::kUnknown)) {
    case Field::kSpecVersion:
      return json::read_text(from, batch, event.spec_version);
    case Field::kId:
      return json::read_id(from, batch, event.id);
    case Field::kSource:
      return json::read_id(from, batch, event.source);
    case Field::kType:
      return json::read_text(from, batch, event.type);
    case Field::kTime:
      return json::read_time(from, kMillisecondUs, event.time);
    case Field::kData:
      return json::read_raw(from, event.data);
    case Field::kDataBase64:
      return json::read_raw(from, event.data_base64);
    case Field::kUnknown:
      break;
  }
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  event.others.put(key, raw);
  return {};
}

Status check_attributes(const CloudEvent& event) {
  if (event.spec_version != "1.0") return fail(Code::kInvalid, "must be \"1.0\"", "specversion");
  if (event.id.empty()) return fail(Code::kInvalid, "a CloudEvent needs an id", "id");
  if (event.source.empty()) return fail(Code::kInvalid, "a CloudEvent needs a source", "source");
  if (event.type.empty()) return fail(Code::kInvalid, "a CloudEvent needs a type", "type");
  return {};
}

/// Return our type that a CloudEvent's stands for: "purchase", "com.example.shop.purchase".
EventType type_of(std::string_view type) {
  return event_type_of(type.substr(type.rfind('.') + 1));
}

/// The type is the CloudEvent's where it is one of ours, else the data's, else a custom one.
void choose_type(const CloudEvent& event, EventDraft& draft) {
  const EventType type = type_of(event.type);
  if (type != EventType::kCustom) {
    draft.set_type(type);
  } else if (draft.event().type == EventType::kCustom) {
    draft.set_type(event.type);
  }
}

void put_attributes(const CloudEvent& event, EventDraft& draft) {
  draft.event_time = event.time;
  draft.properties() = event.others;
}

Status read_native_data(std::string_view data, EventDraft& draft) {
  return json::each_member_of(data, draft.batch(), [&draft](std::string_view key, value& member) {
    return read_native_member(key, member, draft);
  });
}

Status finish(const CloudEvent& event, EventDraft& draft) {
  choose_type(event, draft);
  // An id is unique only within its CloudEvent source, of which one of our sources may send several.
  draft.event().message_id = draft.batch().keep(fmt::format("{}#{}", event.source, event.id));
  return draft.finish();
}

/// Read an event whose data is named as a native event's.
Status finish_native(const CloudEvent& event, std::string_view data, const Envelope& envelope,
                     EventBatch& out) {
  EventDraft draft(envelope, out);
  put_attributes(event, draft);
  if (auto status = read_native_data(data, draft); !status) {
    return fail(json::under("data", std::move(status).error()));
  }
  return finish(event, draft);
}

/// Read an event whose data is anything: kept whole.
Status finish_opaque(const CloudEvent& event, const Envelope& envelope, EventBatch& out) {
  EventDraft draft(envelope, out);
  put_attributes(event, draft);
  if (!event.data.empty()) draft.properties().put("data", event.data);
  if (!event.data_base64.empty()) draft.properties().put("data_base64", event.data_base64);
  return finish(event, draft);
}

/// Return the data as JSON text with room after it, or "" when it is not an object.
std::string_view object_data(const CloudEvent& event, EventBatch& out) {
  if (event.data.starts_with('{')) return event.data;
  const auto quoted = event.data_base64;
  if (quoted.size() < 2) return {};
  const auto decoded = base64_decode(quoted.substr(1, quoted.size() - 2));
  if (!decoded || !is_utf8(*decoded) || !json::trim(*decoded).starts_with('{')) return {};
  return json::check_json(*decoded) ? keep_padded(*decoded, out) : std::string_view{};
}

bool is_same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

}  // namespace

Status decode_cloud_event(const Envelope& envelope, std::string_view text, EventBatch& out) {
  CloudEvent event;
  MILLRACE_TRY(json::each_member_of(text, out, [&](std::string_view key, value& member) {
    return read_attribute(key, member, out, event);
  }));
  MILLRACE_TRY(check_attributes(event));
  const std::string_view data = object_data(event, out);
  if (data.empty()) return finish_opaque(event, envelope, out);
  const std::size_t before = out.events.size();
  auto status = finish_native(event, data, envelope, out);
  const bool is_ours = type_of(event.type) != EventType::kCustom;
  if (status || is_ours) return status;
  out.events.resize(before);
  return finish_opaque(event, envelope, out);
}

Result<std::string> structured_cloud_event(
    std::span<const std::pair<std::string_view, std::string_view>> headers, std::string_view body) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  std::size_t required = 0;
  for (const auto& [header, value] : headers) {
    if (header.size() < 4 || !is_same_name(header.substr(0, 3), "ce-")) continue;
    const std::string name = lower_case(header.substr(3));
    if (name == "data" || name == "data_base64") continue;
    required += name == "id" || name == "source" || name == "type" || name == "specversion" ? 1 : 0;
    json.member(name, value);
  }
  if (required != 4) {
    return fail(Code::kInvalid, "a binary CloudEvent needs ce-id, ce-source, ce-type and ce-specversion");
  }
  const std::string_view data = json::trim(body);
  if (!data.empty() && is_utf8(data) && json::check_json(data)) {
    json.key("data").raw(data);
  } else if (!body.empty()) {
    json.member("data_base64", base64_encode(body));
  }
  json.end_object();
  return out;
}

}  // namespace millrace
