#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "warehouse/transform.h"
#include "warehouse/transform_ledger.h"
#include "warehouse/transform_set.h"
#include "warehouse/warehouse.h"

namespace millrace {

class Contracts;

struct TransformRunRequest {
  std::vector<std::string> select;  ///< NAME, +NAME, NAME+; empty: all
  bool full = false;                ///< make all anew, whatever is filled
  TransformRange range;             ///< only the intervals in it, filled or not
};

struct TransformProgress {
  std::string name;
  std::size_t intervals_done = 0;
  std::size_t intervals_total = 0;  ///< 0: made as a whole
};

/// What came of one transform in a run.
struct TransformOutcome {
  enum class State : std::uint8_t { kDone, kFailed, kSkipped };
  std::string name;
  State state = State::kDone;
  std::uint64_t intervals = 0;
  std::uint64_t rows = 0;  ///< written
  DurationUs duration = 0;
  std::string error;  ///< why it failed, or which of its inputs did
};

struct TransformRunResult {
  std::vector<TransformOutcome> transforms;  ///< in the order in which they ended
  std::vector<std::string> notes;            ///< SQL that only DuckDB reads so, each with its place
};

/// One that is declared, or was.
struct TransformState {
  std::string name;
  std::string description;
  DurationUs interval = 0;
  std::vector<std::string> needs;  ///< tables, `analytics.` and a name for those of transforms
  std::uint32_t version = 0;
  bool changed = false;  ///< its SQL, or what it reads, is not what it was made of
  std::optional<TransformRecord> record;
};

/// Tables that people declare as SQL (docs/how-to/transforms.md), made when asked for, beside the loader and
/// over connections of their own. Threads: any method from any thread.
class Transforms {
 public:
  /// Reads the files of the project as they are now; nothing without a project or its folder, when those that
  /// ran last are kept.
  using Load = std::function<Result<std::optional<std::vector<TransformFile>>>()>;
  using OnProgress = std::function<void(const TransformProgress&)>;

  struct Options {
    unsigned at_once_max = 2;              ///< transforms that run beside each other
    const Contracts* contracts = nullptr;  ///< that their tables must fit; none: any
  };

  Transforms(Warehouse& warehouse, Load load, const Options& options)
      : warehouse_(warehouse), load_(std::move(load)), options_(options) {}

  /// Make what is to be made of those that are selected, each after those that it reads, and, when all are,
  /// drop the tables of those that are declared no more. One that fails ends those that read it, not the
  /// others. `progress` is called by one thread at a time. Errors: kInvalid with all mistakes of all files;
  /// kNotFound for a name; kOverloaded while another run is under way; kCancelled; those of the warehouse.
  Result<TransformRunResult> run(const TransformRunRequest& request, const OnProgress& progress,
                                 const std::stop_token& stop);

  /// Return all that are declared, in the order in which they run; while a run is under way, as it found
  /// them. Errors: as of `run`.
  Result<std::vector<TransformState>> list();

  /// Return a page on the tables that they make (warehouse/transform_docs.h). Errors: as of `run`.
  Result<std::string> page();

 private:
  Result<std::vector<TransformFile>> files(TransformLedger& ledger);
  Result<std::shared_ptr<const TransformSet>> check(duck::Connection& connection);
  Result<std::shared_ptr<const TransformSet>> begin_run(duck::Connection& connection);
  Result<std::shared_ptr<const TransformSet>> declared(duck::Connection& connection);
  void end_run();
  Result<TransformRunResult> run_set(duck::Connection& connection, const TransformSet& set,
                                     const TransformRunRequest& request, const OnProgress& progress,
                                     const std::stop_token& stop);

  Warehouse& warehouse_;
  const Load load_;
  const Options options_;
  std::mutex mutex_;                            ///< guards the rest; held while files are checked
  std::shared_ptr<const TransformSet> of_run_;  ///< of the run that is under way
};

}  // namespace millrace
