#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "event/codecs.h"
#include "event/contracts.h"
#include "event/json_text.h"
#include "event/partition_key.h"

namespace millrace {
namespace {

/// One record to be, as text.
struct Piece {
  std::string_view text;
  std::size_t number = 0;  ///< its index in `batch`, or its line, from 1
};

/// A body taken apart, before anything in it is decoded.
struct Pieces {
  std::vector<Piece> pieces;
  std::string_view container;  ///< "batch", "events", "" for a plain array
  bool is_lines = false;
  bool is_lone = false;  ///< the body is the one piece
  std::string shared;    ///< Envelope::context
  std::optional<TimeUs> sent_time;
};

std::unexpected<Error> unparsable(std::string_view what) {
  return fail(Code::kInvalid, fmt::format("the body is not valid JSON: {}", what));
}

/// Return whether a body has a line break where one JSON value cannot have one: it is JSON lines.
bool has_lines(std::string_view body) {
  for (std::size_t at = body.find('\n'); at != std::string_view::npos; at = body.find('\n', at + 1)) {
    const auto before = json::trim(body.substr(0, at));
    const auto after = body.find_first_not_of(" \t\r\n", at);
    if (before.empty() || after == std::string_view::npos) continue;
    if (std::string_view("{[,:").find(before.back()) != std::string_view::npos) continue;
    if (std::string_view("}],:").find(body[after]) == std::string_view::npos) return true;
  }
  return false;
}

Pieces cut_lines(std::string_view body) {
  Pieces cut;
  cut.is_lines = true;
  for (std::size_t line = 1; !body.empty(); ++line) {
    const std::size_t length = std::min(body.find('\n'), body.size());
    if (const auto text = json::trim(body.substr(0, length)); !text.empty())
      cut.pieces.push_back({text, line});
    body.remove_prefix(std::min(length + 1, body.size()));
  }
  return cut;
}

/// Cut the array that `text` begins with into its elements. Return what follows it.
Result<std::string_view> cut_elements(std::string_view text, Pieces& cut) {
  json::RawItems elements(text);
  cut.pieces.clear();
  for (std::size_t i = 0; elements.next(); ++i) cut.pieces.push_back({elements.value(), i});
  if (elements.broken()) return unparsable("an array or an object in it does not end, or a comma is missing");
  return elements.rest();
}

/// Cut a body that is an array.
Status cut_array(std::string_view array, Pieces& cut) {
  MILLRACE_ASSIGN(const std::string_view rest, cut_elements(array, cut));
  return json::trim(rest).empty() ? Status{} : unparsable("text follows its end");
}

void add_shared(std::string_view key, std::string_view value, std::string& shared) {
  shared += shared.empty() ? "{\"" : ",\"";
  shared += key;
  shared += "\":";
  shared += value;
}

/// End what the pieces of a batch share, and check it: it is read with each of them.
Status finish_shared(Pieces& cut) {
  if (cut.shared.empty()) return {};
  cut.shared += '}';
  if (is_utf8(cut.shared) && json::check_json(cut.shared)) return {};
  return unparsable(fmt::format("what stands beside '{}'", cut.container));
}

/// Cut a body that holds its events in the member `container`; what stands beside it is shared by all.
/// Without that member the body is one piece.
Status cut_batch(std::string_view body, std::string_view container, Pieces& cut) {
  json::RawItems members(body);
  while (members.next(container)) {
    if (members.key() == container) {
      if (!members.value().starts_with('['))
        return fail(Code::kInvalid, "must be an array", std::string(container));
      cut.container = container;
      MILLRACE_ASSIGN(const std::string_view rest, cut_elements(members.value(), cut));
      members.resume(rest);
    } else if (members.key() == "sentAt") {
      if (const auto time = json::time_of(members.value(), kMillisecondUs)) cut.sent_time = *time;
    } else if (members.key() != "writeKey") {
      add_shared(members.key(), members.value(), cut.shared);
    }
  }
  if (members.broken()) return unparsable("an object in it does not end, or a comma is missing");
  if (!json::trim(members.rest()).empty()) return unparsable("text follows its end");
  return cut.container.empty() ? Status{} : finish_shared(cut);
}

bool has_member(std::string_view object, std::string_view key) {
  if (!object.starts_with('{')) return false;
  json::RawItems members(object);
  while (members.next()) {
    if (members.key() == key) return true;
  }
  return false;
}

/// Cut one JSON value.
Result<Pieces> cut_value(CodecId codec, std::string_view body) {
  Pieces cut;
  const bool may_be_batch = codec == CodecId::kSegment && body.find("\"batch\"") != std::string_view::npos;
  if (body.front() == '[') {
    MILLRACE_TRY(cut_array(body, cut));
    return cut;
  }
  if (body.front() != '{') return unparsable("it must begin with { or [");
  if (may_be_batch) MILLRACE_TRY(cut_batch(body, "batch", cut));
  if (codec == CodecId::kGa4) MILLRACE_TRY(cut_batch(body, "events", cut));
  if (!cut.container.empty()) return cut;
  if (codec == CodecId::kGa4) return fail(Code::kInvalid, "the body needs an array of events", "events");
  cut = {};
  cut.is_lone = true;
  cut.pieces.push_back({body, 0});
  return cut;
}

Error place(const Pieces& cut, const Piece& piece, Error error) {
  if (cut.is_lone) return error;
  if (cut.is_lines) {
    error.where = fmt::format("line {}{}{}", piece.number, error.where.empty() ? "" : ": ", error.where);
    return error;
  }
  error = json::under(piece.number, std::move(error));
  return cut.container.empty() ? error : json::under(cut.container, std::move(error));
}

/// Checks pieces by decoding them and puts them on one side or the other.
class Splitter {
 public:
  Splitter(CodecId codec, const BodyFacts& facts, const BodyLimits& limits, Env& env)
      : limits_(limits), env_(env), codec_(codec), may_be_cloud_events_(facts.may_be_cloud_events) {
    envelope_.received_time = facts.received_time;
    envelope_.source = facts.source;
    envelope_.ip = clean(facts.ip);
    envelope_.user_agent = clean(facts.user_agent);
    envelope_.replaces = facts.replaces;
    envelope_.owns_order = facts.owns_order;
    segment_type_ = facts.segment_type;
    set_id(facts.message_id);
    split_.decoded.push_back(std::make_unique<EventBatch>());
  }

