#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/codec.h"
#include "event/event.h"
#include "event/json_read.h"

namespace millrace {

/// Members of a JSON object in the making, as raw text.
class JsonMembers {
 public:
  void clear();

  /// Add a member whose value is checked JSON. Replaces one of the same name among those before
  /// `mark_shared` (the first kSharedMax of them).
  void put(std::string_view key, std::string_view raw);

  /// Let later members override those put until now.
  void mark_shared() { shared_ = std::min(members_.size(), kSharedMax); }

  bool empty() const { return members_.empty(); }

  /// Append `"key":value` of each, commas between and before when `needs_comma`.
  void append_to(std::string& out, bool& needs_comma) const;

 private:
  static constexpr std::size_t kSharedMax = 64;

  std::vector<std::pair<std::string_view, std::string_view>> members_;
  std::size_t shared_ = 0;
};

/// Memory that codecs use again for every event of a thread.
struct DraftScratch {
  std::vector<EventItem> items;
  JsonMembers properties;  ///< of the event, and unknown fields of the message
  JsonMembers context;     ///< what the context holds beside known fields
  std::string text;

  static DraftScratch& of_thread();
};

/// One event in the making at the end of `EventBatch::events`. Codecs fill it in, then `finish` checks
/// it. One at a time on a thread. The caller removes the event again when anything fails.
class EventDraft {
 public:
  /// Add an event with what the envelope knows: source, received time, ip, user agent, message id.
  EventDraft(const Envelope& envelope, EventBatch& out);

  Event& event() { return out_.events.back(); }
  EventBatch& batch() { return out_; }
  EventOrder& order();
  std::vector<EventItem>& items() { return scratch_.items; }
  JsonMembers& properties() { return scratch_.properties; }
  JsonMembers& context() { return scratch_.context; }

  /// Set the type by its canonical name, or as custom.
  void set_type(std::string_view name);
  void set_type(EventType type);

  /// When it happened, as far as the record says; without it the received time counts.
  std::optional<TimeUs> event_time;

  /// Use this as `properties` unless others were put: a checked JSON object.
  std::string_view raw_properties;

  /// Put items, order and properties in place and check everything. Errors: kInvalid, `where` naming the
  /// canonical field.
  Status finish();

 private:
  void write_properties();

  const Envelope& envelope_;
  EventBatch& out_;
  DraftScratch& scratch_;
};

/// Check one finished event: its type's needs, ranges, and that it does not lie more than a day after
/// its received time. Errors: kInvalid.
Status check_event(const Event& event);

/// Return a copy of `text` in the batch's memory with 64 readable bytes after its end.
std::string_view keep_padded(std::string_view text, EventBatch& batch);

/// Read one item from an object that names its fields as any of the codecs do (docs/events.md), or from
/// a bare identifier. `has_unknown` becomes true when it holds a field that EventItem has not.
Status read_item(json::od::value& value, EventBatch& batch, EventItem& into, bool& has_unknown);

/// Read an array of items to the end of the draft's. When one holds unknown fields, the array as it
/// came is put into the properties as `name`.
Status read_items(json::od::value& value, std::string_view name, EventDraft& draft);

/// The same for the checked text of an array with 64 readable bytes after its end. Uses the thread's
/// parser: nothing else may be half read.
Status read_item_array(std::string_view raw, std::string_view name, EventDraft& draft);

}  // namespace millrace
