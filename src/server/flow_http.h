#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "stream/flow_function.h"

namespace millrace {

struct HttpFunctionOptions {
  std::string url;                     ///< http://HOST:PORT/PATH
  std::string authorization;           ///< sent as that header, unless ""; never printed
  DurationUs timeout = 5 * kSecondUs;  ///< for one call
};

/// Write what a function is sent: {"records":[{"recordId","approximateArrivalTimestamp","data": base64}]},
/// Amazon Firehose's contract for transformations. The id of a record is the message's.
std::string function_request(std::span<const SubscriptionMessage* const> messages);

/// Read what it answered: {"records":[{"recordId","result":"Ok"|"Dropped"|"ProcessingFailed","data"}]}, in
/// any order. A record that it leaves out is to be tried again. Errors: kInvalid for an answer that cannot be
/// trusted: no such JSON, an id that was not asked for, or one that comes twice.
Result<std::vector<FlowOutcome>> function_outcomes(std::span<const SubscriptionMessage* const> messages,
                                                   std::string_view answer);

/// Make a function of an HTTP endpoint. An answer other than 200, none in time or one that cannot be trusted
/// is a failed try of all messages; when nobody listens they were not tried. Errors: kInvalid for the URL.
Result<std::unique_ptr<FlowFunction>> make_http_function(HttpFunctionOptions options);

}  // namespace millrace
