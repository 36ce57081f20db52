#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "app/discover.h"
#include "source/database_proposal.h"

namespace millrace {

/// What is said of files: a table of their columns, and what a person should look at.
std::string files_report(const DiscoveredFiles& found);
nlohmann::json files_json(const DiscoveredFiles& found);

/// What is said of a database's tables.
std::string database_report(const std::string& source, const DatabaseProposal& proposal);
nlohmann::json database_json(const std::string& source, const DatabaseProposal& proposal);

/// Quote a text for the shell where it needs that; with `is_pattern` each `*` stays outside. Its control
/// characters become blanks: it is for people to read and paste.
std::string shell_text(std::string_view text, bool is_pattern = false);

/// Return the command that reads the files, by the mapping that was written to `mapping`.
std::string ingest_command(const DiscoveredFiles& found, const Path& mapping);

}  // namespace millrace
