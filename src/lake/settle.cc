#include "lake/settle.h"

#include <ranges>

#include "lake/archive_reader.h"

namespace millrace {

Status settle(ObjectStore& store, Manifest& manifest, std::string_view zone) {
  MILLRACE_ASSIGN(auto files, manifest.unsettled());
  std::erase_if(files, [&](const LakeFile& file) { return file.part.zone != zone; });
  if (files.empty()) return {};
  ManifestChange change;
  // In order of keys twins come before their data. Data goes first and comes last: it is never without its
  // twin.
  for (const LakeFile& file : files | std::views::reverse) {
    if (file.state != LakeFileState::kReplaced) continue;
    MILLRACE_TRY(store.remove(file.key()));
    change.forget.push_back(file.key());
  }
  for (const LakeFile& file : files) {
    if (file.state != LakeFileState::kStaged) continue;
    MILLRACE_ASSIGN(const std::string bytes, get_checked(store, file));
    MILLRACE_TRY(store.put(file.key(), bytes));
    change.settle.push_back(file.key());
  }
  MILLRACE_TRY(manifest.apply(change));
  for (const auto& key : change.settle) MILLRACE_TRY(store.remove(staging_key(key)));
  return {};
}

}  // namespace millrace
