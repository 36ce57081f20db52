#pragma once

#include <string>

#include "base/result.h"
#include "lake/manifest.h"
#include "lake/object_store.h"

namespace millrace {

/// Remove the objects under `prefix`, and those staged for it, that the manifest does not know: what a crash
/// left between putting them and making them true. Nobody may be writing there. Errors: kIo.
Status remove_orphans(ObjectStore& store, const Manifest& manifest, const std::string& prefix);

}  // namespace millrace
