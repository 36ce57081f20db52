#include "vector/snapshot_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "base/hash.h"

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "snapshots are written little-endian");

constexpr std::string_view kSnapshotMagic = "MRVECSNP";
constexpr std::uint32_t kSnapshotVersion = 1;
constexpr std::size_t kPieceBytesMax = 1 << 20;

/// Stands before each piece. The last one has no bytes.
struct PieceHeader {
  std::uint32_t bytes = 0;
  std::uint32_t crc = 0;  ///< CRC-32C of the piece's number (4 bytes), `bytes` (4) and the piece
};

std::uint32_t crc_of_piece(std::uint32_t number, std::string_view piece) {
  const std::uint32_t before[] = {number, static_cast<std::uint32_t>(piece.size())};
  return crc32c(std::as_bytes(std::span(piece)), crc32c(std::as_bytes(std::span(before))));
}

Path temporary(Path path) {
  return path += ".tmp";
}

}  // namespace

SnapshotWriter::SnapshotWriter(Env& env, Path path, std::unique_ptr<File> file)
    : env_(&env), path_(std::move(path)), file_(std::move(file)) {
  piece_.reserve(kPieceBytesMax);
}

Result<SnapshotWriter> SnapshotWriter::open(Env& env, const Path& path) {
  MILLRACE_ASSIGN(auto file, env.open(temporary(path), OpenMode::kCreate));
  MILLRACE_TRY(file->truncate(0));
  MILLRACE_TRY(file->write_at(0, std::as_bytes(std::span(kSnapshotMagic))));
  SnapshotWriter writer(env, path, std::move(file));
  writer.at_ = kSnapshotMagic.size();
  return writer;
}

void SnapshotWriter::raw(const void* bytes, std::size_t size) {
  const auto* from = static_cast<const char*>(bytes);
  while (size > 0 && status_) {
    const std::size_t now = std::min(size, kPieceBytesMax - piece_.size());
    piece_.append(from, now);
    from += now;
    size -= now;
    if (piece_.size() == kPieceBytesMax) flush();
  }
}

void SnapshotWriter::flush() {
  if (!status_) return;
  const PieceHeader header{static_cast<std::uint32_t>(piece_.size()), crc_of_piece(pieces_++, piece_)};
  status_ = file_->write_at(at_, std::as_bytes(std::span(&header, 1)));
  if (status_ && !piece_.empty())
    status_ = file_->write_at(at_ + sizeof header, std::as_bytes(std::span(piece_)));
  at_ += sizeof header + piece_.size();
  piece_.clear();
}

Status SnapshotWriter::finish() {
  if (!piece_.empty()) flush();
  flush();  // the empty piece that ends it
  if (status_) status_ = file_->sync();
  file_.reset();
  if (status_) status_ = env_->rename(temporary(path_), path_);
  if (status_) status_ = env_->sync_dir(path_.parent_path());
  if (!status_) static_cast<void>(env_->remove(temporary(path_)));  // room for others on a full disk
  return status_;
}

SnapshotReader::SnapshotReader(Path path, std::unique_ptr<File> file, std::uint64_t bytes)
    : path_(std::move(path)), file_(std::move(file)), bytes_(bytes) {}

Result<SnapshotReader> SnapshotReader::open(Env& env, const Path& path) {
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kRead));
  MILLRACE_ASSIGN(const std::uint64_t bytes, file->size());
  std::string magic(kSnapshotMagic.size(), '\0');
  MILLRACE_ASSIGN(const std::size_t got, file->read_at(0, std::as_writable_bytes(std::span(magic))));
  if (got != magic.size() || magic != kSnapshotMagic)
    return fail(Code::kCorrupt, "is no snapshot of vectors", path.string());
  SnapshotReader reader(path, std::move(file), bytes);
  reader.at_ = kSnapshotMagic.size();
  return reader;
}

void SnapshotReader::fail_with(Code code, std::string message) {
  if (status_) status_ = fail(code, std::move(message), path_.string());
}

