#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/env.h"
#include "log/event_log.h"

namespace millrace {

/// One change of the catalogue, as the topics `items` and `users` keep it (docs/schema.md).
struct CatalogueRecord {
  std::string id;
  std::string value;
};

/// Refuse an id that is empty, long, no UTF-8 or holds a NUL byte. Errors: kInvalid.
Status check_catalogue_id(const std::string& id);

/// Make the record that puts an item or user with `attributes`, a JSON object, in the place of what was
/// there.
CatalogueRecord catalogue_put(std::string id, nlohmann::json attributes);
CatalogueRecord catalogue_delete(std::string id);

/// Append `changes` to the topic; `done` is called once they are durable, on the log's committer thread.
/// Errors to `done`: kInvalid for none or too many for one append; those of EventLog::append.
void append_catalogue(EventLog& log, Env& env, std::string_view topic,
                      const std::vector<CatalogueRecord>& changes, std::function<void(const Status&)> done);

}  // namespace millrace