  Result<BodySplit> run(const Pieces& cut) && {
    if (cut.pieces.size() > limits_.events_max) return too_many(cut.pieces.size());
    envelope_.sent_time = cut.sent_time;
    split_.accepted.reserve(cut.pieces.size());
    for (const Piece& piece : cut.pieces) {
      if (auto status = add(cut, piece); !status) return fail(std::move(status).error());
    }
    if (events_ > limits_.events_max) return too_many(events_);
    return std::move(split_);
  }

  /// Keep text that records point to as long as the split.
  std::string_view own(std::string text) {
    return *split_.storage.emplace_back(std::make_unique<std::string>(std::move(text)));
  }

 private:
  std::unexpected<Error> too_many(std::size_t events) const {
    return fail(Code::kOutOfRange,
                fmt::format("the body holds {} events; send at most {} at once", events, limits_.events_max));
  }

  /// Return header text that may be stored: UTF-8 without control characters.
  std::string_view clean(std::string_view text) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    if (is_utf8(text) && std::ranges::none_of(text, is_control)) return text;
    std::string ascii(text);
    std::ranges::replace_if(ascii, [](char c) { return c < 0x20 || c == 0x7F; }, '?');
    return own(std::move(ascii));
  }

  /// Take the request's id for pieces that hold none. One too long or odd to be stored stands for itself
  /// by its hash.
  void set_id(std::string_view id) {
    constexpr std::size_t kSuffixBytesMax = 24;
    if (id.empty()) return;
    const bool fits = id.size() + kSuffixBytesMax <= json::kIdBytesMax && clean(id).data() == id.data();
    request_id_ = fits ? std::string(id) : to_hex(hash128(id));
  }

  /// Return the id of a piece that has none of its own.
  std::string id_of(const Pieces& cut, std::size_t index) {
    if (request_id_.empty()) request_id_ = new_uuid(env_);
    return cut.pieces.size() == 1 ? request_id_ : fmt::format("{}:{}", request_id_, index);
  }

  /// Return the shape of a piece. Most bodies do not hold the word at all, and are not walked for it.
  CodecId codec_of_piece(const Piece& piece) const {
    constexpr std::string_view kMark = "specversion";
    const bool is_cloud_event = may_be_cloud_events_ && codec_ == CodecId::kNative &&
                                piece.text.find(kMark) != std::string_view::npos &&
                                has_member(piece.text, kMark);
    return is_cloud_event ? CodecId::kCloudEvents : codec_;
  }

  /// Return what the piece shares with others: what the body said, and the route's type.
  std::string_view context_of(const Pieces& cut, const Piece& piece) {
    const bool needs_type = envelope_.codec == CodecId::kSegment && !segment_type_.empty() &&
                            segment_type_ != "batch" && !has_member(piece.text, "type");
    if (!needs_type) return cut.shared;
    std::string with_type = fmt::format("{{\"type\":\"{}\"", segment_type_);
    with_type += cut.shared.empty() ? "}" : "," + cut.shared.substr(1);
    return own(std::move(with_type));
  }

