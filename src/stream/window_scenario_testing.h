#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"

namespace millrace {

struct ScenarioReport {
  std::size_t scenarios = 0;
  std::vector<std::string> failures;  ///< each begins with the file and line of the step that failed
};

/// Run all scenarios of a file (tests/windows/README.md has the format). `text` is its content, `name` what
/// failures call it.
ScenarioReport run_scenarios(std::string_view text, const Path& name);

}  // namespace millrace
