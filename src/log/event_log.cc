#include "log/event_log.h"

#include "base/hash.h"

namespace millrace {

PartitionId EventLog::partition_for(std::string_view key, std::uint32_t partitions, std::uint64_t spread) {
  const std::uint64_t number = key.empty() ? spread : kafka_murmur2(key);
  return PartitionId(static_cast<std::uint32_t>(number % partitions));
}

}  // namespace millrace
