#pragma once

#include "base/result.h"
#include "warehouse/duck.h"

namespace millrace {

class SpaceSaving;

/// Return what topk_list gives: [{"value","count","error"}], the most frequent first.
std::string frequent_json(const SpaceSaving& sketch);

/// Teach DuckDB the functions of sketches, for all connections of its instance:
///   hll(text) → BLOB, hll_merge(BLOB) → BLOB, hll_count(BLOB) → BIGINT          (warehouse/hyperloglog.h)
///   topk(text, k) → BLOB, topk_merge(BLOB) → BLOB, topk_list(BLOB) → VARCHAR    (warehouse/space_saving.h)
/// hll, topk and the merges are aggregates; NULL is passed over, and NULL comes of nothing else. `topk_list`
/// gives the JSON [{"value","count","error"}]. Bytes that are no sketch end the query with an error.
Status register_sketch_functions(duck::Connection& connection);

}  // namespace millrace
