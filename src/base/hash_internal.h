#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::internal {

/// Compute crc32c by table, for processors without the instruction; here for the test that compares.
std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t crc);

/// Return Kafka's murmur2 with its sign bit, as Kafka's own published vectors have it.
std::uint32_t murmur2(std::string_view key);

}  // namespace millrace::internal
