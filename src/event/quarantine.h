#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/codec.h"

namespace millrace {

/// Write what is said of a refused record beside its raw bytes, as JSON: {"stage","code","message",
/// "where","source","codec","first_attempt_us","last_attempt_us","ip","message_id","replaces","user_agent",
/// "context","sent_us"}, those after `ip` only where they are known. It is the `attributes` of a record in
/// topic `quarantine`; the record's value is the raw bytes. `stage` is where it was refused: "collect",
/// "ingest", "decode".
///
/// `codec` is the name of the shape the bytes have: a codec's, or "csv", "jsonl".
std::string quarantine_header(std::string_view stage, std::string_view codec, const Error& reason,
                              const BodyFacts& facts);
/// The same of a piece of a body: `envelope` has the shape, and what the piece shared with others.
std::string quarantine_header(std::string_view stage, const Envelope& envelope, const Error& reason,
                              const BodyFacts& facts);

}  // namespace millrace
