#include "recommend/streaming_position.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "log/topics.h"
#include "stream/topic_tail.h"
#include "stream/transform_position.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kName = "streaming";

}  // namespace

std::string StreamingPosition::json() const {
  Json offsets = Json::array();
  for (const Offset offset : next) offsets.push_back(offset.value());
  return Json{{"next", offsets}, {"kept", kept.value()}}.dump();
}

Result<StreamingPosition> StreamingPosition::parse(std::string_view text) {
  const Json file = Json::parse(text, nullptr, false);
  const auto broken = [] {
    return fail(Code::kCorrupt, "does not say how far streaming recommendations are");
  };
  if (!file.is_object()) return broken();
  const Json offsets = file.value("next", Json()), kept = file.value("kept", Json());
  if (!offsets.is_array() || !kept.is_number_unsigned()) return broken();
  StreamingPosition position;
  for (const Json& offset : offsets) {
    if (!offset.is_number_unsigned()) return broken();
    position.next.emplace_back(offset.get<std::uint64_t>());
  }
  position.kept = Offset(kept.get<std::uint64_t>());
  return position;
}

std::string streaming_header(PartitionId partition, Offset offset) {
  return fmt::format(
      R"({{"content_type":"application/json","flow":{{"name":"{}","partition":{},"offset":{}}}}})", kName,
      partition.value(), offset.value());
}

Result<std::vector<std::string>> read_streaming_tail(const EventLog& log, StreamingPosition& position) {
  std::vector<std::string> ids;
  const TopicPartition kept{std::string(kRecommendationsTopic), PartitionId(0)};
  MILLRACE_TRY(each_record(log, kept, position.kept, [&](const Record& record) {
    const auto origin = TransformOrigin::of(record.attributes, kName);
    if (!origin || origin->partition >= position.next.size()) return;
    Offset& next = position.next[origin->partition];
    next = std::max(next, origin->offset + 1);
    const Json answer = Json::parse(record.value, nullptr, false);
    if (answer.is_object() && answer.value("recommendation_id", Json()).is_string())
      ids.push_back(answer["recommendation_id"]);
  }));
  return ids;
}

}  // namespace millrace
