#pragma once

#include <string>

#include "event/contract.h"

namespace millrace {

/// Return a JSON Schema (2020-12) of what a contract speaks of: one definition for each object, any of which
/// a document may be. Of events it is the native event (docs/formats/native-event.md).
std::string json_schema_of(const Contract& contract);

/// Return the same as types of TypeScript: an interface for each object.
std::string typescript_of(const Contract& contract);

}  // namespace millrace
