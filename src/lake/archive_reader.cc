#include "lake/archive_reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

namespace millrace {
namespace {

/// Looked at in one call; many more than ever lie over one another.
constexpr std::size_t kFilesMax = 256;

/// How often a file may be replaced between our look into the manifest and our reading it.
constexpr int kTriesMax = 5;

constexpr std::size_t kReadableBehind = 64;

RecordBatch copy_of(const std::vector<const Record*>& records) {
  std::size_t bytes = kReadableBehind;
  for (const Record* record : records)
    bytes += record->key.size() + record->attributes.size() + record->value.size();
  RecordBatch batch;
  batch.bytes = std::make_unique<char[]>(bytes);
  char* at = batch.bytes.get();
  const auto keep = [&](std::string_view text) {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at += text.size();
    return std::string_view(at - text.size(), text.size());
  };
  for (const Record* record : records) {
    batch.records.push_back({record->offset, record->time, record->count, keep(record->key),
                             keep(record->attributes), keep(record->value)});
  }
  return batch;
}

Error damage(const LakeFile& file, const std::string& what) {
  return {Code::kCorrupt,
          fmt::format("the lake's file {} (checksum {}) {}", file.object_key(), to_hex(file.checksum), what),
          ""};
}

}  // namespace

Result<std::string> get_checked(const ObjectStore& store, const LakeFile& file) {
  MILLRACE_ASSIGN(std::string bytes, store.get(file.object_key()));
  const Hash128 found = hash128(bytes);
  if (found == file.checksum) return bytes;
  return fail(damage(
      file, fmt::format("is damaged: its {} bytes have the checksum {}", bytes.size(), to_hex(found))));
}

/// Several files, each in offset order, as one.
class ArchiveReader::Merge {
 public:
  void add(const RawRecords& file, Offset from) {
    const auto& records = file.records();
    const auto first = std::ranges::lower_bound(records, from, {}, &Record::offset);
    if (first != records.end()) open_.push_back({std::to_address(first), records.data() + records.size()});
  }

  /// Return the next record, or nullptr.
  const Record* peek() const { return open_.empty() ? nullptr : best()->next; }

  void pop() {
    const auto at = best();
    if (++at->next == at->end) open_.erase(at);
  }

 private:
  struct Open {
    const Record* next;
    const Record* end;
  };

  std::vector<Open>::iterator best() {
    return std::ranges::min_element(open_, {}, [](const Open& open) { return open.next->offset; });
  }
  std::vector<Open>::const_iterator best() const {
    return std::ranges::min_element(open_, {}, [](const Open& open) { return open.next->offset; });
  }

  std::vector<Open> open_;
};

Result<RecordBatch> ArchiveReader::read(const TopicPartition& partition, Offset from,
                                        const ReadLimits& limits) {
  for (int tries = 1;; ++tries) {
    MILLRACE_ASSIGN(const auto position, manifest_.position(job_, partition));
    const std::string name = fmt::format("{}/{}", partition.topic, partition.partition.value());
    if (!position) return fail(Code::kNotFound, "nothing of it is archived", name);
    if (from < position->start)
      return fail(
          Code::kOutOfRange,
          fmt::format("the archive begins at offset {}, not at {}", position->start.value(), from.value()),
          name);
    auto batch = read_once(*position, from, limits);
    if (batch || batch.error().code != Code::kNotFound) return batch;
    if (tries == kTriesMax)
      return fail(Code::kCorrupt, batch.error().message + ", though the manifest names it",
                  batch.error().where);
  }
}

Result<RecordBatch> ArchiveReader::read_once(const LakePosition& position, Offset from,
                                             const ReadLimits& limits) {
  const LakePart part{std::string(kRawZone), position.partition.topic, "", position.partition};
  MILLRACE_ASSIGN(const auto files, manifest_.files_from(part, from, kFilesMax));
  const bool is_all = files.size() < kFilesMax;
  const Offset end = is_all ? position.next : files.back().first;
  Merge merge;
  used_.clear();
  std::vector<const Record*> taken;
  std::size_t bytes = 0;
  for (auto file = files.begin(); taken.size() < limits.records_max && bytes < limits.bytes_max;) {
    const Record* next = merge.peek();
    if (file != files.end() && (next == nullptr || file->first < next->offset)) {
      MILLRACE_ASSIGN(const RawRecords* records, load(*file));
      merge.add(*records, from);
      ++file;
      continue;
    }
    if (next == nullptr || next->offset >= end) break;
    taken.push_back(next);
    bytes += next->value.size() + next->attributes.size() + next->key.size();
    merge.pop();
  }
  const Record* rest = merge.peek();
  RecordBatch batch = copy_of(taken);
  batch.next = rest != nullptr && rest->offset < end ? rest->offset : std::max(from, end);
  if (taken.size() == limits.records_max || bytes >= limits.bytes_max)
    batch.next = taken.empty() ? from : taken.back()->offset + 1;
  std::erase_if(files_, [&](const auto& entry) { return !used_.contains(entry.first); });
  return batch;
}

Result<const RawRecords*> ArchiveReader::load(const LakeFile& file) {
  const std::string key = file.key();
  used_.insert(key);
  const auto known = files_.find(key);
  if (known != files_.end()) return &known->second;
  MILLRACE_ASSIGN(const auto twin, manifest_.file(twin_key(file)));
  if (!twin) return fail(Code::kNotFound, fmt::format("{} has no twin in the manifest", key));
  MILLRACE_ASSIGN(const std::string data_frames, get_checked(store_, file));
  MILLRACE_ASSIGN(const std::string twin_frames, get_checked(store_, *twin));
  auto data = decompress_frames(data_frames, file.raw_bytes, RawRecords::kPadding);
  if (!data) return fail(damage(file, data.error().message));
  auto twins = decompress_frames(twin_frames, twin->raw_bytes, RawRecords::kPadding);
  if (!twins) return fail(damage(*twin, twins.error().message));
  auto records = RawRecords::parse(*std::move(data), *std::move(twins));
  if (!records) return fail(damage(file, records.error().message));
  return &files_.emplace(key, *std::move(records)).first->second;
}

}  // namespace millrace
