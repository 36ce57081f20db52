#include "vector/change_log.h"

#include <cstring>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/logging.h"

namespace millrace {
namespace {

constexpr std::uint64_t kLogMagic = 0x474f'4c43'4556'524d;  // "MRVECLOG"
constexpr std::uint32_t kChangeMagic = 0x4643'564d;         // "MVCF"
constexpr std::uint32_t kLogVersion = 1;

/// Begins the file.
struct LogHeader {
  std::uint64_t magic = kLogMagic;
  std::uint32_t crc = 0;  ///< CRC-32C of what follows
  std::uint32_t version = kLogVersion;
  std::uint64_t number = 0;
  std::uint32_t dimensions = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(LogHeader) == 32);

/// Begins what was appended at once.
struct ChangeFrame {
  std::uint32_t magic = kChangeMagic;
  std::uint32_t crc = 0;       ///< CRC-32C of what follows in the header
  std::uint64_t sequence = 0;  ///< 0, 1, …
  std::uint32_t bytes = 0;     ///< of the changes behind it
  std::uint32_t data_crc = 0;  ///< their CRC-32C
};
static_assert(sizeof(ChangeFrame) == 24);

std::uint32_t crc_of_bytes(std::string_view bytes) {
  return crc32c(std::as_bytes(std::span(bytes)));
}

/// Return the checksum of a header, of all behind its member `crc`.
template <class Header>
std::uint32_t crc_behind(const Header& header) {
  constexpr std::size_t kFrom = offsetof(Header, crc) + sizeof header.crc;
  return crc32c(std::as_bytes(std::span(&header, 1)).subspan(kFrom));
}

template <class T>
void append_value(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A change: bytes of its id (2), 1 for a vector or 0 for its removal, the id, the vector.
std::string encode_changes(std::span<const VectorChange> changes) {
  std::string out;
  for (const VectorChange& change : changes) {
    append_value(out, static_cast<std::uint16_t>(change.id.size()));
    append_value(out, static_cast<std::uint8_t>(!change.vector.empty()));
    out += change.id;
    out.append(reinterpret_cast<const char*>(change.vector.data()), change.vector.size_bytes());
  }
  return out;
}

/// Give each of the changes in `data` to `apply`. Errors: kCorrupt; those of `apply`.
Status decode_changes(std::string_view data, std::size_t dimensions, std::uint64_t& count,
                      const std::function<Status(const VectorChange&)>& apply) {
  std::vector<float> vector(dimensions);
  while (!data.empty()) {
    std::uint16_t id_bytes = 0;
    std::uint8_t has_vector = 0;
    if (data.size() < sizeof id_bytes + sizeof has_vector) return fail(Code::kCorrupt, "has half a change");
    std::memcpy(&id_bytes, data.data(), sizeof id_bytes);
    has_vector = static_cast<std::uint8_t>(data[sizeof id_bytes]);
    data.remove_prefix(sizeof id_bytes + sizeof has_vector);
    const std::size_t bytes = has_vector == 0 ? 0 : dimensions * sizeof(float);
    if (data.size() < id_bytes + bytes) return fail(Code::kCorrupt, "has half a change");
    VectorChange change{data.substr(0, id_bytes), {}};
    if (has_vector != 0) {
      std::memcpy(vector.data(), data.data() + id_bytes, bytes);
      change.vector = vector;
    }
    MILLRACE_TRY(apply(change));
    ++count;
    data.remove_prefix(id_bytes + bytes);
  }
  return {};
}

/// Return the changes of the frame at the start of `bytes`, when it is whole and has that number.
std::optional<std::string_view> frame_at(std::string_view bytes, std::uint64_t sequence_min,
                                         std::uint64_t sequence_max) {
  ChangeFrame frame;
  if (bytes.size() < sizeof frame) return std::nullopt;
  std::memcpy(&frame, bytes.data(), sizeof frame);
  if (frame.magic != kChangeMagic || frame.crc != crc_behind(frame) || frame.sequence < sequence_min ||
      frame.sequence > sequence_max || bytes.size() - sizeof frame < frame.bytes)
    return std::nullopt;
  const std::string_view data = bytes.substr(sizeof frame, frame.bytes);
  if (crc_of_bytes(data) != frame.data_crc) return std::nullopt;
  return data;
}

/// Return whether anything in `bytes`, which does not begin with a whole frame, was appended after it: then
/// it is damage, as each append is on disk before the next begins.
bool goes_on_later(std::string_view bytes, std::uint64_t sequence) {
  const std::string magic(reinterpret_cast<const char*>(&kChangeMagic), sizeof kChangeMagic);
  for (std::size_t at = bytes.find(magic, 1); at != std::string_view::npos; at = bytes.find(magic, at + 1))
    if (frame_at(bytes.substr(at), sequence + 1, ~std::uint64_t{0})) return true;
  return false;
}

Status check_log_header(std::string_view bytes, std::uint64_t number, std::size_t dimensions) {
  LogHeader header;
  if (bytes.size() < sizeof header) return fail(Code::kCorrupt, "is cut off within its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kLogMagic || header.crc != crc_behind(header))
    return fail(Code::kCorrupt, "has a damaged header");
  if (header.version != kLogVersion)
    return fail(Code::kInvalid,
                fmt::format("is of version {}; this program reads {}", header.version, kLogVersion));
  if (header.number != number || header.dimensions != dimensions)
    return fail(Code::kCorrupt, "belongs to another set of vectors");
  return {};
}

}  // namespace

Result<ChangeLog> ChangeLog::create(Env& env, const Path& path, std::uint64_t number,
                                    std::size_t dimensions) {
  LogHeader header{.number = number, .dimensions = static_cast<std::uint32_t>(dimensions)};
  header.crc = crc_behind(header);
  const std::string_view bytes(reinterpret_cast<const char*>(&header), sizeof header);
  MILLRACE_TRY(write_file_atomically(env, path, bytes));
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kReadWrite));
  ChangeLog log(path, std::move(file), dimensions);
  log.end_ = sizeof header;
  return log;
}

Result<ChangeLog> ChangeLog::open(Env& env, const Path& path, std::uint64_t number, std::size_t dimensions,
                                  bool is_last, const std::function<Status(const VectorChange&)>& apply) {
  const auto placed = [&](Error error) {
    if (error.where.empty()) error.where = path.string();
    return fail(std::move(error));
  };
  MILLRACE_ASSIGN(const std::string content, read_file(env, path));
  if (Status good = check_log_header(content, number, dimensions); !good) return placed(good.error());
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kReadWrite));
  ChangeLog log(path, std::move(file), dimensions);
  std::string_view rest = std::string_view(content).substr(sizeof(LogHeader));
  while (const auto data = frame_at(rest, log.sequence_, log.sequence_)) {
    if (Status done = decode_changes(*data, dimensions, log.changes_, apply); !done)
      return placed(done.error());
    rest.remove_prefix(sizeof(ChangeFrame) + data->size());
    ++log.sequence_;
  }
  log.end_ = content.size() - rest.size();
  if (rest.empty()) return log;
  if (!is_last || goes_on_later(rest, log.sequence_))
    return placed({Code::kCorrupt, fmt::format("is damaged at byte {}", log.end_), ""});
  log_info("vectors",
           "cut off what was being written when the process ended; nobody had been told that it was kept",
           {field("file", path.string()), field("bytes", rest.size())});
  MILLRACE_TRY(log.file_->truncate(log.end_));
  MILLRACE_TRY(log.file_->sync());
  return log;
}

