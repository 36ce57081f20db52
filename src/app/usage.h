#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace millrace {

/// Say which word of a command line that failed to parse is no command or option of `app`, and which known
/// one it is near: "there is no command 'ingset'; did you mean 'ingest'?". "" when all words are known, so
/// that what is wrong is what the parser said.
std::string unknown_word(const CLI::App& app);

}  // namespace millrace
