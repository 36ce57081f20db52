#include "stream/state_snapshot.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/logging.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MRSTATE1";
constexpr std::uint32_t kFormatVersion = 1;

std::uint32_t crc_of(std::string_view bytes) {
  return crc32c(std::as_bytes(std::span(bytes)));
}

Result<StateSnapshot> decode_body(StateReader& in) {
  if (const auto version = in.u32(); version != kFormatVersion) {
    return fail(Code::kInvalid,
                fmt::format("a state snapshot of format {}, this program reads {}", version, kFormatVersion));
  }
  StateSnapshot snapshot;
  snapshot.state_version = in.u32();
  snapshot.job = in.text();
  const auto offsets = in.count(sizeof(std::uint32_t) * 2 + sizeof(std::uint64_t));
  for (std::uint64_t i = 0; i < offsets; ++i) {
    TopicPartition partition{std::string(in.text()), PartitionId(in.u32())};
    snapshot.offsets[std::move(partition)] = Offset(in.u64());
  }
  snapshot.payload = in.raw(in.u64());
  if (!in.done()) return fail(Code::kCorrupt, "a state snapshot whose lengths do not fit together");
  return snapshot;
}

/// Return why a snapshot that is whole cannot be used; empty when it can.
std::string why_not(const StateSnapshot& snapshot, std::string_view job, std::uint32_t state_version,
                    const std::map<TopicPartition, Offset>& committed) {
  if (snapshot.job != job) return fmt::format("it is of the job '{}'", snapshot.job);
  if (snapshot.state_version != state_version) {
    return fmt::format("its state has version {}, this program's {}", snapshot.state_version, state_version);
  }
  for (const auto& [partition, offset] : snapshot.offsets) {
    const auto found = committed.find(partition);
    if (found != committed.end() && offset <= found->second) continue;
    return fmt::format("it is ahead of the output in partition {} of {}", partition.partition.value(),
                       partition.topic);
  }
  return {};
}

}  // namespace

std::string encode_snapshot(const StateSnapshot& snapshot) {
  std::string body;
  StateWriter out(body);
  out.put_u32(kFormatVersion);
  out.put_u32(snapshot.state_version);
  out.put_text(snapshot.job);
  out.put_u64(snapshot.offsets.size());
  for (const auto& [partition, offset] : snapshot.offsets) {
    out.put_text(partition.topic);
    out.put_u32(partition.partition.value());
    out.put_u64(offset.value());
  }
  out.put_u64(snapshot.payload.size());
  body += snapshot.payload;
  std::string bytes(kMagic);
  StateWriter(bytes).put_u32(crc_of(body));
  return bytes += body;
}

Result<StateSnapshot> decode_snapshot(std::string_view bytes) {
  StateReader in(bytes);
  if (in.raw(kMagic.size()) != kMagic) return fail(Code::kCorrupt, "not a state snapshot");
  const auto crc = in.u32();
  if (!in.ok() || crc != crc_of(bytes.substr(bytes.size() - in.left()))) {
    return fail(Code::kCorrupt, "the checksum of a state snapshot does not fit");
  }
  return decode_body(in);
}

Status write_snapshot(Env& env, const Path& path, const StateSnapshot& snapshot) {
  return write_file_atomically(env, path, encode_snapshot(snapshot));
}

std::optional<StateSnapshot> usable_snapshot(Env& env, const Path& path, std::string_view job,
                                             std::uint32_t state_version,
                                             const std::map<TopicPartition, Offset>& committed) {
  const auto bytes = read_file(env, path);
  if (!bytes && bytes.error().code == Code::kNotFound) return std::nullopt;
  auto snapshot = bytes ? decode_snapshot(*bytes) : Result<StateSnapshot>(fail(bytes.error()));
  const std::string why =
      snapshot ? why_not(*snapshot, job, state_version, committed) : snapshot.error().text();
  if (why.empty()) return *std::move(snapshot);
  log_warning(job, "cannot use the saved state; rebuilding it from the log",
              {field("file", path.string()), field("why", why)});
  return std::nullopt;
}

}  // namespace millrace
