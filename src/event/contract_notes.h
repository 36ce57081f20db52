#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

class EventRules;

/// What was seen while events of one body were checked, beside what was refused.
struct ContractNotes {
  struct Checked {
    const EventRules* rules = nullptr;
    std::uint64_t checked = 0;
    std::uint64_t refused = 0;
    std::uint64_t warned = 0;  ///< events that a rule of severity warn speaks of
    std::string warning;       ///< of the last of them
  };
  /// A member of `properties` that the contract does not know.
  struct Unannounced {
    const EventRules* rules = nullptr;
    std::string property;
    std::uint64_t events = 0;
  };
  static constexpr std::size_t kUnannouncedMax = 64;  ///< in one body; more are not told apart

  std::vector<Checked> checked;
  std::vector<Unannounced> unannounced;

  Checked& of(const EventRules& rules);
  void add_unannounced(const EventRules& rules, std::string_view property);
};

}  // namespace millrace
