#pragma once

#include <string_view>

#include "lake/manifest.h"
#include "lake/object_store.h"

namespace millrace {

/// Finish what was begun in a zone: remove what was replaced, then put in its place what is staged. Every
/// step can be done again after a crash. One at a time for a zone. Errors: those of the store and the
/// manifest; kCorrupt names a damaged file.
Status settle(ObjectStore& store, Manifest& manifest, std::string_view zone);

}  // namespace millrace
