#include "lake/orphans.h"

#include <algorithm>

#include "base/logging.h"

namespace millrace {

Status remove_orphans(ObjectStore& store, const Manifest& manifest, const std::string& prefix) {
  MILLRACE_ASSIGN(const auto known, manifest.keys());
  MILLRACE_ASSIGN(const auto unsettled, manifest.unsettled());
  for (const std::string& from : {prefix, staging_key(prefix)}) {
    MILLRACE_ASSIGN(const auto objects, store.list(from));
    for (const ObjectInfo& object : objects) {
      const auto lies_there = [&](const LakeFile& file) { return file.object_key() == object.key; };
      if (std::ranges::binary_search(known, object.key) || std::ranges::any_of(unsettled, lies_there))
        continue;
      log_info("lake", "removed a file that a crash left", {field("file", object.key)});
      MILLRACE_TRY(store.remove(object.key));
    }
  }
  return {};
}

}  // namespace millrace
