#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "event/codec.h"
#include "net/http.h"
#include "server/collector.h"
#include "server/gorse_feedback.h"

namespace millrace {

/// Return what the collector is to know of a request of Gorse's API; views `request` and `source`.
BodyFacts gorse_facts(const HttpRequest& request, std::string_view source, TimeUs now);

/// Hand feedback to the collector, in as many bodies as its limits ask for; `done` gets how many events were
/// taken once all are durable. Never blocks. Errors to `done`: the first of Collector::collect; a retry
/// counts nothing twice.
void write_gorse_feedback(Collector& collector, const BodyLimits& limits,
                          const std::vector<GorseFeedback>& feedback, const BodyFacts& facts,
                          std::function<void(const Result<std::uint64_t>& rows)> done);

}  // namespace millrace