Status ChangeLog::append(std::span<const VectorChange> changes) {
  if (broken_)
    return fail(Code::kIo, "the disk failed before; restart Millrace to go on from what is on it",
                path_.string());
  std::string bytes(sizeof(ChangeFrame), '\0');
  bytes += encode_changes(changes);
  if (bytes.size() > kAppendBytesMax)
    return fail(Code::kInvalid, fmt::format("more than {} bytes at once", kAppendBytesMax));
  const std::string_view data = std::string_view(bytes).substr(sizeof(ChangeFrame));
  ChangeFrame frame{.sequence = sequence_,
                    .bytes = static_cast<std::uint32_t>(data.size()),
                    .data_crc = crc_of_bytes(data)};
  frame.crc = crc_behind(frame);
  std::memcpy(bytes.data(), &frame, sizeof frame);
  if (Status written = file_->write_at(end_, std::as_bytes(std::span(bytes))); !written) {
    // Half a frame must not stay where the next one goes.
    broken_ = written.error().code != Code::kNoSpace || !file_->truncate(end_);
    return written;
  }
  if (Status synced = file_->sync(); !synced) {
    broken_ = true;
    return synced;
  }
  end_ += bytes.size();
  ++sequence_;
  changes_ += changes.size();
  return {};
}

}  // namespace millrace
