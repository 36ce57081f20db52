#include "app/discover.h"

#include <chrono>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "app/parquet_texts.h"
#include "event/contract.h"
#include "event/contracts.h"
#include "source/column_roles.h"
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

/// Where no column names a product, the elements of a list may: orders with their lines.
Status look_into_lists(Env& env, const Path& file, const ProfileLimits& limits, FileProfile& profile) {
  if (roles_of(profile).contains("item.item_id")) return {};
  for (const auto& column : std::vector(profile.columns)) {
    if (!column.is_row_list) continue;
    auto inner = profile_file(env, file, open_parquet_texts, limits, column.name);
    if (!inner || !roles_of(*inner).contains("item.item_id")) continue;
    profile = *std::move(inner);
    return {};
  }
  return {};
}

/// Return a proposed contract as if it held.
Result<std::vector<Contract>> in_force(std::string contract) {
  constexpr std::string_view kProposed = "\nstatus: proposed\n";
  if (const auto at = contract.find(kProposed); at != std::string::npos)
    contract.replace(at, kProposed.size(), "\nstatus: active\n");
  std::vector<Contract> contracts;
  if (!contract.empty()) {
    MILLRACE_ASSIGN(contracts.emplace_back(), parse_contract(contract, "contract.yaml"));
  }
  return contracts;
}

}  // namespace

Result<DiscoveredFiles> discover_files(Env& env, FileGroup group, const ProfileLimits& limits) {
  DiscoveredFiles found{.group = std::move(group), .profile = {}, .mapping = {}, .trial = {}, .contract = {}};
  const Path& file = found.group.files.front();
  MILLRACE_ASSIGN(found.profile, profile_file(env, file, open_parquet_texts, limits));
  if (!found.profile.known.empty()) return found;
  MILLRACE_TRY(look_into_lists(env, file, limits, found.profile));
  MILLRACE_ASSIGN(found.mapping, propose_mapping(found.profile, found.group.name, modified_time(file)));
  if (found.mapping.yaml.empty()) return found;
  found.contract = propose_contract(found.profile, found.mapping, found.group.name);
  auto in_force_now = in_force(found.contract);
  if (!in_force_now) {
    found.mapping.notes.push_back("no contract is proposed: " + in_force_now.error().text());
    found.contract.clear();
  }
  const Contracts contracts(in_force_now ? *std::move(in_force_now) : std::vector<Contract>());
  MILLRACE_ASSIGN(found.trial, try_mapping(env, file, open_parquet_texts, found.mapping.mapping,
                                           found.profile.rows, &contracts));
  return found;
}

Status write_proposals(Env& env, const Path& folder, const std::vector<ProposedFile>& files, bool replace) {
  std::set<Path> paths;
  for (const auto& file : files) {
    const auto path = folder / file.path;
    if (!replace && env.exists(path))
      return fail(Code::kExists, "is there already, and nothing was written; --force replaces it",
                  path.string());
    if (!paths.insert(path).second)
      return fail(Code::kInvalid, "is proposed twice, and nothing was written", path.string());
  }
  for (const auto& file : files) {
    MILLRACE_TRY(env.make_dirs((folder / file.path).parent_path()));
    MILLRACE_TRY(write_file_atomically(env, folder / file.path, file.content));
  }
  return {};
}

}  // namespace millrace
