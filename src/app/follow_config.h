#pragma once

#include <vector>

#include "base/env.h"
#include "base/yaml.h"
#include "source/file_follower.h"

namespace millrace {

/// Read `follow` of millrace.yaml (docs/configuration.md), whose paths are relative to `project`; mistakes,
/// also those of mappings, are noted in the document.
std::vector<FollowedFile> read_followed_files(Env& env, const Path& project, const YamlMap& follow);

}  // namespace millrace
