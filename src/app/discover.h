#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "source/file_groups.h"
#include "source/file_profile.h"
#include "source/mapping_proposal.h"

namespace millrace {

/// What `millrace discover` proposes for files that are alike.
struct DiscoveredFiles {
  FileGroup group;
  FileProfile profile;  ///< of the first of them
  MappingProposal mapping;
  MappingTrial trial;    ///< of both, over the rows looked at
  std::string contract;  ///< a contract file; empty: none
};

/// Look at the first file of a group, and propose how to read all of them. Errors: those of `profile_file`.
Result<DiscoveredFiles> discover_files(Env& env, FileGroup group, const ProfileLimits& limits);

/// A file that is proposed, relative to the folder of proposals.
struct ProposedFile {
  Path path;
  std::string content;
};

/// Write files below `folder`. Errors, before anything is written: kExists when one of them is there and
/// `replace` is not set, kInvalid for two of one path; those of writing.
Status write_proposals(Env& env, const Path& folder, const std::vector<ProposedFile>& files, bool replace);

}  // namespace millrace
