#pragma once

#include <string>
#include <string_view>

#include "event/codec.h"
#include "event/event_draft.h"
#include "event/json_read.h"

/// What each codec gives to `decode_record` and `split_body`. Internal to this layer.
namespace millrace {

// Decode one record, appending its events. On failure the caller removes what was appended.
Status decode_native(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_segment(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_cloud_event(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_visit(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_activity(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_ga4(const Envelope& envelope, std::string_view value, EventBatch& out);
Status decode_pubsub(const Envelope& envelope, std::string_view value, EventBatch& out);

/// Read one member of a native event into `draft`; unknown ones go to its properties.
Status read_native_member(std::string_view key, json::od::value& value, EventDraft& draft);

/// A Pub/Sub push message without its wrapper.
struct PushedMessage {
  CodecId codec = CodecId::kNative;
  std::string data;  ///< followed by kBytesAfter readable bytes that do not count
  std::string message_id;

  std::string_view view() const { return std::string_view(data).substr(0, data.size() - kBytesAfter); }
  static constexpr std::size_t kBytesAfter = 64;
};

/// Take a push message apart. `otherwise` is the codec when its attributes name none.
/// Errors: kInvalid for a malformed wrapper, data that is not base64, an unknown codec.
Result<PushedMessage> unwrap_push(std::string_view value, CodecId otherwise);

}  // namespace millrace
