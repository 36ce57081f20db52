#pragma once

#include <vector>

#include "base/env.h"
#include "base/yaml.h"
#include "source/mysql_source.h"

namespace millrace {

/// Read `sources` of millrace.yaml (docs/configuration.md); mistakes are noted in the document.
std::vector<MysqlSource> read_sources(Env& env, const YamlMap& sources);

}  // namespace millrace