  Status decode(const Piece& piece) {
    if (piece.text.size() <= limits_.event_bytes_max) {
      return decode_record(envelope_, piece.text, *split_.decoded.front());
    }
    return fail(Code::kInvalid,
                fmt::format("too large: {} bytes; at most {}", piece.text.size(), limits_.event_bytes_max));
  }

  /// Hold the events from `first` on against the contracts. One that breaks one has its whole piece refused.
  Status check_contracts(std::size_t first) {
    if (limits_.contracts == nullptr) return {};
    const auto& events = split_.decoded.front()->events;
    for (std::size_t i = first; i < events.size(); ++i) {
      auto status = limits_.contracts->check(events[i], split_.notes);
      if (status) continue;
      Error error = std::move(status).error();
      return fail(events.size() == first + 1
                      ? std::move(error)
                      : json::under("events", json::under(i - first, std::move(error))));
    }
    return {};
  }

  Status add(const Pieces& cut, const Piece& piece) {
    auto& events = split_.decoded.front()->events;
    const std::size_t first = events.size();
    const std::size_t index = split_.accepted.size() + split_.refused.size();
    Envelope& envelope = envelope_;
    envelope.codec = codec_of_piece(piece);
    envelope.message_id = {};
    envelope.context = context_of(cut, piece);
    if (auto status = decode(piece); !status) return refuse(cut, piece, std::move(status).error());
    if (auto status = check_contracts(first); !status) {
      events.resize(first);
      return refuse(cut, piece, std::move(status).error());
    }
    std::string id;
    if (events[first].message_id.empty()) {
      id = id_of(cut, index);
      envelope.message_id = id;
      events[first].message_id = split_.decoded.front()->keep(id);
    }
    accept(piece, events.size() - first, events[first]);
    return {};
  }

  void accept(const Piece& piece, std::size_t count, const Event& first) {
    BodyRecord& record = split_.accepted.emplace_back();
    record.value = piece.text;
    record.key = partition_key(first);
    record.count = static_cast<std::uint32_t>(count);
    encode_envelope(envelope_, record.attributes);
    events_ += count;
  }

  /// Put a piece aside. A body that is nothing but one piece of broken JSON is refused as a whole.
  Status refuse(const Pieces& cut, const Piece& piece, Error error) {
    if (cut.is_lone) {
      if (!is_utf8(piece.text)) return unparsable("it is not valid UTF-8");
      if (auto json = json::check_json(piece.text); !json) return unparsable(json.error().message);
    }
    RefusedRecord& record = split_.refused.emplace_back();
    record.value = piece.text;
    record.reason = place(cut, piece, std::move(error));
    record.codec = envelope_.codec;
    encode_envelope(envelope_, record.attributes);
    ++events_;
    return {};
  }

  BodyLimits limits_;
  Env& env_;
  const CodecId codec_;
  const bool may_be_cloud_events_;
  Envelope envelope_;
  std::string_view segment_type_;
  std::string request_id_;
  BodySplit split_;
  std::size_t events_ = 0;
};

/// Split what a push message holds; the records point into a copy that the split owns.
Result<BodySplit> split_push(std::string_view body, const BodyFacts& facts, const BodyLimits& limits,
                             Env& env) {
  MILLRACE_ASSIGN(PushedMessage message, unwrap_push(body, facts.push_codec));
  auto owned = std::make_unique<std::string>(std::move(message.data));
  const auto data = std::string_view(*owned).substr(0, owned->size() - PushedMessage::kBytesAfter);
  BodyFacts inner = facts;
  if (!message.message_id.empty()) inner.message_id = message.message_id;
  MILLRACE_ASSIGN(BodySplit split, split_body(message.codec, data, inner, limits, env));
  split.storage.push_back(std::move(owned));
  return split;
}

}  // namespace

Result<BodySplit> split_body(CodecId codec, std::string_view body, const BodyFacts& facts,
                             const BodyLimits& limits, Env& env) {
  if (body.size() > limits.batch_bytes_max) {
    return fail(Code::kOutOfRange, fmt::format("the body is {} bytes; send at most {} at once", body.size(),
                                               limits.batch_bytes_max));
  }
  const std::string_view text = json::trim(body);
  if (text.empty()) return fail(Code::kInvalid, "the body is empty");
  if (codec == CodecId::kPubSub) return split_push(text, facts, limits, env);
  if (has_lines(text)) return Splitter(codec, facts, limits, env).run(cut_lines(text));
  MILLRACE_ASSIGN(const Pieces cut, cut_value(codec, text));
  return Splitter(codec, facts, limits, env).run(cut);
}

}  // namespace millrace
