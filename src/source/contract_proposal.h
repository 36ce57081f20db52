#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/file_profile.h"
#include "source/mapping_proposal.h"

namespace millrace {

/// One property of a proposed contract.
struct ContractColumn {
  std::string name;
  std::string type;  ///< logicalType; empty: none is said
  bool required = false;
  bool unique = false;
  bool in_key = false;
  std::string minimum, maximum;     ///< empty: none
  std::vector<std::string> values;  ///< the only ones; empty: any
  bool values_are_seen = false;     ///< … as far as was looked: others are let through and counted
  std::string reference;            ///< "shop.customers.id"; empty: none
};

/// Write the head of a contract (Open Data Contract Standard 3.1) that is proposed and so holds for nothing.
/// `sources`: those that it shall hold for; empty: it speaks of a table.
std::string contract_head(const std::string& id, const std::string& origin, const std::string& source);

/// Write a property, `indent` blanks from the left.
std::string contract_property(const ContractColumn& column, int indent);

/// Propose a contract for what a file's rows become by the mapping that is proposed. Empty without a mapping.
std::string propose_contract(const FileProfile& profile, const MappingProposal& mapping,
                             const std::string& source);

}  // namespace millrace
