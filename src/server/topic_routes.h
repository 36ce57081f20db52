#pragma once

#include "base/env.h"
#include "log/event_log.h"
#include "server/router.h"

namespace millrace {

/// Add topics of any bytes (E17):
///   GET  /v1/topics                        names, settings and sizes
///   PUT  /v1/topics/{topic}?partitions=4&retention=7d&content_type=image/png    make one, or change it
///   POST /v1/topics/{topic}/messages       append the body as one message; its key is the header `X-Key`,
///                                          its attributes the headers `X-Attribute-NAME`; answers
///                                          {"partition","offset"} once durable
///   GET  /v1/topics/{topic}/messages?partition=0&offset=0&n=100    read them, values in base64
/// The platform's own topics can be read, not written. All arguments must outlive the router.
void add_topic_routes(Router& router, EventLog& log, Env& env);

}  // namespace millrace
