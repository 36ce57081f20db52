#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "event/contract.h"

namespace millrace {

/// A small sound contract of purchases and of a custom event, with `schema` in the place of its own if given.
std::string contract_text(std::string_view schema = {}, std::string_view more = {});

/// Parse one that must be sound; throws std::logic_error with what is wrong.
Contract test_contract(std::string_view text, std::string_view name = "shop.yaml");

}  // namespace millrace
