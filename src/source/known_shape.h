#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

struct FileProfile;

/// Return the format of `millrace ingest` that a JSON file's values are in: visits, segment, cloudevents,
/// activity, ga4, native; "ga_sessions" for sessions of web analytics with their hits; "" for none of them.
/// Its first values are decoded to be sure. Errors: those of reading.
Result<std::string> known_shape(Env& env, const Path& path, const FileProfile& profile);

}  // namespace millrace
