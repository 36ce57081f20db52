#include "stream/archive_compaction.h"

#include <algorithm>

#include <fmt/format.h>

#include "lake/archive_reader.h"
#include "lake/orphans.h"
#include "lake/raw_file.h"
#include "lake/settle.h"

namespace millrace {
namespace {

/// Return the first run of files, two or more, that fit into `bytes_max` raw bytes together; empty when there
/// is none. A file that was brought together takes no further one: that one did not fit the first time.
std::vector<LakeFile> first_group(const std::vector<LakeFile>& files, std::uint64_t bytes_max) {
  std::vector<LakeFile> group;
  std::uint64_t bytes = 0;
  for (const LakeFile& file : files) {
    if (!group.empty() && bytes + file.raw_bytes > bytes_max) {
      if (group.size() > 1) break;
      group.clear();
      bytes = 0;
    }
    group.push_back(file);
    bytes += file.raw_bytes;
  }
  return group.size() > 1 ? group : std::vector<LakeFile>();
}

}  // namespace

Result<bool> Compaction::step(const LakePart& part) {
  MILLRACE_ASSIGN(const auto files, manifest_.files(part));
  const auto group = first_group(files, file_bytes_max_);
  if (group.empty()) {
    MILLRACE_TRY(manifest_.apply({.close = part}));
    return false;
  }
  MILLRACE_ASSIGN(BuiltPair merged, merge(group));
  MILLRACE_TRY(stage({&merged.data, &merged.twin}, group));
  MILLRACE_TRY(settle());
  return true;
}

/// Return one file with what is in all of them.
Result<BuiltPair> Compaction::merge(const std::vector<LakeFile>& files) {
  RawFileBuilder builder(compressor_);
  for (const LakeFile& file : files) {
    MILLRACE_ASSIGN(const auto twin, manifest_.file(twin_key(file)));
    if (!twin) return fail(Code::kCorrupt, "the manifest has no twin of this file", file.key());
    MILLRACE_ASSIGN(const std::string data_frames, get_checked(store_, file));
    MILLRACE_ASSIGN(const std::string twin_frames, get_checked(store_, *twin));
    MILLRACE_ASSIGN(const std::string data, decompress_frames(data_frames, file.raw_bytes));
    MILLRACE_ASSIGN(const std::string twins, decompress_frames(twin_frames, twin->raw_bytes));
    MILLRACE_TRY(builder.add_lines(data, twins, file));
  }
  return builder.finish(files.front().part, env_.now());
}

Status Compaction::stage(std::vector<BuiltFile*> files, const std::vector<LakeFile>& replaced) {
  ManifestChange change;
  for (BuiltFile* built : files) {
    built->file.state = LakeFileState::kStaged;
    MILLRACE_TRY(store_.put(built->file.object_key(), built->bytes));
    change.add.push_back(built->file);
  }
  for (const LakeFile& file : replaced) {
    change.replace.push_back(file.key());
    change.replace.push_back(twin_key(file));
  }
  return manifest_.apply(change);
}

Status Compaction::settle() {
  return millrace::settle(store_, manifest_, kRawZone);
}

Status Compaction::remove_orphans(const std::string& zone, const std::string& dataset) {
  MILLRACE_TRY(millrace::remove_orphans(store_, manifest_, fmt::format("{}/{}/", zone, dataset)));
  return millrace::remove_orphans(store_, manifest_, fmt::format("{}/{}/", zone, twin_dataset(dataset)));
}

}  // namespace millrace
