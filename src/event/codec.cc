#include "event/codec.h"

#include <array>

#include "event/codecs.h"

namespace millrace {
namespace {

using DecodeFunction = Status (*)(const Envelope&, std::string_view, EventBatch&);

struct Codec {
  CodecId id;
  std::string_view name;
  DecodeFunction decode;
};

constexpr std::array<Codec, 7> kCodecs = {{
    {CodecId::kNative, "native", decode_native},
    {CodecId::kSegment, "segment", decode_segment},
    {CodecId::kCloudEvents, "cloudevents", decode_cloud_event},
    {CodecId::kVisit, "visit", decode_visit},
    {CodecId::kActivity, "activity", decode_activity},
    {CodecId::kGa4, "ga4", decode_ga4},
    {CodecId::kPubSub, "pubsub", decode_pubsub},
}};

const Codec* find_codec(CodecId id) {
  for (const Codec& codec : kCodecs) {
    if (codec.id == id) return &codec;
  }
  return nullptr;
}

}  // namespace

std::string_view codec_name(CodecId id) {
  const Codec* codec = find_codec(id);
  return codec ? codec->name : std::string_view{};
}

std::optional<CodecId> codec_of(std::string_view name) {
  for (const Codec& codec : kCodecs) {
    if (codec.name == name) return codec.id;
  }
  return std::nullopt;
}

Status decode_record(const Envelope& envelope, std::string_view value, EventBatch& out) {
  const Codec* codec = find_codec(envelope.codec);
  if (codec == nullptr || envelope.codec_version != 1) {
    return fail(Code::kInvalid, "written by a newer version: its codec is unknown here");
  }
  const std::size_t before = out.events.size();
  auto status = codec->decode(envelope, value, out);
  if (!status) out.events.resize(before);
  return status;
}

}  // namespace millrace
