#pragma once

#include <cstdint>
#include <functional>
#include <shared_mutex>
#include <string>

#include "base/result.h"
#include "event/contracts.h"
#include "warehouse/contract_rules.h"
#include "warehouse/duck.h"
#include "warehouse/transform_ledger.h"
#include "warehouse/transform_set.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What all transforms of a run share.
struct TransformRunContext {
  Warehouse& warehouse;
  const TransformSet& set;
  const std::map<std::string, TransformRecord>& records;
  std::int64_t run = 0;
  bool full = false;
  TransformRange range;
  const Contracts* contracts = nullptr;  ///< that tables must fit before they are published
  std::shared_mutex memory;              ///< held alone by one that ran out of memory beside others
};

struct TransformDone {
  std::uint64_t intervals = 0;  ///< that were made
  std::uint64_t rows = 0;       ///< that were written
};

/// Makes what is to be made of one transform. Threads: one at a time; several of them over connections of
/// their own.
class TransformTask {
 public:
  using Progress = std::function<void(std::size_t intervals_done, std::size_t intervals_total)>;

  TransformTask(TransformRunContext& context, duck::Connection& connection, const SoundTransform& one)
      : context_(context), connection_(connection), one_(one), ledger_(connection) {}

  /// Errors: kInvalid when the SQL or a check fails on the data; those of the warehouse. What was made before
  /// stays, each interval whole.
  Result<TransformDone> run(const Progress& progress);

 private:
  Status begin();
  Status make_table_anew();
  Result<TransformDone> run_whole();
  Result<TransformDone> run_intervals(const Progress& progress);
  Result<std::uint64_t> run_span(const TransformSpan& span);
  Result<std::uint64_t> try_span(const TransformSpan& span);
  Result<std::uint64_t> try_whole();
  template <class Work>
  auto with_memory(const Work& work) -> decltype(work());
  Status check_contracts();
  void keep_contract_results(bool is_published);
  Result<std::vector<RuleResult>> judge(JudgeWhich which);
  Status check_room() const;
  TransformLedger::Made made_since(DurationUs begun) const;

  TransformRunContext& context_;
  duck::Connection& connection_;
  const SoundTransform& one_;
  TransformLedger ledger_;
  std::vector<RuleResult> contract_results_;  ///< of the last look
};

/// Check what a transform promises of its rows, those from `start` to `end` when it has intervals. Errors:
/// kInvalid, naming the check and how many rows fail it.
Status check_rows(duck::Connection& connection, const Transform& transform, const TransformSpan* span);

/// Make the views of the versions that transforms have or had: `NAME_v2` of the table itself, `NAME_v1` of
/// the SQL before until the end that was announced for it, and drop those whose end has come.
Status keep_versions(duck::Connection& connection, const SoundTransform& one,
                     const std::map<std::string, TransformRecord>& records, TimeUs now);

/// Drop a table with the views of its versions, and forget it.
Status drop_transform(duck::Connection& connection, const std::string& name);

}  // namespace millrace
