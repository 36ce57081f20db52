#include "app/discover.h"

#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "app/parquet_texts.h"
#include "source/contract_proposal.h"

namespace millrace {
namespace {

/// Return when a file was written, in whole seconds.
TimeUs modified_time(const Path& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return 0;
  const auto since_1970 = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since_1970).count() * kSecondUs;
}

}  // namespace

Result<DiscoveredFiles> discover_files(Env& env, FileGroup group, const ProfileLimits& limits) {
  DiscoveredFiles found{.group = std::move(group), .profile = {}, .mapping = {}, .trial = {}, .contract = {}};
  const Path& file = found.group.files.front();
  MILLRACE_ASSIGN(found.profile, profile_file(env, file, open_parquet_texts, limits));
  if (!found.profile.known.empty()) return found;
  MILLRACE_ASSIGN(found.mapping, propose_mapping(found.profile, found.group.name, modified_time(file)));
  if (found.mapping.yaml.empty()) return found;
  MILLRACE_ASSIGN(found.trial,
                  try_mapping(env, file, open_parquet_texts, found.mapping.mapping, found.profile.rows));
  found.contract = propose_contract(found.profile, found.mapping, found.group.name);
  return found;
}

Status write_proposals(Env& env, const Path& folder, const std::vector<ProposedFile>& files, bool replace) {
  for (const auto& file : files)
    if (!replace && env.exists(folder / file.path))
      return fail(Code::kExists, "is there already, and nothing was written; --force replaces it",
                  (folder / file.path).string());
  for (const auto& file : files) {
    MILLRACE_TRY(env.make_dirs((folder / file.path).parent_path()));
    MILLRACE_TRY(write_file_atomically(env, folder / file.path, file.content));
  }
  return {};
}

}  // namespace millrace
