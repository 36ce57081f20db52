#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/turn_mutex.h"
#include "vector/change_log.h"
#include "vector/make_index.h"
#include "vector/vector_index.h"

namespace millrace {

/// How many vectors there may be in all sets together, and how many there are.
struct VectorQuota {
  std::size_t vectors_max = 1'000'000;
  std::atomic<std::size_t> vectors = 0;
};

/// What is known of a set.
struct VectorSetInfo {
  std::string name;
  VectorShape shape;
  std::size_t vectors = 0;
  std::string index;           ///< "exact" or "hnsw"
  std::string index_settings;  ///< of a graph
  IndexQuality quality;
  bool is_building = false;  ///< a better index is being made; until then the one there is answers
  std::string problem;       ///< why it cannot be used; empty when it can
};

/// Vectors under a name, on disk and in an index. A change that was answered is on disk.
/// Threads: any, for all methods; changes take turns, searches go on meanwhile.
class VectorSet {
 public:
  struct Options {
    IndexOptions index;
    std::uint64_t log_changes_min = 20'000;  ///< so many, or an eighth of the vectors, before a new snapshot
  };
  struct Row {
    std::string id;
    std::vector<float> vector;
  };
  /// Rows to write elsewhere, and where the next ones begin.
  struct Page {
    std::vector<Row> rows;
    std::optional<std::string> next;  ///< nothing: these were the last
  };

  /// Make an empty one in `dir`, durably. Errors: those of files; kInvalid for a shape that cannot be.
  static Result<std::shared_ptr<VectorSet>> create(Env& env, const Path& dir, std::string name,
                                                   const VectorShape& shape, const Options& options,
                                                   VectorQuota& quota);

  /// Open what is in `dir`. Errors: kNotFound when it was never finished being made, or was being dropped;
  /// kCorrupt, kInvalid for a newer format; those of files.
  static Result<std::shared_ptr<VectorSet>> open(Env& env, const Path& dir, std::string name,
                                                 const Options& options, VectorQuota& quota);

  ~VectorSet();

  const std::string& name() const { return name_; }
  const VectorShape& shape() const { return shape_; }
  VectorSetInfo info() const;

  /// Add vectors or put them in the place of those of their ids, all or none; of two with one id the later.
  /// Errors: kInvalid, `where` naming the place among them ("[3]"); kOverloaded beyond the quota; kNoSpace;
  /// kIo; kNotFound once it was dropped.
  Status put(std::span<const Row> rows);

  /// Return whether it was there. Errors: as `put`.
  Result<bool> remove(std::string_view id);

  /// See VectorIndex::search_all. Errors: kInvalid.
  Result<std::vector<std::vector<Neighbour>>> search_all(std::span<const float> queries, std::size_t n,
                                                         const IdFilter& filter = {}) const;

  /// Return the vector of that id. Errors: kNotFound.
  Result<std::vector<float>> find(std::string_view id) const;

  /// Return up to `n` rows, from the first on or where a page before said. Each row that is there all the
  /// time comes once. Errors: kExists when the index was made anew meanwhile: begin again; kInvalid.
  Result<Page> page(std::string_view from, std::size_t n) const;

  /// Make the index anew where another suits better, and shorten the log. Takes as long as that takes; one
  /// thread at a time. Errors: of files; kCancelled when `*stop` became true.
  Status maintain(const std::atomic<bool>* stop);

  /// Refuse all changes from now on, and remove the files. Errors: those of files; it is gone nonetheless
  /// once its last snapshot is, which is removed first.
  Status drop();

 private:
  VectorSet(Env& env, Path dir, std::string name, const Options& options, VectorQuota& quota);

  Path file(std::uint64_t number, std::string_view extension) const;
  Status load_files();
  Status replay(std::uint64_t snapshot, std::span<const std::uint64_t> logs);
  Status change(std::span<const VectorChange> changes);
  Status apply(VectorIndex& index, const VectorChange& change) const;
  bool wants_other_index() const;
  Status make_other_index(const std::atomic<bool>* stop);
  Status catch_up(VectorIndex& index, bool& is_done);
  Status write_snapshot();
  Status remove_files_before(std::uint64_t number);

  Env& env_;
  const Path dir_;
  const std::string name_;
  const Options options_;
  VectorQuota& quota_;
  VectorShape shape_;

  std::mutex writing_;  ///< held by who changes; guards what follows, and that index_ stays the same
  std::optional<ChangeLog> log_;
  std::uint64_t number_ = 0;  ///< of the log that is written to
  bool is_dropped_ = false;
  bool wants_snapshot_ = false;                   ///< index_ was made anew, and is not on disk yet
  Status broken_;                                 ///< memory may differ from the disk: no more changes
  std::optional<std::set<std::string>> touched_;  ///< ids changed while another index is being made

  mutable TurnMutex reading_;  ///< guards the two that follow; writers hold writing_ too
  std::unique_ptr<VectorIndex> index_;
  std::uint64_t generation_ = 0;  ///< of index_
  std::atomic<bool> is_building_ = false;
};

/// Remove the files of a set, its snapshots first: without one it does not exist. Errors: those of files.
Status remove_vector_files(Env& env, const Path& dir);

}  // namespace millrace
