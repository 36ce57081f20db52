#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"
#include "event/contract_notes.h"
#include "event/event.h"

namespace millrace {

class Contracts;

/// The shapes in which events reach us. The number is stored in every record: never reuse one.
enum class CodecId : std::uint8_t {
  kNative = 1,       ///< our own JSON event, fields named as in `Event`
  kSegment = 2,      ///< one message of the Segment family
  kCloudEvents = 3,  ///< CloudEvents 1.0, structured JSON
  kVisit = 4,        ///< clickstream visit document (C1), plain or with wrapped events
  kActivity = 5,     ///< e-commerce activity event (E7)
  kGa4 = 6,          ///< one event of the GA4 Measurement Protocol
  kPubSub = 7,       ///< a Pub/Sub push message whose data is one of the above
};

std::string_view codec_name(CodecId codec);
std::optional<CodecId> codec_of(std::string_view name);

/// What is known of a record beside its own bytes; stored before it in the log as `attributes`.
/// Layout: docs/formats/envelope.md.
struct Envelope {
  CodecId codec = CodecId::kNative;
  std::uint8_t codec_version = 1;
  std::string_view source;
  TimeUs received_time = 0;
  std::optional<TimeUs> sent_time;
  std::string_view ip;
  std::string_view user_agent;
  std::string_view message_id;  ///< given when the bytes themselves hold none
  std::string_view context;     ///< JSON object of fields shared by the records of one body, which each
                                ///< record's own override: what a Segment batch or a GA4 body holds
                                ///< beside its events, the `type` a Segment route stands for
  bool replaces = false;        ///< as `Event::replaces`
  bool owns_order = false;      ///< as `Event::owns_order`
};

/// Append the stored form of `envelope` to `out`.
void encode_envelope(const Envelope& envelope, std::string& out);

/// Read it back; the views point into `bytes`. Errors: kCorrupt.
Result<Envelope> decode_envelope(std::string_view bytes);

/// What the collector knows of a request before it looks into the body.
struct BodyFacts {
  std::string_view source;  ///< from the write key; "web" without one
  TimeUs received_time = 0;
  std::string_view ip;
  std::string_view user_agent;
  std::string_view message_id;            ///< `Idempotency-Key`, or ce-id of a binary CloudEvent
  std::string_view segment_type;          ///< "track", "page", … from the route, when the body has no `type`
  CodecId push_codec = CodecId::kNative;  ///< kPubSub: what the message's data is, when its attribute
                                          ///< `codec` does not say
  bool may_be_cloud_events = false;       ///< kNative: a piece with a member `specversion` is a CloudEvent
  bool replaces = false;                  ///< as `Event::replaces`
  bool owns_order = false;                ///< as `Event::owns_order`
};

struct BodyLimits {
  std::size_t event_bytes_max = 32'000;
  std::size_t batch_bytes_max = 500'000;
  std::size_t events_max = 10'000;       ///< in one body
  const Contracts* contracts = nullptr;  ///< that events must fit; none: any
};

/// One accepted piece of a body: it has been decoded once, so a later decode will succeed.
struct BodyRecord {
  std::string_view value;   ///< the original bytes, a slice of the body (or of `BodySplit::storage`)
  std::string_view key;     ///< partition key: anonymous id, else session id, else user id
  std::string attributes;   ///< encoded Envelope
  std::uint32_t count = 1;  ///< events in it
};

/// One refused piece: it goes to quarantine, its batch goes on.
struct RefusedRecord {
  std::string_view value;
  Error reason;            ///< `where` points into the body: "batch[3].timestamp"
  std::string attributes;  ///< encoded Envelope
  CodecId codec = CodecId::kNative;
};

struct BodySplit {
  std::vector<BodyRecord> accepted;
  std::vector<RefusedRecord> refused;
  std::vector<std::unique_ptr<std::string>>
      storage;                                       ///< owns values and keys that are not slices of the body
  std::vector<std::unique_ptr<EventBatch>> decoded;  ///< keeps what keys may point into
  ContractNotes notes;                               ///< what contracts say beside what they refused
};

/// Cut a body into records and check each by decoding it. `body` must have 64 readable bytes after
/// its end (simdjson reads that far). Accepts one JSON value, an array, JSON lines, or the family's
/// own batch form, by looking at the bytes and never at Content-Type.
/// A piece that is not right, or breaks a contract of `limits`, is refused alone; a body of one piece that is
/// not JSON fails whole. Pieces without an id of their own get `facts.message_id`, or a new UUID from `env`,
/// with `:<index>` when there are several. `body` and `facts` must outlive the result. Threads: any. Errors
/// (the whole body): kInvalid when it cannot be parsed at all; kOutOfRange when it holds more than
/// `events_max` events or is larger than `batch_bytes_max`.
Result<BodySplit> split_body(CodecId codec, std::string_view body, const BodyFacts& facts,
                             const BodyLimits& limits, Env& env = Env::system());

/// Decode one record to 0..n events, appended to `out`. `value` must have 64 readable bytes after its
/// end and outlive `out`, as must what `envelope` views. Errors: kInvalid, `where` naming the field;
/// `out` is then as before.
/// A pure function of its input: the same record gives the same events for ever. Threads: any.
Status decode_record(const Envelope& envelope, std::string_view value, EventBatch& out);

/// Turn a binary-mode CloudEvent into the structured form that kCloudEvents reads: `ce-*` headers
/// (names in any case) become its attributes, `body` its `data` (JSON), or `data_base64` when it is not
/// JSON. Errors: kInvalid when `ce-id`, `ce-source`, `ce-type` or `ce-specversion` is missing.
Result<std::string> structured_cloud_event(
    std::span<const std::pair<std::string_view, std::string_view>> headers, std::string_view body);

}  // namespace millrace