bool SnapshotReader::next_piece() {
  const auto cut = [&] { return fail_with(Code::kCorrupt, "is cut off or damaged"), false; };
  PieceHeader header;
  const auto head = file_->read_at(at_, std::as_writable_bytes(std::span(&header, 1)));
  if (!head) return status_ = fail(head.error()), false;
  if (*head != sizeof header || header.bytes > kPieceBytesMax) return cut();
  piece_.resize(header.bytes);
  const auto got = file_->read_at(at_ + sizeof header, std::as_writable_bytes(std::span(piece_)));
  if (!got) return status_ = fail(got.error()), false;
  if (*got != piece_.size() || crc_of_piece(pieces_, piece_) != header.crc) return cut();
  at_ += sizeof header + piece_.size();
  used_ = 0;
  ++pieces_;
  at_end_ = piece_.empty();
  return true;
}

void SnapshotReader::raw(void* into, std::size_t size) {
  auto* to = static_cast<char*>(into);
  while (size > 0 && ok()) {
    if (used_ == piece_.size()) {
      if (at_end_ || !next_piece() || at_end_) {
        fail_with(Code::kCorrupt, "ends before all that it should hold");
        break;
      }
    }
    const std::size_t now = std::min(size, piece_.size() - used_);
    std::memcpy(to, piece_.data() + used_, now);
    used_ += now;
    to += now;
    size -= now;
  }
  if (size > 0) std::memset(to, 0, size);
}

std::string SnapshotReader::take_text(std::size_t bytes_max) {
  const auto size = take<std::uint32_t>();
  expect(size <= bytes_max, "has a text that is too long");
  if (!ok()) return {};
  std::string text(size, '\0');
  raw(text.data(), size);
  return text;
}

void SnapshotReader::expect(bool good, std::string_view what) {
  if (!good) fail_with(Code::kCorrupt, std::string(what));
}

Status SnapshotReader::finish() {
  if (ok() && (used_ != piece_.size() || at_end_ || !next_piece() || !at_end_ || at_ != bytes_))
    fail_with(Code::kCorrupt, "goes on after all that it should hold");
  return status_;
}

void SnapshotHeader::write(SnapshotWriter& out) const {
  out.put(kSnapshotVersion);
  out.put(static_cast<std::uint8_t>(kind));
  out.put(static_cast<std::uint8_t>(shape.similarity));
  out.put(static_cast<std::uint32_t>(shape.dimensions));
  out.put(slots);
}

Result<SnapshotHeader> SnapshotHeader::read(SnapshotReader& in) {
  const auto version = in.take<std::uint32_t>();
  MILLRACE_TRY(in.status());
  if (version != kSnapshotVersion)
    return fail(Code::kInvalid, fmt::format("a snapshot of vectors of version {}; this program reads {}",
                                            version, kSnapshotVersion));
  SnapshotHeader header;
  const auto kind = in.take<std::uint8_t>();
  const auto similarity = in.take<std::uint8_t>();
  in.expect(kind == 1 || kind == 2, "is of an unknown kind of index");
  in.expect(similarity <= 1, "has an unknown similarity");
  header.kind = static_cast<IndexKind>(kind);
  header.shape.similarity = static_cast<Similarity>(similarity);
  header.shape.dimensions = in.take<std::uint32_t>();
  in.expect(header.shape.check().has_value(), "has impossible dimensions");
  header.slots = in.take<std::uint64_t>();
  // Each slot takes at least its row, so that no number takes more memory than the file has bytes.
  in.expect(header.slots <= in.file_bytes() / (header.shape.dimensions * sizeof(float)) &&
                header.slots < std::numeric_limits<VectorIndex::Slot>::max(),
            "has more vectors than bytes");
  MILLRACE_TRY(in.status());
  return header;
}

void write_slot_ids(SnapshotWriter& out, const SlotIds& ids) {
  for (std::size_t i = 0; i < ids.slot_count(); ++i) out.put_text(ids.at(static_cast<SlotIds::Slot>(i)));
}

Result<SlotIds> read_slot_ids(SnapshotReader& in, std::uint64_t slots) {
  SlotIds ids;
  for (std::uint64_t i = 0; i < slots && in.ok(); ++i) {
    const std::string id = in.take_text(kVectorIdBytesMax);
    in.expect(id.empty() || (check_vector_id(id) && !ids.find(id)), "has an id that cannot be, or twice");
    if (!in.ok()) break;
    if (id.empty())
      ids.add_empty();
    else
      ids.put(id, static_cast<SlotIds::Slot>(i));
  }
  MILLRACE_TRY(in.status());
  return ids;
}

}  // namespace millrace
