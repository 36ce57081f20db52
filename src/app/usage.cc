#include "app/usage.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace millrace {
namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Return what to do about a word that is none of `known`.
std::string remedy(const std::string& word, const std::vector<std::string>& known, std::string_view called) {
  const std::string nearest = nearest_name(word, known);
  if (!nearest.empty()) return fmt::format("did you mean '{}'?", nearest);
  return fmt::format("the {} are {}", called, fmt::join(known, ", "));
}

}  // namespace

std::string unknown_word(const CLI::App& app) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  const std::vector<std::string> words = command.remaining();
  if (words.empty()) return "";
  const auto is_option = [](const std::string& word) { return word.starts_with('-'); };
  const auto option = std::ranges::find_if(words, is_option);
  const auto other = std::ranges::find_if_not(words, is_option);
  if (chosen.empty() && other != words.end())
    return fmt::format("there is no command '{}'; {}", *other, remedy(*other, commands_of(app), "commands"));
  // What follows a mistyped option is left over too, so the option is what to speak of.
  if (option == words.end())
    return fmt::format("'{}' does not know what to do with '{}'", command.get_name(), *other);
  const std::string name = option->substr(0, option->find('='));
  return fmt::format("'{}' has no option '{}'; {}", chosen.empty() ? "millrace" : command.get_name(), name,
                     remedy(name, options_of(command), "options"));
}

}  // namespace millrace
