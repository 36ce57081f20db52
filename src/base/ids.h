#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace {

/// A number that means one thing only. `Offset` and `PartitionId` are both integers, yet neither
/// can be passed for the other; there is no magic −1: where a value may be missing, the type is
/// `std::optional`.
template <class Tag, class Rep>
class StrongId {
 public:
  using Representation = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const StrongId&) const = default;

  /// Step `n` ids on: `offset + 1` is the next offset that may exist.
  constexpr StrongId operator+(Rep n) const { return StrongId(value_ + n); }

 private:
  Rep value_{};
};

/// Position of a record in its partition. Grows; may have gaps, so never count with it.
using Offset = StrongId<struct OffsetTag, std::uint64_t>;

/// Number of a partition within its topic, from 0.
using PartitionId = StrongId<struct PartitionTag, std::uint32_t>;

/// One partition of one topic.
struct TopicPartition {
  std::string topic;
  PartitionId partition;

  auto operator<=>(const TopicPartition&) const = default;
};

/// Write the id people know a record by, in log lines and addresses: "events:0:1234".
inline std::string record_id(const TopicPartition& partition, Offset offset) {
  return partition.topic + ':' + std::to_string(partition.partition.value()) + ':' +
         std::to_string(offset.value());
}

}  // namespace millrace

template <class Tag, class Rep>
struct std::hash<millrace::StrongId<Tag, Rep>> {
  std::size_t operator()(const millrace::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};

template <>
struct std::hash<millrace::TopicPartition> {
  std::size_t operator()(const millrace::TopicPartition& tp) const noexcept {
    return std::hash<std::string>{}(tp.topic) * 31 + tp.partition.value();
  }
};
