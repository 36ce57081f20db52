#include "server/catalogue_record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kCatalogueIdBytesMax = 512;

}  // namespace

Status check_catalogue_id(const std::string& id) {
  if (id.empty()) return fail(Code::kInvalid, "an id is missing");
  if (id.size() > kCatalogueIdBytesMax)
    return fail(Code::kInvalid, fmt::format("an id has more than {} bytes", kCatalogueIdBytesMax));
  if (id.find('\0') != std::string::npos) return fail(Code::kInvalid, "an id holds a NUL byte");
  if (!is_utf8(id)) return fail(Code::kInvalid, "an id is not valid UTF-8");
  return {};
}

CatalogueRecord catalogue_put(std::string id, nlohmann::json attributes) {
  const nlohmann::json record = {{"op", "put"}, {"id", id}, {"attributes", std::move(attributes)}};
  return {std::move(id), record.dump()};
}

CatalogueRecord catalogue_delete(std::string id) {
  const nlohmann::json record = {{"op", "delete"}, {"id", id}};
  return {std::move(id), record.dump()};
}

void append_catalogue(EventLog& log, Env& env, std::string_view topic,
                      const std::vector<CatalogueRecord>& changes, std::function<void(const Status&)> done) {
  if (changes.empty() || changes.size() > EventLog::kBatchRecordsMax)
    return done(fail(Code::kInvalid, "send between 1 and 65,535 objects"));
  std::vector<NewRecord> records;
  records.reserve(changes.size());
  for (const CatalogueRecord& change : changes)
    records.push_back({change.id, {}, change.value, env.now(), 1});
  log.append({std::string(topic), PartitionId(0)}, std::move(records),
             [done = std::move(done)](const Result<Offset>& offset) {
               done(offset ? Status{} : Status(fail(offset.error())));
             });
}

}  // namespace millrace
