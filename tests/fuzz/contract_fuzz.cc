// Any bytes as a contract: refused with a message, or read; what was read can be compared with itself without
// a difference, made ready to check an event, and written as a schema and as types.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "event/contract_diff.h"
#include "event/contract_types.h"
#include "event/contracts.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto contract =
      parse_contract(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
  if (!contract) {
    if (contract.error().message.empty()) std::abort();
    return 0;
  }
  if (!diff_contracts(*contract, *contract).empty()) std::abort();
  static_cast<void>(json_schema_of(*contract));
  static_cast<void>(typescript_of(*contract));
  const Contracts contracts({*contract});
  Event event;
  event.type = EventType::kPurchase;
  event.type_name = "purchase";
  event.properties = R"({"a":1,"b":"x","c":[1,{"d":null}]})";
  ContractNotes notes;
  static_cast<void>(contracts.check(event, notes));
  return 0;
}
