#pragma once

#include <vector>

#include "base/env.h"
#include "base/yaml.h"
#include "source/file_follower.h"

namespace millrace {

/// What the lines of a file that grows, or the items of an API, are.
struct FollowedShape {
  std::optional<CodecId> codec;    ///< events, else …
  std::optional<Mapping> mapping;  ///< … rows, by this
  std::string source;              ///< `source`, else the mapping's; may be empty
};

/// Read `format`, which is `format` unless given, `map` and `source`. `what` is what is followed, for
/// messages: "the file". Mistakes, also those of the mapping, are noted in the document.
FollowedShape read_followed_shape(Env& env, const Path& project, const YamlMap& map, std::string format,
                                  std::string_view what);

/// Read `follow` of millrace.yaml (docs/configuration.md), whose paths are relative to `project`; mistakes,
/// also those of mappings, are noted in the document.
std::vector<FollowedFile> read_followed_files(Env& env, const Path& project, const YamlMap& follow);

}  // namespace millrace
