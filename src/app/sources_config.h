#pragma once

#include <vector>

#include "base/env.h"
#include "base/yaml.h"
#include "source/http_source.h"
#include "source/mysql_source.h"

namespace millrace {

/// What millrace.yaml names under `sources`.
struct Sources {
  std::vector<MysqlSource> databases;
  std::vector<HttpSource> apis;
};

/// Read `sources` of millrace.yaml (docs/configuration.md), whose paths are relative to `project`; mistakes
/// are noted in the document.
Sources read_sources(Env& env, const Path& project, const YamlMap& sources);

/// Read one with `kind: http`.
HttpSource read_http_source(Env& env, const Path& project, const std::string& name, const YamlMap& map);

}  // namespace millrace
