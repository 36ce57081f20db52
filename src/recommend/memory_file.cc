#include "recommend/memory_file.h"

#include <cstring>
#include <span>

#include <fmt/format.h>

#include "base/hash.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {
namespace {

constexpr std::string_view kFileMagic = "MRRECOM1";
constexpr std::uint32_t kFileFormat = 1;
constexpr std::size_t kChecked = kFileMagic.size() + sizeof(std::uint32_t);  ///< where what is checked begins

std::uint32_t checksum_of(std::string_view file) {
  return crc32c(std::as_bytes(std::span(file.substr(kChecked))));
}

}  // namespace

void begin_memory_file(std::string& file, std::uint64_t shape,
                       const std::map<TopicPartition, LogMark>& marks) {
  file = kFileMagic;
  StateWriter out(file);
  out.put_u32(0);  // the checksum's place
  out.put_u32(kFileFormat);
  out.put_u64(shape);
  out.put_u64(marks.size());
  for (const auto& [partition, mark] : marks) {
    out.put_text(partition.topic);
    out.put_u32(partition.partition.value());
    out.put_u64(mark.next.value());
    out.put_u64(mark.before);
  }
}

Status write_memory_file(Env& env, const Path& path, std::string file) {
  const std::uint32_t checksum = checksum_of(file);
  std::memcpy(file.data() + kFileMagic.size(), &checksum, sizeof checksum);
  return write_file_atomically(env, path, file);
}

Result<MemoryFile> MemoryFile::decode(std::string_view file) {
  StateReader in(file);
  if (in.raw(kFileMagic.size()) != kFileMagic) return fail(Code::kCorrupt, "it is of another kind");
  const auto checksum = in.u32();
  if (!in.ok() || checksum != checksum_of(file)) return fail(Code::kCorrupt, "its checksum does not fit");
  if (const auto format = in.u32(); format != kFileFormat)
    return fail(Code::kInvalid, fmt::format("its format is {}, this program's {}", format, kFileFormat));
  MemoryFile made;
  made.shape = in.u64();
  const std::uint64_t marks = in.count(2 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t));
  for (std::uint64_t i = 0; i < marks; ++i) {
    TopicPartition partition{std::string(in.text()), PartitionId(in.u32())};
    const Offset next(in.u64());
    made.marks[std::move(partition)] = {next, in.u64()};
  }
  if (!in.ok()) return fail(Code::kCorrupt, "its lengths do not fit together");
  made.image = file.substr(file.size() - in.left());
  return made;
}

Result<MemoryFile> MemoryFile::read(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kRead));
  MILLRACE_ASSIGN(auto bytes, file->map());
  MILLRACE_ASSIGN(MemoryFile made, decode(bytes->text()));
  made.bytes = std::move(bytes);
  return made;
}

}  // namespace millrace
