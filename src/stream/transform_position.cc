#include "stream/transform_position.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "log/topics.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Json numbers(const std::vector<Offset>& offsets) {
  Json list = Json::array();
  for (const Offset offset : offsets) list.push_back(offset.value());
  return list;
}

bool read_numbers(const Json& file, const char* name, std::vector<Offset>& into) {
  const Json list = file.value(name, Json());
  if (!list.is_array()) return false;
  for (const Json& number : list) {
    if (!number.is_number_unsigned()) return false;
    into.emplace_back(number.get<std::uint64_t>());
  }
  return true;
}

}  // namespace

std::string TransformPosition::json() const {
  return Json{{"from", from},
              {"to", to},
              {"next", numbers(next)},
              {"published", numbers(published)},
              {"quarantined", quarantined.value()}}
      .dump();
}

Result<TransformPosition> TransformPosition::parse(std::string_view text) {
  const Json file = Json::parse(text, nullptr, false);
  TransformPosition position;
  const bool is_sound =
      file.is_object() && file.value("from", Json()).is_string() && file.value("to", Json()).is_string() &&
      file.value("quarantined", Json()).is_number_unsigned() && read_numbers(file, "next", position.next) &&
      read_numbers(file, "published", position.published) &&
      position.next.size() == position.published.size();
  if (!is_sound) return fail(Code::kCorrupt, "is no checkpoint of a transform");
  position.from = file["from"];
  position.to = file["to"];
  position.quarantined = Offset(file["quarantined"].get<std::uint64_t>());
  return position;
}

std::optional<TransformOrigin> TransformOrigin::of(std::string_view attributes, std::string_view name) {
  if (attributes.find("\"flow\"") == std::string_view::npos) return {};
  const Json header = Json::parse(attributes, nullptr, false);
  if (!header.is_object()) return {};
  const Json flow = header.value("flow", Json());
  if (!flow.is_object() || flow.value("name", Json()) != name) return {};
  const Json partition = flow.value("partition", Json()), offset = flow.value("offset", Json());
  if (!partition.is_number_unsigned() || !offset.is_number_unsigned()) return {};
  return TransformOrigin{partition.get<std::uint32_t>(), Offset(offset.get<std::uint64_t>())};
}

Result<TransformTail> read_transform_tail(const EventLog& log, std::string_view name,
                                          const TransformPosition& checkpoint) {
  TransformTail tail{checkpoint.next, {}};
  for (std::uint32_t i = 0; i < checkpoint.published.size(); ++i) {
    const TopicPartition partition{checkpoint.to, PartitionId(i)};
    MILLRACE_TRY(each_record(log, partition, checkpoint.published[i], [&](const Record& record) {
      const auto origin = TransformOrigin::of(record.attributes, name);
      if (!origin || origin->partition >= tail.next.size()) return;
      Offset& next = tail.next[origin->partition];
      next = std::max(next, Offset(origin->offset.value() + 1));
    }));
  }
  const TopicPartition quarantine{std::string(kQuarantineTopic), PartitionId(0)};
  MILLRACE_TRY(each_record(log, quarantine, checkpoint.quarantined, [&](const Record& record) {
    const auto origin = TransformOrigin::of(record.attributes, name);
    if (origin && origin->partition < tail.next.size() && origin->offset >= tail.next[origin->partition])
      tail.quarantined.emplace(origin->partition, origin->offset);
  }));
  return tail;
}

}  // namespace millrace
