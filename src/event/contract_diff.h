#pragma once

#include <string>
#include <vector>

#include "event/contract.h"

namespace millrace {

/// One difference between two versions of a contract.
struct ContractChange {
  bool breaking = false;
  std::string place;  ///< "purchase.items[].price"; "" for the contract itself
  std::string what;   ///< "the value 'GBP' is removed"
  std::string why;    ///< whom it breaks, or why it breaks nobody
};

/// Say what is different, in the order of the old version, what breaks somebody and why. A change breaks
/// producers when data that was right becomes wrong, and readers when something that they may have built on
/// goes away.
std::vector<ContractChange> diff_contracts(const Contract& before, const Contract& after);

bool is_breaking(const std::vector<ContractChange>& changes);

}  // namespace millrace
