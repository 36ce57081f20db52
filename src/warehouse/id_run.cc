#include "warehouse/id_run.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <string>

#include <fmt/format.h>

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "runs are written little-endian");
static_assert(sizeof(KnownId) == 24);

constexpr std::uint64_t kMagic = 0x314e'5552'4449'524d;  // "MRIDRUN1"
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kBlockIds = 170;
constexpr std::size_t kIdsPerFilterBlock = 32;  ///< of 512 bits: 16 bits an id
constexpr std::size_t kFactsBytesMax = 16u << 20;

/// The end of a file: what it takes to find everything else.
struct Footer {
  std::uint64_t ids = 0;
  std::uint64_t facts_bytes = 0;
  std::uint32_t crc = 0;  ///< of fences, filter, facts, and the two numbers above
  std::uint32_t unused = 0;
  std::uint64_t magic = kMagic;
};
static_assert(sizeof(Footer) == 32);

/// 170 ids and a checksum of what stands before it.
struct Block {
  std::array<KnownId, kBlockIds> ids;
  std::array<std::uint32_t, 3> unused;
  std::uint32_t crc;
};
static_assert(sizeof(Block) == kBlockBytes);

std::uint64_t blocks_for(std::uint64_t ids) {
  return (ids + kBlockIds - 1) / kBlockIds;
}
std::uint64_t filter_blocks_for(std::uint64_t ids) {
  return std::max<std::uint64_t>(1, (ids + kIdsPerFilterBlock - 1) / kIdsPerFilterBlock);
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint32_t crc_of(const Block& block) {
  return crc32c(bytes_of(block).first(offsetof(Block, crc)));
}

std::uint32_t crc_of(std::span<const std::byte> index, const Footer& footer) {
  return crc32c(bytes_of(footer).first(offsetof(Footer, crc)), crc32c(index));
}

template <class T>
void put(std::string& out, T value) {
  out.append(std::bit_cast<std::array<char, sizeof(T)>>(value).data(), sizeof(T));
}

std::string encode(const IdRunFacts& facts) {
  std::string out;
  put(out, facts.sequence);
  put(out, facts.oldest);
  put(out, facts.newest);
  put(out, facts.complete_since);
  put(out, std::uint64_t{facts.positions.size()});
  for (const auto& [partition, next] : facts.positions) {
    put(out, static_cast<std::uint32_t>(partition.topic.size()));
    out += partition.topic;
    put(out, std::uint32_t{partition.partition.value()});
    put(out, std::uint64_t{next.value()});
  }
  return out;
}

/// Takes values from the front of bytes; what is not there reads as zero, and `ok` tells.
class Taker {
 public:
  explicit Taker(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class T>
  T take() {
    T value{};
    if (const auto bytes = raw(sizeof(T)); !bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> raw(std::size_t length) {
    if (length > rest_.size()) return ok_ = false, std::span<const std::byte>();
    const auto bytes = rest_.first(length);
    rest_ = rest_.subspan(length);
    return bytes;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

bool decode(std::span<const std::byte> bytes, IdRunFacts& facts) {
  Taker in(bytes);
  facts.sequence = in.take<std::uint64_t>();
  facts.oldest = in.take<TimeUs>();
  facts.newest = in.take<TimeUs>();
  facts.complete_since = in.take<TimeUs>();
  for (auto left = in.take<std::uint64_t>(); left > 0 && in.ok(); --left) {
    const auto topic = in.raw(in.take<std::uint32_t>());
    const PartitionId partition(in.take<std::uint32_t>());
    const Offset next(in.take<std::uint64_t>());
    std::string name(topic.size(), '\0');
    std::memcpy(name.data(), topic.data(), topic.size());
    facts.positions[{std::move(name), partition}] = next;
  }
  return in.done();
}

/// Write the blocks and gather their fences and the filter.
class Writer {
 public:
  Writer(File& file, std::span<const KnownId> ids)
      : file_(file), ids_(ids), filter_(filter_blocks_for(ids.size())) {
    fences_.reserve(blocks_for(ids.size()));
  }

  Status blocks();
  Status index(const std::string& facts);

 private:
  static constexpr std::size_t kBlocksAtOnce = 256;

  void note(const Hash128& id);

  File& file_;
  const std::span<const KnownId> ids_;
  std::vector<std::uint64_t> fences_;
  std::vector<std::array<std::uint64_t, 8>> filter_;
  std::uint64_t at_ = 0;
};

void Writer::note(const Hash128& id) {
  auto& block = filter_[((id.high >> 32) * filter_.size()) >> 32];
  const IdProbe probe(id);
  for (unsigned i = 0; i < block.size(); ++i) block[i] |= probe.bits[i];
}

Status Writer::blocks() {
  std::vector<Block> some;
  for (std::size_t i = 0; i < ids_.size(); i += kBlockIds) {
    const auto part = ids_.subspan(i, std::min(kBlockIds, ids_.size() - i));
    auto& block = some.emplace_back();
    std::ranges::copy(part, block.ids.begin());
    block.crc = crc_of(block);
    fences_.push_back(part.front().id.high);
    for (const auto& known : part) note(known.id);
    if (some.size() < kBlocksAtOnce && i + kBlockIds < ids_.size()) continue;
    MILLRACE_TRY(file_.write_at(at_, std::as_bytes(std::span(some))));
    at_ += some.size() * kBlockBytes;
    some.clear();
  }
  return {};
}

Status Writer::index(const std::string& facts) {
  std::string index;
  index.reserve(fences_.size() * 8 + filter_.size() * 64 + facts.size() + sizeof(Footer));
  const auto append = [&](std::span<const std::byte> bytes) {
    const auto before = index.size();
    index.resize(before + bytes.size());
    std::memcpy(index.data() + before, bytes.data(), bytes.size());
  };
  append(std::as_bytes(std::span(fences_)));
  append(std::as_bytes(std::span(filter_)));
  index += facts;
  Footer footer{.ids = ids_.size(), .facts_bytes = facts.size()};
  footer.crc = crc_of(std::as_bytes(std::span(index)), footer);
  append(bytes_of(footer));
  return file_.write_at(at_, std::as_bytes(std::span(index)));
}

Status write_whole(Env& env, const Path& path, const IdRunFacts& facts, std::span<const KnownId> ids) {
  const auto described = encode(facts);
  const auto blocks = blocks_for(ids.size());
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kCreate));
  MILLRACE_TRY(file->truncate(0));
  MILLRACE_TRY(file->preallocate(blocks * (kBlockBytes + 8) + filter_blocks_for(ids.size()) * 64 +
                                 described.size() + sizeof(Footer)));
  Writer writer(*file, ids);
  MILLRACE_TRY(writer.blocks());
  MILLRACE_TRY(writer.index(described));
  return file->sync();
}

}  // namespace

Status IdRun::write(Env& env, const Path& path, IdRunFacts facts, std::span<const KnownId> ids) {
  assert(std::ranges::is_sorted(ids) && !ids.empty());
  const auto [oldest, newest] = std::ranges::minmax_element(ids, {}, &KnownId::time);
  facts.ids = ids.size();
  facts.oldest = oldest->time;
  facts.newest = newest->time;
  const Path temporary = path.string() + ".tmp";
  Status status = write_whole(env, temporary, facts, ids);
  if (status) status = env.rename(temporary, path);
  if (!status) {
    std::ignore = env.remove(temporary);
    return status;
  }
  return env.sync_dir(path.parent_path());
}

Result<IdRun> IdRun::open(Env& env, const Path& path) {
  MILLRACE_ASSIGN(auto file, env.open(path, OpenMode::kRead));
  IdRun run(path, std::move(file));
  MILLRACE_TRY(run.read_index());
  return run;
}

Status IdRun::read_index() {
  const auto damaged = [&](const char* what) { return fail(Code::kCorrupt, what, path_.string()); };
  MILLRACE_ASSIGN(const auto bytes, file_->size());
  Footer footer;
  if (bytes < sizeof footer) return damaged("is cut short");
  MILLRACE_ASSIGN(const auto footer_read,
                  file_->read_at(bytes - sizeof footer, std::as_writable_bytes(std::span(&footer, 1))));
  if (footer_read != sizeof footer || footer.magic != kMagic || footer.unused != 0)
    return damaged("is not a file of message ids");
  if (footer.ids == 0 || footer.ids > bytes / sizeof(KnownId) || footer.facts_bytes > kFactsBytesMax) {
    return damaged("has counts that cannot be");
  }
  const auto blocks = blocks_for(footer.ids);
  const auto index_bytes = blocks * 8 + filter_blocks_for(footer.ids) * 64 + footer.facts_bytes;
  if (bytes != blocks * kBlockBytes + index_bytes + sizeof footer) return damaged("has not its size");
  std::vector<std::byte> index(index_bytes);
  MILLRACE_ASSIGN(const auto read, file_->read_at(blocks * kBlockBytes, index));
  if (read != index.size() || crc_of(index, footer) != footer.crc) return damaged("fails its checksum");
  Taker in(index);
  fences_.resize(blocks);
  filter_.resize(filter_blocks_for(footer.ids));
  std::memcpy(fences_.data(), in.raw(blocks * 8).data(), blocks * 8);
  std::memcpy(filter_.data(), in.raw(filter_.size() * 64).data(), filter_.size() * 64);
  facts_.ids = footer.ids;
  return decode(in.raw(footer.facts_bytes), facts_) ? Status{} : damaged("does not say what it holds");
}

Result<bool> IdRun::holds(const Hash128& id, TimeUs from, TimeUs to) const {
  // The id may begin in the block before the first one whose fence is not below it.
  auto at = static_cast<std::size_t>(std::ranges::lower_bound(fences_, id.high) - fences_.begin());
  if (at > 0) --at;
  for (; at < fences_.size() && fences_[at] <= id.high; ++at) {
    Block block;
    MILLRACE_ASSIGN(const auto read,
                    file_->read_at(at * kBlockBytes, std::as_writable_bytes(std::span(&block, 1))));
    if (read != kBlockBytes || crc_of(block) != block.crc) {
      return fail(Code::kCorrupt, fmt::format("block {} fails its checksum", at), path_.string());
    }
    const auto ids = std::span(block.ids).first(std::min(kBlockIds, facts_.ids - at * kBlockIds));
    const auto found = std::ranges::lower_bound(ids, KnownId{id, from});
    if (found != ids.end() && found->id == id && found->time <= to) return true;
  }
  return false;
}

std::size_t IdRun::memory_bytes() const {
  return fences_.size() * sizeof fences_.front() + filter_.size() * sizeof(FilterBlock);
}

}  // namespace millrace
