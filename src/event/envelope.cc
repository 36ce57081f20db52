// Layout: docs/formats/envelope.md.
#include <cstring>

#include "event/codec.h"

namespace millrace {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kHasSentTime = 1;
constexpr std::uint8_t kReplaces = 2;
constexpr std::uint8_t kOwnsOrder = 4;

void put_time(TimeUs time, std::string& out) {
  auto bits = static_cast<std::uint64_t>(time);
  for (int i = 0; i < 8; ++i, bits >>= 8) out += static_cast<char>(bits & 0xFF);
}

void put_text(std::string_view text, std::string& out) {
  std::size_t length = text.size();
  for (; length >= 0x80; length >>= 7) out += static_cast<char>((length & 0x7F) | 0x80);
  out += static_cast<char>(length);
  out += text;
}

/// Takes fields off the front; after the first that is cut short `ok` stays false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t byte() {
    if (rest_.empty()) return ok_ = false, 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  TimeUs time() {
    std::uint64_t bits = 0;
    if (rest_.size() < sizeof bits) return ok_ = false, 0;
    for (int i = 7; i >= 0; --i)
      bits = bits << 8 | static_cast<std::uint8_t>(rest_[static_cast<std::size_t>(i)]);
    rest_.remove_prefix(sizeof bits);
    return static_cast<TimeUs>(bits);
  }

  std::string_view text() {
    std::size_t length = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const std::uint8_t part = byte();
      length |= std::size_t{part & 0x7Fu} << shift;
      if ((part & 0x80) == 0) return take(length);
    }
    ok_ = false;
    return {};
  }

  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t length) {
    if (length > rest_.size()) return ok_ = false, std::string_view{};
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return text;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

void encode_envelope(const Envelope& envelope, std::string& out) {
  out += static_cast<char>(kVersion);
  out += static_cast<char>(envelope.codec);
  out += static_cast<char>(envelope.codec_version);
  out += static_cast<char>((envelope.sent_time ? kHasSentTime : 0) | (envelope.replaces ? kReplaces : 0) |
                           (envelope.owns_order ? kOwnsOrder : 0));
  put_time(envelope.received_time, out);
  if (envelope.sent_time) put_time(*envelope.sent_time, out);
  put_text(envelope.source, out);
  put_text(envelope.ip, out);
  put_text(envelope.user_agent, out);
  put_text(envelope.message_id, out);
  put_text(envelope.context, out);
}

Result<Envelope> decode_envelope(std::string_view bytes) {
  Reader in(bytes);
  Envelope envelope;
  const std::uint8_t version = in.byte();
  envelope.codec = static_cast<CodecId>(in.byte());
  envelope.codec_version = in.byte();
  const std::uint8_t flags = in.byte();
  envelope.replaces = (flags & kReplaces) != 0;
  envelope.owns_order = (flags & kOwnsOrder) != 0;
  envelope.received_time = in.time();
  if ((flags & kHasSentTime) != 0) envelope.sent_time = in.time();
  envelope.source = in.text();
  envelope.ip = in.text();
  envelope.user_agent = in.text();
  envelope.message_id = in.text();
  envelope.context = in.text();
  const bool known = version == kVersion && flags <= (kHasSentTime | kReplaces | kOwnsOrder) &&
                     !codec_name(envelope.codec).empty();
  if (!known || !in.done())
    return fail(Code::kCorrupt, "the record's attributes are not an envelope of version 1");
  return envelope;
}

}  // namespace millrace
